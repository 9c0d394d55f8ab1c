//! `data/`: reading and writing versions.
use super::merge::merge;
use super::params::{At, AtVersion, Write};
use super::record::{Meta, VersionData};
use super::store::{Entry, Store, Turn, data_key};
use crate::lists::writable;
use lessor_engine::{Context, Error, Outcome, Reply, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A version read between two writes of others may vanish under the reader, but not again and again.
const READ_ATTEMPTS: usize = 5;

/// A version as it was found.
pub(super) struct Found {
    /// `None` if it is deleted or destroyed.
    pub(super) data: Option<Value>,
    pub(super) metadata: Map<String, Value>,
}

/// Looks a version up; 0 or less is the latest. `None` if the path or the version does not exist.
pub(super) async fn find(store: &Store, cx: &Context, path: &str, version: i64) -> Result<Option<Found>> {
    for _ in 0..READ_ATTEMPTS {
        let Some(entry) = store.load(cx, path).await? else { return Ok(None) };
        let number = u64::try_from(version).ok().filter(|number| *number > 0).unwrap_or(entry.meta.current);
        let Some(info) = entry.meta.versions.get(&number) else { return Ok(None) };
        let metadata = entry.meta.version_json(number, info);
        if !info.readable(cx.now()) {
            return Ok(Some(Found { data: None, metadata }));
        }
        // Pruned or destroyed since the metadata was read: look again.
        let Some(data) = store.data(cx, path, &entry, number).await? else { continue };
        return Ok(Some(Found { data: Some(data.data), metadata }));
    }
    Err(Error::Internal(format!("the data of version {version} of `{path}` is missing")))
}

/// `{name: value, "metadata": metadata}`; 404 with the same when there is no value.
pub(super) fn answer(name: &str, found: Found) -> Reply {
    let missing = found.data.is_none();
    let mut map = Map::new();
    map.insert(name.to_owned(), found.data.unwrap_or(Value::Null));
    map.insert("metadata".to_owned(), Value::Object(found.metadata));
    if missing { Outcome::Missing(Some(map)).into() } else { Outcome::Data(map).into() }
}

pub(super) async fn read(store: Arc<Store>, cx: Context, at: AtVersion) -> Result<Reply> {
    let found = find(&store, &cx, &at.path, at.version).await?;
    Ok(found.map_or_else(Reply::missing, |found| answer("data", found)))
}

fn check_cas(required: bool, cas: Option<i64>, current: u64) -> Result<()> {
    match cas {
        None if required => Err(Error::invalid("check-and-set parameter required for this call")),
        Some(cas) if u64::try_from(cas) != Ok(current) => {
            Err(Error::invalid("check-and-set parameter did not match the current version"))
        }
        _ => Ok(()),
    }
}

pub(super) async fn write(store: Arc<Store>, cx: Context, write: Write) -> Result<Reply> {
    writable(&write.path)?;
    let cas = write.cas()?;
    let record = VersionData { data: write.data()?.clone() };
    let config = store.config(&cx).await?;
    let mut turn = Turn::default();
    loop {
        let entry = store.load(&cx, &write.path).await?.unwrap_or_else(|| Entry::new(&cx));
        check_cas(config.cas_required || entry.meta.cas_required, cas, entry.meta.current)?;
        if let Some(reply) = append(&store, &cx, &write.path, entry, &record, &config, &mut turn).await? {
            return Ok(reply);
        }
    }
}

/// Commits one more version; `None` if somebody else was faster.
async fn append<'a>(
    store: &'a Store,
    cx: &Context,
    path: &str,
    mut entry: Entry,
    record: &VersionData,
    config: &super::record::Config,
    turn: &mut Turn<'a>,
) -> Result<Option<Reply>> {
    let (number, pruned) = entry.meta.append(cx.now(), config);
    let mut changes = entry.changes(path)?.put(&data_key(path, number), record)?;
    for old in pruned {
        changes = changes.delete(&data_key(path, old));
    }
    let committed = store.commit(cx, path, changes, turn).await?;
    Ok(committed.then(|| latest(&entry.meta)).flatten().map(|map| Outcome::Data(map).into()))
}

fn latest(meta: &Meta) -> Option<Map<String, Value>> {
    meta.versions.get(&meta.current).map(|version| meta.version_json(meta.current, version))
}

/// 404 without a body.
pub(super) fn nothing_to_patch() -> Reply {
    Reply::empty().status(404)
}

pub(super) async fn patch(store: Arc<Store>, cx: Context, write: Write) -> Result<Reply> {
    writable(&write.path)?;
    let cas = write.cas()?;
    let patch = write.data()?;
    let config = store.config(&cx).await?;
    let mut turn = Turn::default();
    loop {
        let Some(entry) = store.load(&cx, &write.path).await? else { return Ok(nothing_to_patch()) };
        let current = entry.meta.current;
        let Some(info) = entry.meta.versions.get(&current) else { return Ok(nothing_to_patch()) };
        if !info.readable(cx.now()) {
            return Ok(Outcome::Missing(Some(entry.meta.version_json(current, info))).into());
        }
        check_cas(config.cas_required || entry.meta.cas_required, cas, current)?;
        let found = store.data(&cx, &write.path, &entry, current).await?;
        let Some(mut record) = found.filter(|record| !record.data.is_null()) else {
            return Err(Error::Internal("resource does not exist".to_owned()));
        };
        merge(&mut record.data, patch);
        if let Some(reply) = append(&store, &cx, &write.path, entry, &record, &config, &mut turn).await? {
            return Ok(reply);
        }
    }
}

pub(super) async fn delete(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let mut turn = Turn::default();
    loop {
        let now = cx.now();
        let Some(mut entry) = store.load(&cx, &at.path).await? else { return Ok(Reply::empty()) };
        let current = entry.meta.current;
        match entry.meta.versions.get_mut(&current) {
            Some(version) if version.readable(now) => version.deletion = Some(now),
            _ => return Ok(Reply::empty()),
        }
        let changes = entry.changes(&at.path)?;
        if store.commit(&cx, &at.path, changes, &mut turn).await? {
            return Ok(Reply::empty());
        }
    }
}
