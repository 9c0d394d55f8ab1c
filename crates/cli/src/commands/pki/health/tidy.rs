//! Whether a mount is cleaned up.
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::config::{Settings, Usual, parameter};
use super::server::Server;
use super::{Check, Finding, Findings, Status};
use crate::duration;
use crate::failure::Failure;

pub static ENABLED: Check = Check {
    name: "enable_auto_tidy",
    enabled: true,
    parameters: &[
        parameter("interval_duration_critical", Usual::Duration("7d")),
        parameter("interval_duration_warning", Usual::Duration("2d")),
        parameter("pause_duration_critical", Usual::Duration("1s")),
        parameter("pause_duration_warning", Usual::Duration("200ms")),
    ],
    judge: |server, settings| Box::pin(enabled(server, settings)),
};

pub static LAST_RUN: Check = Check {
    name: "tidy_last_run",
    enabled: true,
    parameters: &[
        parameter("last_run_critical", Usual::Duration("7d")),
        parameter("last_run_warning", Usual::Duration("2d")),
    ],
    judge: |server, settings| Box::pin(last_run(server, settings)),
};

fn lasts(value: Option<&Value>) -> Result<Duration, Failure> {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "0".to_owned(),
    };
    duration::parse(&text).map_err(Failure::local)
}

async fn enabled(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let endpoint = server.endpoint("config/auto-tidy");
    let config = match server.read("config/auto-tidy").await?.data(&endpoint) {
        Ok(config) => config,
        Err(said) => return Ok(said),
    };
    if config.get("enabled") != Some(&Value::Bool(true)) {
        let text = "Nothing tidies the mount by itself: enable auto-tidy, so that what has ended goes.";
        return Ok(vec![Finding::new(Status::Informational, endpoint, text)]);
    }
    let mut said = Vec::new();
    for field in ["interval_duration", "pause_duration"] {
        let is = lasts(config.get(field))?;
        let over = |step: &str| is >= settings.duration(&format!("{field}_{step}"));
        let status = if over("critical") {
            Status::Critical
        } else if over("warning") {
            Status::Warning
        } else {
            continue;
        };
        let text = format!("{field} is {}: tidying comes too seldom, or takes too long.", duration::full(is));
        said.push(Finding::new(status, endpoint.clone(), text));
    }
    if said.is_empty() {
        said.push(Finding::new(Status::Ok, endpoint, "The mount is tidied by itself, and often enough."));
    }
    Ok(said)
}

async fn last_run(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let endpoint = server.endpoint("tidy-status");
    let status = match server.read("tidy-status").await?.data(&endpoint) {
        Ok(status) => status,
        Err(said) => return Ok(said),
    };
    let Some(finished) = status.get("time_finished").and_then(Value::as_str).filter(|time| !time.is_empty()) else {
        let text = "The mount was never tidied: enable auto-tidy, or see why what tidies it does not run.";
        return Ok(vec![Finding::new(Status::Critical, endpoint, text)]);
    };
    let at: Timestamp =
        finished.parse().map_err(|_| Failure::local(format!("{endpoint}: time_finished {finished:?} is no time")))?;
    let ago = Duration::from_secs(u64::try_from(Timestamp::now().as_second() - at.as_second()).unwrap_or_default());
    let step = if ago > settings.duration("last_run_critical") {
        Status::Critical
    } else if ago > settings.duration("last_run_warning") {
        Status::Warning
    } else {
        return Ok(vec![Finding::new(Status::Ok, endpoint, "The mount was tidied not long ago.")]);
    };
    let text = format!("The mount was last tidied {finished}: see why what tidies it does not run.");
    Ok(vec![Finding::new(step, endpoint, text)])
}
