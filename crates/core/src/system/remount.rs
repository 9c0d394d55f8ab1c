//! `sys/remount`: moves a mount; its leases are revoked first.
use super::System;
use crate::active::Active;
use crate::lease::revoke::How;
use crate::mount::entry::{folder, uuid};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, View};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("remount", "Moves a mount.", |path| path.write(remount)).path(
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

async fn remount(system: Arc<System>, _: Context, asked: Remount) -> Result<Reply> {
    if asked.from.is_empty() || asked.to.is_empty() {
        return Err(Error::invalid("both 'from' and 'to' path must be specified as a string"));
    }
    let (from, to) = (folder(&asked.from), folder(&asked.to));
    let active = system.active()?;
    let mounted = active.mounts.at(&from);
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("no matching mount at \"{from}\"")))?;
    crate::mount::entry::check_unprotected(&from, "remount")?;
    active.mounts.check(&to).map_err(|error| match error {
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
        let moved = worker.move_mount(&mounted.entry.uuid, &migration.source_mount, &migration.target_mount).await;
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
    async fn move_mount(&self, uuid: &str, from: &str, to: &str) -> Result<()> {
        self.mounts.update(uuid, |entry| entry.tainted = true).await?;
        let mounted = self.mounts.by_uuid(uuid).ok_or_else(|| Error::invalid("no mount entry found"))?;
        let _alone = mounted.gate.write().await;
        let moved = match self.revoke_prefix(from, How::Wait).await {
            Ok(()) => self.mounts.move_to(uuid, to).await,
            Err(error) => Err(error),
        };
        if moved.is_err() {
            // It goes on where it was.
            self.mounts.update(uuid, |entry| entry.tainted = false).await?;
        }
        moved
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
