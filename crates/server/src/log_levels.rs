//! The log's levels, which may change while the server runs.
use crate::logging::targets;
use lessor_core::logs::Logs;
use std::collections::BTreeMap;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Registry, reload};

/// The filter in front of the log.
#[derive(Debug)]
pub struct LogLevels {
    configured: Level,
    filter: reload::Handle<Targets, Registry>,
}

impl LogLevels {
    /// Steers `filter`; the configuration asks for `configured`.
    pub fn new(configured: Level, filter: reload::Handle<Targets, Registry>) -> Self {
        Self { configured, filter }
    }
}

impl Logs for LogLevels {
    fn configured(&self) -> Level {
        self.configured
    }
    fn set(&self, level: Level, parts: &BTreeMap<&'static str, Level>) {
        let targets = targets(level).with_targets(parts.iter().map(|(name, level)| (*name, *level)));
        if let Err(error) = self.filter.reload(targets) {
            tracing::warn!(%error, "the level of the log stays as it was");
        }
    }
}
