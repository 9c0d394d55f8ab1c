//! `sys/namespaces`.
use super::System;
use crate::mount::entry::folder;
use crate::namespace::Namespace;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lessor_engine::{Context, Error, KeyValues, Object, Params, Paths, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("namespaces", "Lists the namespaces.", |path| path.list(list).scan(scan))
        .path("namespaces/api-lock/lock", "Locks the API of this namespace.", |path| path.write(lock))
        .path("namespaces/api-lock/lock/{path+}", "Locks the API of a namespace.", |path| path.write(lock))
        .path("namespaces/api-lock/unlock", "Unlocks the API of this namespace.", |path| path.write(unlock))
        .path("namespaces/api-lock/unlock/{path+}", "Unlocks the API of a namespace.", |path| path.write(unlock))
        .path("namespaces/{path+}", "Makes, reads, changes and deletes a namespace.", |path| {
            path.read(read).write(write).patch(patch).delete(delete)
        })
}

fn show(namespace: &Namespace, below: &str) -> Value {
    json!({
        "id": namespace.id,
        "path": namespace.path[below.len()..],
        "uuid": namespace.uuid,
        "custom_metadata": namespace.custom_metadata,
        "locked": namespace.locked.is_some(),
        "tainted": namespace.tainted,
    })
}

async fn list(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let children = system.active()?.namespaces.children(&cx.namespace);
    Ok(if children.is_empty() { Reply::missing() } else { listed(&children, &cx) })
}

async fn scan(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let below = system.active()?.namespaces.below(&cx.namespace);
    Ok(if below.is_empty() { Reply::data(json!({})) } else { listed(&below, &cx) })
}

fn listed(namespaces: &[Namespace], cx: &Context) -> Reply {
    let shown = namespaces.iter().map(|namespace| show(namespace, &cx.namespace));
    let names = shown.map(|value| (value["path"].as_str().unwrap_or_default().to_owned(), value));
    let info: Map<String, Value> = names.collect();
    let keys: Vec<&String> = info.keys().collect();
    Reply::data(json!({ "keys": keys, "key_info": info }))
}

#[derive(Params)]
struct At {
    /// Where the namespace is, from this one.
    path: String,
}

async fn read(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    let found = system.active()?.namespaces.at(&format!("{}{}", cx.namespace, folder(&at.path)));
    Ok(found.map_or_else(Reply::missing, |namespace| Reply::data(show(&namespace, &cx.namespace))))
}

#[derive(Params)]
struct Write {
    /// Where the namespace is to be, from this one.
    path: String,
    /// For people.
    custom_metadata: KeyValues,
}

async fn write(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    let active = system.active()?;
    let path = format!("{}{}", cx.namespace, folder(&write.path));
    let name = folder(&write.path);
    if name.trim_end_matches('/').contains('/') {
        return Err(Error::invalid("namespace name cannot contain /"));
    }
    if !crate::namespace::is_reserved(&name) && active.mounts.at(&cx.namespace, &name).is_some() {
        return Err(Error::invalid(format!("new namespace conflicts with existing mount: {name}")));
    }
    let namespace = active.namespaces.create(&path, write.custom_metadata.0).await?;
    Ok(Reply::data(show(&namespace, &cx.namespace)))
}

#[derive(Params)]
struct Patch {
    /// Where the namespace is, from this one.
    path: String,
    /// For people; null removes an entry.
    custom_metadata: Object,
}

async fn patch(system: Arc<System>, cx: Context, patch: Patch) -> Result<Reply> {
    let path = format!("{}{}", cx.namespace, folder(&patch.path));
    let active = system.active()?;
    let changed = active.namespaces.update(&path, |namespace| {
        for (name, value) in &patch.custom_metadata.0 {
            match value {
                Value::Null => namespace.custom_metadata.remove(name),
                Value::String(text) => namespace.custom_metadata.insert(name.clone(), text.clone()),
                other => namespace.custom_metadata.insert(name.clone(), other.to_string()),
            };
        }
    });
    Ok(Reply::data(show(&changed.await?, &cx.namespace)))
}

async fn delete(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    let active = system.active()?;
    let path = format!("{}{}", cx.namespace, folder(&at.path));
    if active.namespaces.at(&path).is_none() {
        return Ok(Reply::empty().warn("requested namespace does not exist"));
    }
    active.delete_namespace(&path).await?;
    // OpenBao deletes behind its answer and says so; whoever asks again until it is gone finds it gone.
    Ok(Reply::data(json!({ "status": "in-progress" })))
}

#[derive(Params)]
struct Lock {
    /// The namespace, from this one; this one where it is left out.
    path: String,
}

fn target(cx: &Context, path: &str) -> Result<String> {
    let target = if path.is_empty() { cx.namespace.clone() } else { format!("{}{}", cx.namespace, folder(path)) };
    if target.is_empty() {
        return Err(Error::invalid("the root namespace cannot be locked"));
    }
    Ok(target)
}

fn hash(key: &str) -> String {
    hex::encode(digest(&SHA256, key.as_bytes()))
}

async fn lock(system: Arc<System>, cx: Context, lock: Lock) -> Result<Reply> {
    let active = system.active()?;
    let path = target(&cx, &lock.path)?;
    if active.namespaces.at(&path).is_some_and(|namespace| namespace.locked.is_some()) {
        return Err(Error::invalid(format!("namespace {path:?} is already locked")));
    }
    let key = URL_SAFE_NO_PAD.encode(crate::barrier::Key::random()?.expose());
    active.namespaces.update(&path, |namespace| namespace.locked = Some(hash(&key))).await?;
    Ok(Reply::data(json!({ "unlock_key": key })))
}

#[derive(Params)]
struct Unlock {
    /// The namespace, from this one; this one where it is left out.
    path: String,
    /// What locking it answered with; root may leave it out.
    #[param(secret)]
    unlock_key: Secret,
}

async fn unlock(system: Arc<System>, cx: Context, unlock: Unlock) -> Result<Reply> {
    let active = system.active()?;
    let path = target(&cx, &unlock.path)?;
    let namespace = active.namespaces.at(&path).ok_or_else(|| Error::NotFound("namespace not found".to_owned()))?;
    let Some(locked) = &namespace.locked else {
        return Err(Error::invalid(format!("namespace {path:?} is not locked")));
    };
    let forced = unlock.unlock_key.is_empty() && system.caller(&cx).await?.is_root();
    if !forced && hash(unlock.unlock_key.expose()) != *locked {
        return Err(Error::invalid("incorrect unlock key"));
    }
    active.namespaces.update(&path, |namespace| namespace.locked = None).await?;
    Ok(Reply::empty())
}
