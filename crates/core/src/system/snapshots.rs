//! `sys/storage/raft/snapshot`: the name clients know; it works on every storage engine.
use super::System;
use lessor_engine::{Context, Error, Outcome, Paths, Reply, Result};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("storage/raft/snapshot", "Takes a snapshot of the storage, or restores one.", |path| {
            path.read(take).write(restore)
        })
        .path("storage/raft/snapshot-force", "Restores a snapshot that was made with other keys.", |path| {
            path.write(restore_by_force)
        })
}

async fn take(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let stream = system.core()?.take_snapshot().await?;
    let reply: Reply = Outcome::Stream(stream).into();
    Ok(reply.header("content-disposition", "attachment; filename=\"lessor.snap\""))
}

async fn restore(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    put_back(&system, &cx, false).await
}

async fn restore_by_force(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    put_back(&system, &cx, true).await
}

async fn put_back(system: &System, cx: &Context, force: bool) -> Result<Reply> {
    let missing = || Error::invalid("the body of the request has to be a snapshot");
    let file = cx.connection.upload.as_ref().ok_or_else(missing)?;
    let file = file.try_clone().map_err(|error| Error::Internal(error.to_string()))?;
    let core = system.core()?;
    // It goes on though the caller hangs up.
    let restored = tokio::spawn(async move { core.restore(file, force).await });
    restored.await.map_err(|error| Error::Internal(error.to_string()))??;
    Ok(Reply::empty())
}
