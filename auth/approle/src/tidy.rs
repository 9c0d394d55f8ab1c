//! Clearing away: expired secret ids by their due keys, and what deleted roles left, in pages of bounded size.
use crate::{Approle, secret_id};
use lessor_engine::{Changes, Context, Error, Reply, Result, View};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const PAGE: usize = 200;
/// Seconds between two looks for expired secret ids while new ones are made.
const PAUSE: i64 = 60;
/// Below it the ids of deleted roles whose secret ids may still be there.
const LEFT_BEHIND: &str = "deleted-role/";

/// Adds to the commit that deletes a role that something is left of it.
pub(crate) fn left_behind(changes: Changes, role_id: &str) -> Result<Changes> {
    changes.put(&format!("{LEFT_BEHIND}{role_id}"), &())
}

/// Removes the secret ids of a deleted role. Their due keys go when they are due.
pub(crate) async fn clear_role(view: &View, role_id: &str) -> Result<()> {
    for folder in [secret_id::folder(role_id), secret_id::accessors(role_id)] {
        loop {
            let keys = view.first_keys(&folder, PAGE).await?;
            if keys.is_empty() {
                break;
            }
            view.commit(keys.iter().fold(Changes::new(), |changes, key| changes.delete(key))).await?;
        }
    }
    view.delete(&format!("{LEFT_BEHIND}{role_id}")).await
}

/// Removes up to a page of expired secret ids; whether there may be more.
async fn sweep(cx: &Context) -> Result<bool> {
    let keys = cx.view.first_keys(secret_id::DUE, PAGE).await?;
    let full = keys.len() == PAGE;
    let now = cx.now();
    let over: Vec<String> =
        keys.into_iter().filter(|key| secret_id::due(key).is_none_or(|(when, _)| when <= now)).collect();
    let more = full && over.len() == PAGE;
    for key in over {
        let mut changes = Changes::new().delete(&key);
        if let Some((_, record)) = secret_id::due(&key)
            && let Some((expired, version)) = cx.view.get_versioned::<secret_id::SecretId>(&record).await?
            && expired.expires.is_some_and(|expires| expires <= now)
        {
            let accessors = record.replacen("secret-id/", "accessor/", 1);
            let folder = accessors.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
            changes = changes
                .delete(&record)
                .delete(&format!("{folder}/{}", expired.accessor))
                .expect(&record, Some(version));
        }
        match cx.view.commit(changes).await {
            // A login has just found it expired, too.
            Err(error) if crate::is_conflict(&error) => {}
            done => done?,
        }
    }
    Ok(more)
}

/// One page of it, at most once a minute, on behalf of whoever makes a secret id; its failures are not theirs.
pub(crate) async fn sweep_now_and_then(approle: &Approle, cx: &Context) {
    let now = cx.now().as_second();
    let due = approle.next_sweep.load(Ordering::Relaxed);
    if now < due || approle.next_sweep.compare_exchange(due, now + PAUSE, Ordering::Relaxed, Ordering::Relaxed).is_err()
    {
        return;
    }
    if let Err(error) = sweep(cx).await {
        tracing::warn!(%error, "expired secret ids stay for another minute");
    }
}

async fn everything(cx: &Context) -> Result<()> {
    while sweep(cx).await? {}
    for role_id in cx.view.list(LEFT_BEHIND).await? {
        clear_role(&cx.view, &role_id).await?;
    }
    Ok(())
}

pub(crate) async fn start(approle: Arc<Approle>, cx: Context, (): ()) -> Result<Reply> {
    if approle.tidying.swap(true, Ordering::SeqCst) {
        return Ok(Reply::empty().warn("Tidy operation already in progress.").status(202));
    }
    tokio::spawn(async move {
        match everything(&cx).await {
            Ok(()) => tracing::info!(mount = %cx.mount.path, "secret ids are tidy"),
            Err(Error::Storage(lessor_storage::Error::Sealed)) => {}
            Err(error) => tracing::warn!(%error, mount = %cx.mount.path, "tidying secret ids failed"),
        }
        approle.tidying.store(false, Ordering::SeqCst);
    });
    let text = "Tidy operation successfully started. Any information from the operation will be printed to Lessor's \
                server logs.";
    Ok(Reply::empty().warn(text).status(202))
}
