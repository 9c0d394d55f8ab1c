//! Real platforms, each started privately for one test.
pub mod aws;
pub mod bao;
pub mod peer;
pub mod postgres;

use std::path::PathBuf;

/// A program of a Python package that `tests/install.sh` put aside.
fn tool(package: &str, name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    let path = cache.join("lessor-targets").join(package).join("bin").join(name);
    assert!(path.exists(), "{} is installed by `make test`", path.display());
    path
/// A program of a Python environment that `tests/install.sh` makes. Where it is missing the caller skips its test, out
/// loud, but never on CI.
pub fn tool(environment: &str, program: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let path = cache.unwrap_or_default().join("lessor-targets").join(environment).join("bin").join(program);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED {environment}: {} is missing; tests/install.sh installs it", path.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{environment} is missing on CI");
    None
}
