//! Logs: lines or JSON, to the terminal and a file, from a level on that a reload may change.
use crate::config::{LogConfig, parse_level};
use crate::log_file::{LogFile, Rotation};
use crate::log_followers::Followers;
use crate::log_levels::LogLevels;
use crate::options::Options;
use lessor_core::logs::Logs;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// The running logs. What is queued is written when it is dropped.
pub struct Logging {
    level: Option<reload::Handle<Targets, Registry>>,
    followers: Arc<Followers>,
    at: Level,
    fixed: bool,
    _writers: Vec<WorkerGuard>,
}

/// What libraries say below `info` may hold what they carry: headers, statements, frames.
pub(crate) fn targets(level: Level) -> Targets {
    Targets::new().with_default(level.min(Level::INFO)).with_target("lessor", level)
}

fn queue(to: impl std::io::Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    // A terminal that nobody reads must not hold requests up: lines beyond the queue are lost.
    NonBlockingBuilder::default().lossy(true).finish(to)
}

/// The settings, with those of the command line over those of the files.
///
/// # Errors
/// A word that is no level.
pub fn merged(options: &Options, config: &LogConfig) -> Result<LogConfig, String> {
    let flag = options.log_level.as_deref().filter(|word| !word.is_empty());
    let wrong = |word: &str| format!("unknown log level: {word}: use trace, debug, info, warn or error");
    let level = flag.map(|word| parse_level(word).ok_or_else(|| wrong(word))).transpose()?;
    let format = options.log_format.clone().filter(|format| format != "unspecified" && !format.is_empty());
    Ok(LogConfig {
        level: level.or(config.level),
        format: format.or_else(|| config.format.clone()),
        file: options.log_file.clone().or_else(|| config.file.clone()),
        rotate_bytes: options.log_rotate_bytes.or(config.rotate_bytes),
        rotate_duration: options.log_rotate_duration.or(config.rotate_duration),
        rotate_max_files: options.log_rotate_max_files.or(config.rotate_max_files),
        requests: config.requests,
    })
}

/// Begins to log.
///
/// # Errors
/// When the file cannot be opened.
pub fn start(log: &LogConfig, fixed: bool) -> Result<Logging, String> {
    let (terminal, guard) = queue(std::io::stderr());
    let mut writers = vec![guard];
    let json = log.format.as_deref() == Some("json");
    let mut layers = vec![lines(BoxMakeWriter::new(terminal), json)];
    if let Some(path) = &log.file {
        let rotation = Rotation {
            bytes: log.rotate_bytes.unwrap_or_default(),
            duration: log.rotate_duration.filter(|age| !age.is_zero()).unwrap_or(Duration::from_secs(24 * 3600)),
            max_files: log.rotate_max_files.unwrap_or_default(),
        };
        let file = LogFile::open(path, rotation).map_err(|error| format!("log_file {}: {error}", path.display()))?;
        let (file, guard) = queue(file);
        writers.push(guard);
        layers.push(lines(BoxMakeWriter::new(file), json));
    }
    let at = log.level.unwrap_or(Level::INFO);
    let (filter, level) = reload::Layer::new(targets(at));
    let (followers, followed) = Followers::new();
    let layers = vec![layers.with_filter(filter).boxed(), followed];
    // A subscriber that is there already (a test's) stays, and with it its level.
    let started = tracing_subscriber::registry().with(layers).try_init().is_ok();
    Ok(Logging { level: started.then_some(level), followers, at, fixed, _writers: writers })
}

/// A part of the log's way out.
pub(crate) type Lines = Box<dyn Layer<Registry> + Send + Sync>;

pub(crate) fn lines(to: BoxMakeWriter, json: bool) -> Lines {
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(true).with_writer(to);
    if json { layer.json().boxed() } else { layer.boxed() }
}

impl Logging {
    /// The levels that `sys/loggers` sets; `None` where somebody else's log is in use.
    pub fn levels(&self) -> Option<Arc<dyn Logs>> {
        let filter = self.level.clone()?;
        Some(Arc::new(LogLevels::new(self.at, filter, Arc::clone(&self.followers))))
    }
    /// Takes over the level of files that were read again, unless the command line set it.
    pub fn reload(&self, level: Option<Level>) {
        let (Some(handle), false) = (&self.level, self.fixed) else { return };
        if let Err(error) = handle.reload(targets(level.unwrap_or(Level::INFO))) {
            tracing::error!(%error, "the log level stays as it was");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_never_log_what_they_carry() {
        let targets = targets(Level::TRACE);
        assert!(targets.would_enable("lessor_core::pipeline", &Level::TRACE));
        assert!(targets.would_enable("h2::codec", &Level::INFO));
        assert!(!targets.would_enable("h2::codec", &Level::DEBUG));
        assert!(!targets_at(Level::WARN, "h2::codec", Level::INFO));
    }

    fn targets_at(level: Level, target: &str, of: Level) -> bool {
        targets(level).would_enable(target, &of)
    }

    #[test]
    fn the_command_line_goes_over_the_files() {
        let config = LogConfig { level: Some(Level::WARN), ..LogConfig::default() };
        let options = Options { log_level: Some("debug".into()), ..Options::default() };
        assert_eq!(merged(&options, &config).unwrap().level, Some(Level::DEBUG));
        assert_eq!(merged(&Options::default(), &config).unwrap().level, Some(Level::WARN));
        let wrong = Options { log_level: Some("loud".into()), ..Options::default() };
        assert!(merged(&wrong, &config).unwrap_err().contains("unknown log level: loud"));
    }
}
