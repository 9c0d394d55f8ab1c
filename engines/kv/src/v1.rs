//! Version 1: one object per path, replaced whole.
use crate::lists::{Walk, folder, scanned, writable};
use lessor_engine::{Context, Error, Fields, Params, PathTable, Paths, Reply, Result, Timestamp, duration};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Plain records stand below this; version 2 looks here for what version 1 left.
pub(crate) const PREFIX: &str = "plain/";

/// What is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plain {
    /// The secret.
    pub(crate) data: Value,
    /// When it was written: the creation time of the first version, once the mount has versions.
    pub(crate) written: Timestamp,
}

struct V1;

// The capture has a name that no secret's key has, because captures replace body values of the same name, and every
// body value is the caller's own here.
#[derive(Params)]
struct At {
    /// Location of the secret.
    #[param(name = ":path")]
    path: String,
}

#[derive(Params)]
struct Put {
    /// Location of the secret.
    #[param(name = ":path")]
    path: String,
    #[param(rest)]
    data: Fields,
}

pub(crate) fn paths() -> PathTable {
    Paths::new(Arc::new(V1))
        .path("{:path*}", "Reads, writes, lists and deletes secrets of this mount.", |path| {
            path.read(read).write(put).delete(delete).list(list).scan(scan_below).exists(exists)
        })
        .build()
}

pub(crate) fn key(path: &str) -> String {
    format!("{PREFIX}{path}")
}

async fn exists(_: Arc<V1>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Plain>(&key(&at.path)).await?.is_some())
}

async fn read(_: Arc<V1>, cx: Context, at: At) -> Result<Reply> {
    let Some(plain) = cx.view.get::<Plain>(&key(&at.path)).await? else { return Ok(Reply::missing()) };
    let hint = lease_hint(&plain.data).unwrap_or(cx.mount.default_ttl.as_secs());
    let mut reply = Reply::data(plain.data);
    reply.lease_duration = hint;
    Ok(reply)
}

/// How long a reader may keep the secret, as its writer wished; there is no lease behind it.
fn lease_hint(data: &Value) -> Option<u64> {
    let text = match data.get("ttl").or_else(|| data.get("lease"))? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    duration::parse(&text).ok().map(|ttl| ttl.as_secs())
}

async fn put(_: Arc<V1>, cx: Context, put: Put) -> Result<Reply> {
    writable(&put.path)?;
    if put.data.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    let plain = Plain { data: Value::Object(put.data), written: cx.now() };
    cx.view.put(&key(&put.path), &plain).await?;
    Ok(Reply::empty())
}

async fn delete(_: Arc<V1>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.path)).await?;
    Ok(Reply::empty())
}

async fn list(_: Arc<V1>, cx: Context, at: At) -> Result<Reply> {
    Ok(Reply::list(cx.view.list(&key(&folder(&at.path))).await?))
}

async fn scan_below(_: Arc<V1>, cx: Context, at: At) -> Result<Reply> {
    let from = folder(&at.path);
    let mut walk = Walk::new();
    while let Some(below) = walk.next() {
        let names = cx.view.list(&key(&format!("{from}{below}"))).await?;
        walk.note(&below, names);
    }
    Ok(scanned(&walk.found))
}
