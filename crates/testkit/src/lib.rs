//! For tests: a node in memory whose time is virtual, a small engine over a simulated platform, and the exhaustive
//! crash test that every engine with a [`lessor_engine::simulation::Simulation`] is run through.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
pub mod crash;
pub mod node;
pub mod seal_crash;
pub mod seals;
pub mod sim;

pub use node::Node;
