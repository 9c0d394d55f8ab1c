//! `operator`: initialize, seal and unseal.

pub mod init;
pub mod key_status;
pub mod seal;
pub mod unseal;
