//! `operator`: initialize, seal and unseal.

pub mod config;
pub mod generate_root;
pub mod init;
pub mod key_status;
pub mod members;
pub mod migrate;
mod pgp;
pub mod raft;
pub mod rekey;
pub mod seal;
pub mod unseal;
pub mod usage;
