//! `sys/reconcile/<mount>`: Lessor's own.
use super::System;
use crate::mount::entry::folder;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("reconcile/{path+}", "Compares a platform with the leases of a mount.", |path| {
        path.write(reconcile).sudo()
    })
}

#[derive(Params)]
struct Reconcile {
    /// The mount.
    path: String,
    /// Removes what does not match.
    remove: bool,
}

async fn reconcile(system: Arc<System>, cx: Context, asked: Reconcile) -> Result<Reply> {
    let active = system.active()?;
    let path = folder(&asked.path);
    let mounted = active
        .mounts
        .at(&cx.namespace, &path)
        .ok_or_else(|| Error::invalid(format!("No secret engine mount at {path}")))?;
    let report = active.reconcile(&mounted.entry.uuid, asked.remove).await?;
    Ok(Reply::data(serde_json::to_value(report)?))
}
