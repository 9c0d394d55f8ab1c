//! Real platforms, each started privately for one test.
pub mod aws;
pub mod bao;
pub mod ckms;
pub mod directory;
pub mod discovery;
pub mod etcd;
pub mod gpg;
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

use std::path::PathBuf;

/// Where `tests/install.sh` puts a package aside.
pub fn cache(package: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    let path = cache.join("lessor-targets").join(package);
    assert!(path.exists(), "{} is installed by `make test`", path.display());
    path
}

/// A program of a Python package.
pub fn tool(package: &str, name: &str) -> PathBuf {
    cache(package).join("bin").join(name)
}
