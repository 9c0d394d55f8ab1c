//! `metadata/`: the history of a secret, its settings, and lists.
use super::merge::merge;
use super::params::{At, Settings, SettingsPatch, count};
use super::record::Meta;
use super::store::{Entry, Store, Turn};
use crate::lists::{folder, writable};
use lessor_engine::{Context, Error, Reply, Result};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

const MAX_CUSTOM_KEYS: usize = 64;
const MAX_CUSTOM_KEY: usize = 128;
const MAX_CUSTOM_VALUE: usize = 512;

pub(super) async fn exists(store: Arc<Store>, cx: Context, at: At) -> Result<bool> {
    Ok(store.load(&cx, &at.path).await?.is_some())
}

pub(super) async fn read(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let entry = store.load(&cx, &at.path).await?;
    Ok(entry.map_or_else(Reply::missing, |entry| Reply::data(entry.meta.json())))
}

pub(super) async fn list(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    Ok(Reply::list(store.list(&cx, &folder(&at.path)).await?))
}

pub(super) async fn list_detailed(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let folder = folder(&at.path);
    let keys = store.list(&cx, &folder).await?;
    if keys.is_empty() {
        return Ok(Reply::missing());
    }
    let mut info = Map::new();
    for key in keys.iter().filter(|key| !key.ends_with('/')) {
        if let Some(entry) = store.load(&cx, &format!("{folder}{key}")).await? {
            info.insert(key.clone(), entry.meta.json());
        }
    }
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

pub(super) async fn write(store: Arc<Store>, cx: Context, settings: Settings) -> Result<Reply> {
    writable(&settings.path)?;
    let custom = settings.custom_metadata.as_ref().map(|custom| checked(&custom.0)).transpose()?;
    if settings.is_empty() {
        return Ok(Reply::empty());
    }
    let mut turn = Turn::default();
    loop {
        let mut entry = store.load(&cx, &settings.path).await?.unwrap_or_else(|| Entry::new(&cx));
        apply(&mut entry.meta, &settings)?;
        entry.meta.custom = custom.clone().or(entry.meta.custom);
        entry.meta.updated = cx.now();
        let changes = entry.changes(&settings.path)?;
        if store.commit(&cx, &settings.path, changes, &mut turn).await? {
            return Ok(Reply::empty());
        }
    }
}

pub(super) async fn patch(store: Arc<Store>, cx: Context, SettingsPatch(settings): SettingsPatch) -> Result<Reply> {
    writable(&settings.path)?;
    let mut turn = Turn::default();
    loop {
        let Some(mut entry) = store.load(&cx, &settings.path).await? else { return Ok(Reply::missing()) };
        apply(&mut entry.meta, &settings)?;
        if let Some(patch) = &settings.custom_metadata {
            entry.meta.custom = merged(entry.meta.custom.as_ref(), &patch.0)?;
        }
        entry.meta.updated = cx.now();
        let changes = entry.changes(&settings.path)?;
        if store.commit(&cx, &settings.path, changes, &mut turn).await? {
            return Ok(Reply::empty());
        }
    }
}

pub(super) async fn delete(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let mut turn = Turn::default();
    loop {
        let Some(entry) = store.load(&cx, &at.path).await? else { return Ok(Reply::empty()) };
        if store.commit(&cx, &at.path, entry.removal(&at.path), &mut turn).await? {
            return Ok(Reply::empty());
        }
    }
}

fn apply(meta: &mut Meta, settings: &Settings) -> Result<()> {
    if let Some(max) = settings.max_versions {
        meta.max_versions = count("max_versions", max)?;
    }
    meta.cas_required = settings.cas_required.unwrap_or(meta.cas_required);
    meta.delete_version_after = settings.delete_version_after.map_or(meta.delete_version_after, |after| after.0);
    Ok(())
}

/// An empty patch of custom metadata comes from `null`, which takes all of it away; `{}` changes nothing there, and
/// no client sends it.
fn merged(
    current: Option<&BTreeMap<String, String>>,
    patch: &Map<String, Value>,
) -> Result<Option<BTreeMap<String, String>>> {
    if patch.is_empty() {
        return Ok(None);
    }
    let mut value = json!(current.cloned().unwrap_or_default());
    merge(&mut value, &Value::Object(patch.clone()));
    let Value::Object(map) = value else { return Ok(None) };
    checked(&map).map(Some)
}

fn checked(map: &Map<String, Value>) -> Result<BTreeMap<String, String>> {
    let fail = |reason: String| Err(Error::Invalid(format!("custom_metadata validation failed: {reason}")));
    if map.len() > MAX_CUSTOM_KEYS {
        return fail(format!("payload must contain at most {MAX_CUSTOM_KEYS} keys, provided {}", map.len()));
    }
    let mut custom = BTreeMap::new();
    for (name, value) in map {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return fail(format!("value of {name:?} must be a string")),
        };
        if name.is_empty() || name.len() > MAX_CUSTOM_KEY {
            return fail(format!("length of key {name:?} is {} but must be 1 to {MAX_CUSTOM_KEY}", name.len()));
        }
        if text.len() > MAX_CUSTOM_VALUE {
            return fail(format!(
                "length of value for key {name:?} is {} but max allowed is {MAX_CUSTOM_VALUE}",
                text.len()
            ));
        }
        if name.chars().chain(text.chars()).any(char::is_control) {
            return fail(format!("key {name:?} or its value contains unprintable characters"));
        }
        custom.insert(name.clone(), text);
    }
    Ok(custom)
}
