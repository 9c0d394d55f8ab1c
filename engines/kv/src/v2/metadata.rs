//! `metadata/`: the history of a secret, its settings, and lists.
use super::data::nothing_to_patch;
use super::merge::merge;
use super::params::{At, Settings, SettingsPatch, count};
use super::record::Meta;
use super::store::{Entry, Store, Turn};
use crate::lists::{folder, scanned, writable};
use lessor_engine::{Context, Error, Reply, Result};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

const VALIDATION: &str = "custom_metadata validation failed";
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

pub(super) async fn scan_below(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let keys = store.scan(&cx, &folder(&at.path)).await?;
    Ok(scanned(&keys))
}

pub(super) async fn list_detailed(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let folder = folder(&at.path);
    let keys = store.list(&cx, &folder).await?;
    if keys.is_empty() {
        return Ok(Reply::missing());
    }
    let info = details(&store, &cx, &folder, &keys).await?;
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

pub(super) async fn scan_detailed(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let folder = folder(&at.path);
    let keys = store.scan(&cx, &folder).await?;
    if keys.is_empty() {
        return Ok(scanned(&keys));
    }
    let info = details(&store, &cx, &folder, &keys).await?;
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

/// What is known of each secret, by its name below the folder.
async fn details(store: &Store, cx: &Context, folder: &str, keys: &[String]) -> Result<Map<String, Value>> {
    let mut info = Map::new();
    for key in keys {
        if key.ends_with('/') {
            info.insert(key.clone(), json!({}));
        } else if let Some(entry) = store.load(cx, &format!("{folder}{key}")).await? {
            info.insert(key.clone(), entry.meta.json());
        }
    }
    Ok(info)
}

pub(super) async fn write(store: Arc<Store>, cx: Context, settings: Settings) -> Result<Reply> {
    writable(&settings.path)?;
    let custom = settings.custom_metadata.as_ref().map(|custom| checked(&custom.0)).transpose()?;
    if settings.is_empty() {
        return Ok(Reply::empty());
    }
    let config = store.config(&cx).await?;
    let mut turn = Turn::default();
    loop {
        let mut entry = store.load(&cx, &settings.path).await?.unwrap_or_else(|| Entry::new(&cx));
        check_cas(config.metadata_cas_required, &entry.meta, &settings)?;
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
    let config = store.config(&cx).await?;
    let mut turn = Turn::default();
    loop {
        let Some(mut entry) = store.load(&cx, &settings.path).await? else { return Ok(nothing_to_patch()) };
        check_cas(config.metadata_cas_required, &entry.meta, &settings)?;
        if settings.is_empty() {
            return Ok(Reply::empty());
        }
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

fn check_cas(required: bool, meta: &Meta, settings: &Settings) -> Result<()> {
    match settings.metadata_cas {
        None if required || meta.metadata_cas_required => {
            Err(Error::invalid("metadata check-and-set parameter required for this call"))
        }
        Some(cas) if u64::try_from(cas) != Ok(meta.metadata_version) => {
            Err(Error::invalid("metadata check-and-set parameter does not match the current version"))
        }
        _ => Ok(()),
    }
}

fn apply(meta: &mut Meta, settings: &Settings) -> Result<()> {
    meta.metadata_version += 1;
    if let Some(max) = settings.max_versions {
        meta.max_versions = count("max_versions", max)?;
    }
    meta.metadata_cas_required = settings.metadata_cas_required.unwrap_or(meta.metadata_cas_required);
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
    let mut custom = BTreeMap::new();
    for (name, value) in map {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            // As Go's weak conversion writes them.
            Value::Bool(flag) => u8::from(*flag).to_string(),
            _ => return Err(Error::Invalid(format!("{VALIDATION}: value of {name:?} must be a string"))),
        };
        custom.insert(name.clone(), text);
    }
    let faults = faults(&custom);
    if faults.is_empty() {
        return Ok(custom);
    }
    let errors = if faults.len() == 1 { "error" } else { "errors" };
    let list: String = faults.iter().map(|fault| format!("\t* {VALIDATION}: {fault}\n")).collect();
    Err(Error::Invalid(format!("{} {errors} occurred:\n{list}\n", faults.len())))
}

fn faults(custom: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    if custom.len() > MAX_CUSTOM_KEYS {
        faults.push(format!("payload must contain at most {MAX_CUSTOM_KEYS} keys, provided {}", custom.len()));
    }
    for (name, text) in custom {
        if name.is_empty() || name.len() > MAX_CUSTOM_KEY {
            faults
                .push(format!("length of key {name:?} is {} but must be 0 < len(key) <= {MAX_CUSTOM_KEY}", name.len()));
        }
        if text.is_empty() || text.len() > MAX_CUSTOM_VALUE {
            faults.push(format!(
                "length of value for key {name:?} is {} but must be 0 < len(value) <= {MAX_CUSTOM_VALUE}",
                text.len()
            ));
        }
        if name.chars().chain(text.chars()).any(char::is_control) {
            faults.push(format!("key {name:?} or its value contains unprintable characters"));
        }
    }
    faults
}
