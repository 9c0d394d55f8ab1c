//! `sys/seal`, `sys/seal-backend-status`, `sys/rotate`, `sys/rotate/config`, `sys/key-status`.
use super::System;
use crate::upkeep::RotationConfig;
use lessor_engine::duration::go_string;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, Seconds, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("seal", "Seals the node.", |path| path.write(seal).sudo())
        .path("seal-backend-status", "Shows whether the automatic seal works.", |path| path.read(backend_status))
        .path("step-down", "Gives up leadership; there is none to give up.", |path| path.write(step_down).sudo())
        .path("rotate", "Adds a key to the barrier's keyring.", |path| path.write(rotate).sudo())
        .path("rotate/keyring", "Adds a key to the barrier's keyring.", |path| path.write(rotate).sudo())
        .path("rotate/config", "Shows and changes when the barrier gets a new key by itself.", |path| {
            path.read(rotation).write(set_rotation)
        })
        .path("rotate/keyring/config", "Shows and changes when the barrier gets a new key by itself.", |path| {
            path.read(rotation).write(set_rotation)
        })
        .path("key-status", "Shows the barrier's current key.", |path| path.read(key_status))
}

async fn seal(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let core = system.core()?;
    // Behind the answer, which itself is still audited.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        core.seal().await;
    });
    Ok(Reply::empty())
}

async fn step_down(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::empty())
}

async fn rotate(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    system.core()?.rotate_barrier().await?;
    Ok(Reply::empty())
}

async fn rotation(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let RotationConfig { max_operations, interval, enabled } = system.core()?.rotation_config();
    let interval = if interval == 0 { json!(0) } else { json!(go_string(Duration::from_secs(interval))) };
    Ok(Reply::data(json!({ "max_operations": max_operations, "interval": interval, "enabled": enabled })))
}

#[derive(Params)]
struct SetRotation {
    /// After so many encryptions, 1,000,000 to 3,865,470,566.
    max_operations: Option<i64>,
    /// After this time, at least 24 hours; 0 for never.
    interval: Option<Seconds>,
    /// Whether at all.
    enabled: Option<bool>,
}

async fn set_rotation(system: Arc<System>, _: Context, set: SetRotation) -> Result<Reply> {
    let core = system.core()?;
    let before = core.rotation_config();
    let next = RotationConfig {
        max_operations: set.max_operations.unwrap_or(before.max_operations),
        interval: set.interval.map_or(before.interval, |interval| interval.0),
        enabled: set.enabled.unwrap_or(before.enabled),
    };
    core.set_rotation_config(next).await?;
    Ok(Reply::empty())
}

async fn backend_status(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let core = system.core()?;
    let since = core.health.unhealthy_since();
    let mut backend = json!({ "name": core.seal_kind().word(), "healthy": since.is_none() });
    if let Some(since) = since {
        backend["unhealthy_since"] = json!(since);
    }
    let mut shown = backend.clone();
    if let Value::Object(shown) = &mut shown {
        shown.remove("name");
    }
    shown["backends"] = json!([backend]);
    Ok(Reply::data(shown))
}

async fn key_status(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let status = system.core()?.barrier().key_status()?;
    let installed = Timestamp::from_second(status.installed).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Reply::data(json!({ "term": status.term, "install_time": installed, "encryptions": status.encryptions })))
}
