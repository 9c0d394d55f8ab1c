//! `sys/loggers` and `sys/monitor`.
use super::System;
use crate::logs::{Form, Levels, Logs, level};
use crate::node::Core;
use lessor_engine::{Context, Error, Outcome, Params, Paths, Reply, Result, Stream};
use serde_json::{Map, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("loggers", "Shows and sets the levels of the log.", |path| {
            path.read(all).write(set_all).delete(reset_all)
        })
        .path("loggers/{name}", "Shows and sets the level of one part of the log.", |path| {
            path.read(one).write(set_one).delete(reset_one)
        })
        .path("monitor", "Streams the log.", |path| path.read(monitor))
}

fn parts(core: &Core) -> Result<(&Levels, &dyn Logs)> {
    let logs = core.settings().logs.as_deref();
    let logs = logs.ok_or_else(|| Error::invalid("the levels of this server's log are fixed"))?;
    Ok((&core.levels, logs))
}

async fn all(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let core = system.core()?;
    let (levels, logs) = parts(&core)?;
    Ok(Reply::data(json!(levels.shown(logs))))
}

#[derive(Params)]
struct Named {
    /// The part of the log.
    name: String,
}

async fn one(system: Arc<System>, _: Context, named: Named) -> Result<Reply> {
    let core = system.core()?;
    let (levels, logs) = parts(&core)?;
    let found = levels.shown(logs).remove(named.name.as_str());
    let shown: Map<_, _> = found.into_iter().map(|level| (named.name.clone(), json!(level))).collect();
    Ok(Reply::data(shown.into()))
}

#[derive(Params)]
struct Level {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    level: String,
}

#[derive(Params)]
struct NamedLevel {
    /// The part of the log.
    name: String,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    level: String,
}

fn given(text: &str) -> Result<tracing::Level> {
    if text.is_empty() { Err(Error::invalid("level is required")) } else { level(text) }
}

async fn set_all(system: Arc<System>, _: Context, asked: Level) -> Result<Reply> {
    let core = system.core()?;
    let (levels, logs) = parts(&core)?;
    levels.set_all(logs, Some(given(&asked.level)?));
    Ok(Reply::empty())
}

async fn set_one(system: Arc<System>, _: Context, asked: NamedLevel) -> Result<Reply> {
    let core = system.core()?;
    let (levels, logs) = parts(&core)?;
    levels.set_part(logs, &asked.name, Some(given(&asked.level)?))?;
    Ok(Reply::empty())
}

async fn reset_all(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let core = system.core()?;
    let (levels, logs) = parts(&core)?;
    levels.set_all(logs, None);
    Ok(Reply::empty())
}

async fn reset_one(system: Arc<System>, _: Context, named: Named) -> Result<Reply> {
    let core = system.core()?;
    let (levels, logs) = parts(&core)?;
    levels.set_part(logs, &named.name, None)?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Monitor {
    /// From this level on.
    #[param(default = "info")]
    log_level: String,
    /// `standard` or `json`.
    #[param(default = "standard")]
    log_format: String,
}

async fn monitor(system: Arc<System>, _: Context, asked: Monitor) -> Result<Reply> {
    let level = level(&asked.log_level).map_err(|_| Error::invalid("unknown log level"))?;
    let (form, content_type) = match asked.log_format.as_str() {
        "standard" => (Form::Standard, "text/plain; charset=utf-8"),
        "json" => (Form::Json, "application/json"),
        _ => return Err(Error::invalid("unknown log format")),
    };
    let core = system.core()?;
    let (_, logs) = parts(&core)?;
    let stream = Stream { content_type: content_type.to_owned(), pieces: logs.follow(level, form) };
    Ok(Outcome::Stream(stream).into())
}
