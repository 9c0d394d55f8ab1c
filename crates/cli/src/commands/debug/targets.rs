//! What can be gathered, and from where.

use lessor_client::{Request, Stream};
use serde_json::Value;

use super::bundle::Bundle;
use crate::context::Ctx;
use crate::failure::Failure;

/// One thing to gather.
pub struct Target {
    pub name: &'static str,
    /// Each path is read at every look; the answers are collected in one file.
    pub paths: &'static [&'static str],
}

pub static TARGETS: &[Target] = &[
    Target { name: "config", paths: &["sys/config/state/sanitized"] },
    Target { name: "host", paths: &["sys/host-info"] },
    Target { name: "log", paths: &[] },
    Target { name: "metrics", paths: &["sys/metrics"] },
    Target { name: "pprof", paths: &["sys/pprof/goroutine", "sys/pprof/heap"] },
    Target { name: "replication-status", paths: &["sys/replication/status"] },
    Target { name: "server-status", paths: &["sys/health", "sys/seal-status"] },
];

/// Reads a target's paths into the bundle; a refusal is noted, not an end.
pub async fn look(ctx: &mut Ctx, target: &Target, bundle: &mut Bundle) -> Result<(), Failure> {
    for path in target.paths {
        match ctx.send(Request::get(path)).await? {
            Ok(response) if target.name == "pprof" => {
                let file = format!("{}-{}.prof", path.rsplit('/').next().unwrap_or(path), bundle.count(path));
                bundle.add(&file, response.raw().to_vec());
            }
            Ok(response) => {
                let value = response.json.unwrap_or(Value::Null);
                let data = if value["data"].is_object() { value["data"].clone() } else { value };
                bundle.sample(target.name, path, data);
            }
            Err(error) => bundle.problem(target.name, &error.to_string()),
        }
    }
    Ok(())
}

/// Begins to follow the server's log.
pub async fn open_log(ctx: &mut Ctx, format: &str, bundle: &mut Bundle) -> Result<Option<Stream>, Failure> {
    let request = Request::get("sys/monitor").query("log_level", "debug").query("log_format", format);
    match ctx.open(request).await? {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => {
            bundle.problem("log", &error.to_string());
            Ok(None)
        }
    }
}

/// The next piece of the log; never comes when there is none.
pub async fn next_piece(log: &mut Option<Stream>) -> Option<Vec<u8>> {
    match log {
        Some(stream) => stream.chunk().await.ok().flatten(),
        None => std::future::pending().await,
    }
}
