//! `audit`: devices that record requests and answers.

pub mod disable;
pub mod enable;
pub mod list;
