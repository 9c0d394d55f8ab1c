//! `operator`: initialize, seal and unseal.

pub mod init;
pub mod key_status;
pub mod rekey;
pub mod seal;
pub mod unseal;
