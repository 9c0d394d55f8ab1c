//! `operator raft`: the nodes of a replicated storage, its snapshots, its autopilot.

pub mod autopilot;
pub mod join;
pub mod peers;
pub mod snapshot;
