//! `policy`: what tokens may do.

pub mod delete;
pub mod fmt;
pub mod list;
pub mod read;
pub mod write;
