//! `delete/`, `undelete/` and `destroy/`: changing several versions at once.
use super::params::AtVersions;
use super::record::VersionMeta;
use super::store::{Store, Turn, data_key};
use lessor_engine::{Context, Reply, Result, Timestamp};
use std::sync::Arc;

pub(super) async fn delete(store: Arc<Store>, cx: Context, at: AtVersions) -> Result<Reply> {
    let numbers = at.numbers("No version number provided")?;
    change(&store, &cx, &at.path, &numbers, |version, now| {
        let readable = version.readable(now);
        if readable {
            version.deletion = Some(now);
        }
        readable
    })
    .await
}

pub(super) async fn undelete(store: Arc<Store>, cx: Context, at: AtVersions) -> Result<Reply> {
    let numbers = at.numbers("No version number provided")?;
    let undelete = |version: &mut VersionMeta, _| !version.destroyed && version.deletion.take().is_some();
    change(&store, &cx, &at.path, &numbers, undelete).await
}

pub(super) async fn destroy(store: Arc<Store>, cx: Context, at: AtVersions) -> Result<Reply> {
    let numbers = at.numbers("no version number provided")?;
    change(&store, &cx, &at.path, &numbers, |version, _| !std::mem::replace(&mut version.destroyed, true)).await
}

/// Changes the named versions with `change`, which tells whether there was something to change. The data of those
/// that are destroyed goes in the same commit.
async fn change(
    store: &Store,
    cx: &Context,
    path: &str,
    numbers: &[u64],
    change: impl Fn(&mut VersionMeta, Timestamp) -> bool,
) -> Result<Reply> {
    let mut turn = Turn::default();
    loop {
        let Some(mut entry) = store.load(cx, path).await? else { return Ok(Reply::empty()) };
        let mut changed = false;
        for number in numbers {
            if let Some(version) = entry.meta.versions.get_mut(number) {
                changed |= change(version, cx.now());
            }
        }
        if !changed {
            return Ok(Reply::empty());
        }
        let mut changes = entry.changes(path)?;
        for (number, version) in &entry.meta.versions {
            if version.destroyed && numbers.contains(number) {
                changes = changes.delete(&data_key(path, *number));
            }
        }
        if store.commit(cx, path, changes, &mut turn).await? {
            return Ok(Reply::empty());
        }
    }
}
