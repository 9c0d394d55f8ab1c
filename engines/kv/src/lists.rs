//! Small things both versions do with paths.
use lessor_engine::{Error, Reply, Result};
use serde_json::json;
use std::collections::VecDeque;

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

/// A walk through everything below a folder. What lies higher comes first, as OpenBao has it.
pub(crate) struct Walk {
    folders: VecDeque<String>,
    /// The names of secrets met so far, from where the walk began.
    pub found: Vec<String>,
}

impl Walk {
    pub(crate) fn new() -> Self {
        Self { folders: VecDeque::from([String::new()]), found: Vec::new() }
    }
    /// The folder to list next.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.folders.pop_front()
    }
    /// Takes in what that folder holds.
    pub(crate) fn note(&mut self, folder: &str, names: Vec<String>) {
        for name in names {
            let name = format!("{folder}{name}");
            if name.ends_with('/') { self.folders.push_back(name) } else { self.found.push(name) }
        }
    }
}

/// The answer to a scan. One that finds nothing is an empty object, not a 404.
pub(crate) fn scanned(keys: &[String]) -> Reply {
    Reply::data(if keys.is_empty() { json!({}) } else { json!({ "keys": keys }) })
}
