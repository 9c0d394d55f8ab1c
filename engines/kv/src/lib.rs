//! Secrets that people write themselves: plain (version 1) and with history (version 2).
//!
//! One type, `kv`; the mount's option `version` decides. A mount that is turned from version 1 into version 2
//! keeps its secrets: version 2 takes a plain record for the first version of a path that it does not know
//! yet, and moves it the first time the path is written to. So there is no moment at which it cannot be used.
mod lists;
mod v1;
mod v2;

use lessor_engine::{Backend, Error, Factory, Result};
use std::{collections::BTreeMap, sync::Arc};

/// Makes `kv` mounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct KvFactory;

impl Factory for KvFactory {
    fn kind(&self) -> &'static str {
        "kv"
    }
    fn description(&self) -> &'static str {
        "Key-value secrets, with or without version history"
    }
    fn create(&self, options: &BTreeMap<String, String>) -> Result<Backend> {
        let paths = match options.get("version").map(String::as_str) {
            None | Some("" | "1") => v1::paths(),
            Some("2") => v2::paths(),
            Some(other) => return Err(Error::Invalid(format!("invalid version {other:?} for kv: use 1 or 2"))),
        };
        Ok(Backend::new(paths))
    }
    fn retune(&self, from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> Result<()> {
        let versioned =
            |options: &BTreeMap<String, String>| options.get("version").is_some_and(|version| version == "2");
        if versioned(from) && !versioned(to) {
            return Err(Error::invalid("cannot downgrade mount from version 2"));
        }
        Ok(())
    }
}

/// Everything this crate can mount.
pub fn factories() -> Vec<Arc<dyn Factory>> {
    vec![Arc::new(KvFactory)]
}
