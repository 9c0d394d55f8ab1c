//! `secrets`: where engines are mounted.

pub mod disable;
pub mod enable;
pub mod list;
pub mod move_mount;
pub mod tune;
