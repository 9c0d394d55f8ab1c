//! What the tests of the command line share.
#![allow(dead_code, reason = "each test program uses its part")]
pub mod bao;
pub mod normal;
pub mod program;
pub mod scenario;
