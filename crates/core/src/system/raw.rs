//! `sys/raw`: records as they lie behind the barrier, for repairs. Only with `raw_storage_endpoint`.
use super::System;
use crate::barrier::{HANDED_OVER, KEYRING};
use crate::ceremony::CEREMONIES;
use crate::mount::entry::folder;
use crate::seal::RECORD;
use crate::shared_keys::KEYS;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, Secret, View};
use lessor_storage::Batch;
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("raw/{path*}", "Reads, writes, lists and deletes records of storage.", |path| {
        path.read(read).write(write).list(list).delete(delete).sudo()
    })
}

/// The records that the barrier stands on lie beside it, and are not for hands.
fn checked(path: &str) -> Result<&str> {
    let keys = path == KEYRING
        || path == RECORD
        || path == KEYS
        || path.starts_with(HANDED_OVER)
        || path.starts_with(CEREMONIES);
    if keys { Err(Error::invalid(format!("cannot access {path:?}"))) } else { Ok(path) }
}

#[derive(Clone, Copy)]
enum Encoding {
    Text,
    Base64,
}

impl Encoding {
    fn parse(word: &str) -> Result<Self> {
        match word {
            "" => Ok(Self::Text),
            "base64" => Ok(Self::Base64),
            other => Err(Error::invalid(format!("invalid encoding {other:?}"))),
        }
    }
}

#[derive(Params)]
struct Read {
    /// The record's key.
    path: String,
    /// `base64` for values that are no text.
    encoding: String,
    /// Accepted: no value is stored compressed.
    compressed: bool,
}

async fn read(system: Arc<System>, _: Context, asked: Read) -> Result<Reply> {
    // No value is stored compressed: decompressing changes nothing.
    let _ = asked.compressed;
    let encoding = Encoding::parse(&asked.encoding)?;
    let Some(entry) = system.active()?.storage.get(checked(&asked.path)?).await? else { return Ok(Reply::missing()) };
    let value = match encoding {
        Encoding::Base64 => STANDARD.encode(&entry.value),
        Encoding::Text => String::from_utf8(entry.value)
            .map_err(|_| Error::invalid("the value is no text: ask for it with encoding=base64"))?,
    };
    Ok(Reply::data(json!({ "value": value })))
}

#[derive(Params)]
struct Put {
    /// The record's key.
    path: String,
    /// The new value.
    #[param(secret)]
    value: Secret,
    /// `base64` when the value is in base64.
    encoding: String,
    /// Accepted when empty: no value is stored compressed.
    compression_type: String,
}

async fn write(system: Arc<System>, _: Context, put: Put) -> Result<Reply> {
    let path = checked(&put.path)?;
    if !put.compression_type.is_empty() {
        return Err(Error::invalid(format!("invalid compression type {:?}", put.compression_type)));
    }
    let value = match Encoding::parse(&put.encoding)? {
        Encoding::Text => put.value.expose().as_bytes().to_vec(),
        Encoding::Base64 => {
            STANDARD.decode(put.value.expose()).map_err(|error| Error::invalid(format!("value: {error}")))?
        }
    };
    system.active()?.storage.commit(Batch::new().put(path, value)).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct At {
    /// The record's key.
    path: String,
}

async fn list(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    let core = system.core()?;
    core.active()?;
    // Names are the same below the barrier, and some values cannot be read through it.
    let view = View::new(Arc::clone(&core.parts.storage), String::new());
    let below = if at.path.is_empty() { String::new() } else { folder(&at.path) };
    Ok(Reply::list(view.list(&below).await?))
}

async fn delete(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    system.active()?.storage.commit(Batch::new().delete(checked(&at.path)?)).await?;
    Ok(Reply::empty())
}
