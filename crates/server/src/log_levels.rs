//! The log's levels, which may change while the server runs.
use crate::log_followers::Followers;
use crate::logging::targets;
use lessor_core::logs::{Form, Logs};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Registry, reload};

/// The filter in front of the log.
#[derive(Debug)]
pub struct LogLevels {
    configured: Level,
    filter: reload::Handle<Targets, Registry>,
    followers: Arc<Followers>,
}

impl LogLevels {
    /// Steers `filter`; the configuration asks for `configured`.
    pub fn new(configured: Level, filter: reload::Handle<Targets, Registry>, followers: Arc<Followers>) -> Self {
        Self { configured, filter, followers }
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
    fn follow(&self, level: Level, form: Form) -> Receiver<Vec<u8>> {
        self.followers.add(level, form)
    }
}
