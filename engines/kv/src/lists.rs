//! Small things both versions do with paths.
use lessor_engine::{Error, Result};

/// The folder a list request names: empty, or ending in `/`.
pub(crate) fn folder(path: &str) -> String {
    if path.is_empty() || path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
}

/// Refuses to write where only folders can be.
pub(crate) fn writable(path: &str) -> Result<()> {
    if path.is_empty() {
        return Err(Error::invalid("missing path"));
    }
    if path.ends_with('/') {
        return Err(Error::invalid("cannot write to a path ending in '/'"));
    }
    Ok(())
}
