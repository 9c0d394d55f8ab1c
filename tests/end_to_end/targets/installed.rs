//! What `tests/install.sh` put aside.
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
