//! `sys/seal`, `sys/rotate`, `sys/key-status`.
use super::System;
use lessor_engine::{Context, Error, Paths, Reply, Result, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("seal", "Seals the node.", |path| path.write(seal).sudo())
        .path("step-down", "Gives up leadership; there is none to give up.", |path| path.write(step_down).sudo())
        .path("rotate", "Adds a key to the barrier's keyring.", |path| path.write(rotate).sudo())
        .path("rotate/keyring", "Adds a key to the barrier's keyring.", |path| path.write(rotate).sudo())
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

async fn key_status(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let status = system.core()?.barrier().key_status()?;
    let installed = Timestamp::from_second(status.installed).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Reply::data(json!({ "term": status.term, "install_time": installed, "encryptions": status.encryptions })))
}
