//! Real platforms, each started privately for one test.
pub mod aws;
pub mod bao;
pub mod ckms;
pub mod directory;
pub mod discovery;
pub mod etcd;
pub mod gpg;
pub mod installed;
pub mod keyvault;
pub mod kmip;
pub mod kms;
pub mod kubernetes;
pub mod names;
pub mod nginx;
pub mod openid;
pub mod peer;
pub mod postgres;
pub mod rabbitmq;
pub mod samba;
pub mod slapd;
pub mod sshd;
pub mod sts;

pub use installed::{cache, tool};
