//! What clients ask of editions that have more: answered so that they go on.
use super::System;
use lessor_engine::{Context, Paths, Reply, Result};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("replication/status", "Tells that nothing is replicated.", |path| path.read(replication).open())
        .path("replication/dr/status", "Tells that nothing is replicated.", |path| path.read(mode).open())
        .path("replication/performance/status", "Tells that nothing is replicated.", |path| path.read(mode).open())
        .path("seal-backend-status", "Tells whether the seal answers.", |path| path.read(seal_backend))
        .path("experiments", "Lists experiments; there are none.", |path| path.read(experiments))
}

async fn replication(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "dr": { "mode": "disabled" }, "performance": { "mode": "disabled" } })))
}

async fn mode(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "mode": "disabled" })))
}

/// Whoever can ask found the node unsealed, so its seal answered.
async fn seal_backend(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let name = system.core()?.seal_kind().word();
    Ok(Reply::data(json!({ "healthy": true, "backends": [{ "name": name, "healthy": true }] })))
}

async fn experiments(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "available": [], "enabled": [] })))
}
