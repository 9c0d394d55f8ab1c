//! `log_*`.
use super::Fault;
use super::value::{bound, duration, text};
use lessor_hcl::Body;
use std::path::PathBuf;
use std::time::Duration;
use tracing::Level;

/// What is logged, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// From this level on.
    pub level: Option<Level>,
    /// `standard` or `json`.
    pub format: Option<String>,
    /// A file beside the terminal; a trailing slash is a directory.
    pub file: Option<PathBuf>,
    /// Bytes after which a new file is begun.
    pub rotate_bytes: Option<u64>,
    /// Time after which a new file is begun.
    pub rotate_duration: Option<Duration>,
    /// Old files that are kept: 0 is all of them, -1 is none.
    pub rotate_max_files: Option<i64>,
    /// The level at which answered requests are logged; `None` is not at all.
    pub requests: Option<Level>,
}

impl LogConfig {
    pub(super) fn merge(&mut self, body: &Body) -> Result<(), Fault> {
        if let Some(word) = text(body, "log_level")?.filter(|word| !word.is_empty()) {
            self.level = Some(level("log_level", &word)?);
        }
        if let Some(format) = text(body, "log_format")?.filter(|format| !format.is_empty()) {
            if !matches!(format.as_str(), "standard" | "json") {
                return Err(Fault::Value(format!("log_format: unknown \"{format}\": use standard or json")));
            }
            self.format = Some(format);
        }
        if let Some(file) = text(body, "log_file")?.filter(|file| !file.is_empty()) {
            self.file = Some(file.into());
        }
        if let Some(bytes) = bound(body, "log_rotate_bytes", 0)?.and_then(|bytes| u64::try_from(bytes).ok()) {
            self.rotate_bytes = Some(bytes).filter(|bytes| *bytes > 0).or(self.rotate_bytes);
        }
        self.rotate_duration = duration(body, "log_rotate_duration")?.or(self.rotate_duration);
        self.rotate_max_files = body.int("log_rotate_max_files")?.or(self.rotate_max_files);
        if let Some(word) = text(body, "log_requests_level")? {
            self.requests = match word.as_str() {
                "" | "off" => None,
                word => Some(level("log_requests_level", word)?),
            };
        }
        Ok(())
    }
}

/// The level of a word, in Vault's spellings.
pub(crate) fn parse_level(word: &str) -> Option<Level> {
    match word.to_ascii_lowercase().as_str() {
        "trace" => Some(Level::TRACE),
        "debug" => Some(Level::DEBUG),
        "info" | "notice" => Some(Level::INFO),
        "warn" | "warning" => Some(Level::WARN),
        "error" | "err" | "critical" => Some(Level::ERROR),
        _ => None,
    }
}

fn level(name: &str, word: &str) -> Result<Level, Fault> {
    let wrong = || Fault::Value(format!("{name}: unknown log level: {word}: use trace, debug, info, warn or error"));
    parse_level(word).ok_or_else(wrong)
}
