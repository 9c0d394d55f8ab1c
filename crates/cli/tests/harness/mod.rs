//! What the tests of the command line share.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::print_stderr, reason = "a skipped target is named")]
pub mod bao;
pub mod normal;
pub mod program;
pub mod scenario;
