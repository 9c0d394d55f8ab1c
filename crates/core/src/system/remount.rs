//! `sys/remount`: moves a mount; its leases are revoked first.
use super::System;
use crate::active::Active;
use crate::lease::revoke::How;
use crate::mount::entry::{check_unprotected, folder, uuid};
use crate::namespace::table::Resolved;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, View};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("remount", "Moves a mount.", |path| path.write(remount).sudo()).path(
        "remount/status/{id}",
        "Tells how a move goes.",
        |path| path.read(status),
    )
}

#[derive(Params)]
struct Remount {
    /// The mount.
    from: String,
    /// Where to.
    to: String,
}

#[derive(Serialize, Deserialize)]
struct Migration {
    source_mount: String,
    target_mount: String,
    status: String,
}

fn migrations(active: &Active) -> View {
    View::new(Arc::clone(&active.storage), "core/remount/")
}

async fn remount(system: Arc<System>, cx: Context, asked: Remount) -> Result<Reply> {
    if asked.from.is_empty() || asked.to.is_empty() {
        return Err(Error::invalid("both 'from' and 'to' path must be specified as a string"));
    }
    let (from, to) = (folder(&asked.from), folder(&asked.to));
    let active = system.active()?;
    let unknown = || Error::NotFound("namespace not found".to_owned());
    let source = active.namespaces.resolve(&cx.namespace, &from).ok_or_else(unknown)?;
    let target = active.namespaces.resolve(&cx.namespace, &to).ok_or_else(unknown)?;
    let mounted = active.mounts.at(&source.namespace, &source.path);
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("no matching mount at \"{from}\"")))?;
    check_unprotected(&source.path, "remount")?;
    if source.path.starts_with("auth/") != target.path.starts_with("auth/") {
        return Err(Error::invalid(format!("cannot remount to destination {to}")));
    }
    active.mounts.check(&target.namespace, &target.path).map_err(|error| match error {
        Error::Invalid(text) if text.starts_with("path is already") => {
            Error::invalid(format!("path already in use at \"{to}\""))
        }
        _ => Error::invalid(format!("cannot remount to destination {to}")),
    })?;
    let id = uuid();
    let mut migration = Migration { source_mount: from, target_mount: to, status: "in-progress".to_owned() };
    migrations(&active).put(&id, &migration).await?;
    let worker = Arc::clone(&active);
    let key = id.clone();
    active.tasks.spawn(async move {
        let moved = worker.move_mount(&mounted.entry.uuid, &source, &target).await;
        if let Err(error) = &moved {
            tracing::error!(from = migration.source_mount, %error, "the mount was not moved");
        }
        migration.status = if moved.is_ok() { "success" } else { "failure" }.to_owned();
        if let Err(error) = migrations(&worker).put(&key, &migration).await {
            tracing::error!(%error, "the end of a move was not noted");
        }
    });
    Ok(Reply::data(json!({ "migration_id": id })).warn("Mount move has been queued. Progress will be reported in Vault's server log, tagged with the returned migration_id"))
}

impl Active {
    async fn move_mount(&self, uuid: &str, from: &Resolved, to: &Resolved) -> Result<()> {
        self.mounts.update(uuid, |entry| entry.tainted = true).await?;
        let mounted = self.mounts.by_uuid(uuid).ok_or_else(|| Error::invalid("no mount entry found"))?;
        let _alone = mounted.gate.write().await;
        self.others_finish(uuid).await?;
        let moved = self.move_tainted(uuid, from, to).await;
        if moved.is_err() {
            // It goes on where it was.
            self.mounts.update(uuid, |entry| entry.tainted = false).await?;
        }
        moved
    }

    async fn move_tainted(&self, uuid: &str, from: &Resolved, to: &Resolved) -> Result<()> {
        let full = format!("{}{}", from.namespace, from.path);
        if from.path.starts_with("auth/") {
            self.revoke_tokens_below(&full).await?;
        }
        self.revoke_wrapping_below(&from.namespace, &from.path).await?;
        self.revoke_prefix(&full, How::Wait).await?;
        self.mounts.move_to(uuid, &to.namespace, &to.path).await?;
        self.quotas.follow((&from.namespace, &from.path), (&to.namespace, &to.path)).await
    }
}

#[derive(Params)]
struct Of {
    /// What the move answered with.
    id: String,
}

async fn status(system: Arc<System>, _: Context, of: Of) -> Result<Reply> {
    let found: Option<Migration> = migrations(&*system.active()?).get(&of.id).await?;
    let Some(migration) = found else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({ "migration_id": of.id, "migration_info": migration })))
}
