//! `backup/` and `restore/`.
use crate::portable::Backup;
use crate::record::{Key, Mark};
use crate::store::Keyring;
use lessor_engine::{Context, Error, Params, Reply, Result, Secret};
use serde_json::json;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the key.
    name: String,
}

#[derive(Params)]
pub(crate) struct Restore {
    /// The backup, as it was answered.
    #[param(secret)]
    backup: Secret,
    /// Name of the restored key; that of the backup if empty.
    name: String,
    /// Replaces a key of that name.
    force: bool,
}

pub(crate) async fn backup(keys: Arc<Keyring>, cx: Context, at: Named) -> Result<Reply> {
    let now = cx.now();
    let key = keys.change(&cx, &at.name, |key| {
        key.in_use()?;
        if !key.exportable {
            return Err(Error::invalid("exporting is disallowed on the policy"));
        }
        if !key.allow_plaintext_backup {
            return Err(Error::invalid("plaintext backup is disallowed on the policy"));
        }
        key.backup = Some(Mark { time: now, version: key.latest() });
        Ok(())
    });
    let key = key.await?.ok_or_else(|| Error::Invalid(format!("key {:?} not found", at.name)))?;
    Ok(Reply::data(json!({ "backup": Backup::of(&key)?.write()? })))
}

/// Vault's name pattern, which no path checked here.
fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(word) && text.ends_with(word) && text.chars().all(|c| word(c) || matches!(c, '-' | '.'))
}

fn restored(asked: &Restore) -> Result<Key> {
    let mut key = Backup::read(asked.backup.expose())?.into_key()?;
    if !asked.name.is_empty() {
        asked.name.clone_into(&mut key.name);
    }
    if key.name.contains('/') {
        return Err(Error::invalid("key names cannot be paths"));
    }
    if !is_name(&key.name) {
        return Err(Error::Invalid(format!(
            "{:?} is no name for a key: use letters, digits, '-', '_' and '.'",
            key.name
        )));
    }
    Ok(key)
}

pub(crate) async fn restore(keys: Arc<Keyring>, cx: Context, asked: Restore) -> Result<Reply> {
    if asked.backup.is_empty() {
        return Err(Error::invalid("'backup' must be supplied"));
    }
    let force = asked.force;
    // Numbers of RSA keys are checked, which takes its time.
    let read = tokio::task::spawn_blocking(move || restored(&asked)).await;
    let mut key = read.map_err(|_| Error::Internal("reading the backup broke off".to_owned()))??;
    key.restore = Some(Mark { time: cx.now(), version: key.latest() });
    if force {
        keys.replace(&cx, &key).await?;
    } else if !keys.create(&cx, &key).await? {
        return Err(Error::Invalid(format!("key {:?} already exists", key.name)));
    }
    Ok(Reply::empty().reschedule(key.name))
}
