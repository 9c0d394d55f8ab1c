//! `auth`: the ways to log in.

pub mod disable;
pub mod enable;
pub mod help;
pub mod list;
pub mod move_mount;
pub mod tune;
