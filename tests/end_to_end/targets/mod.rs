//! Real platforms, each started privately for one test.
pub mod aws;
pub mod postgres;
