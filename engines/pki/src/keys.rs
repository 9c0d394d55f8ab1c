//! `keys`, `key/<ref>`.
use crate::Engine;
use crate::ca::{Key, check_key_name};
use crate::encode::colons;
use crate::roles::Page;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Named {
    /// Reference (name or id) to the key.
    key_ref: String,
}

#[derive(Params)]
pub(crate) struct Rename {
    /// Reference (name or id) to the key.
    key_ref: String,
    /// The new name.
    key_name: String,
}

fn show(key: &Key) -> Value {
    json!({
        "key_id": key.id,
        "key_name": key.name,
        "key_type": key.pair.kind.name(),
        "subject_key_id": colons(&key.pair.skid),
    })
}

pub(crate) async fn list(engine: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let mut ids: Vec<String> = ca.keys.iter().map(|key| key.id.clone()).collect();
    ids.sort_unstable();
    let ids = page.of(ids);
    if ids.is_empty() {
        return Ok(Reply::missing());
    }
    let info = |id: &String| {
        let key = ca.find_key(id)?;
        Some((id.clone(), json!({ "is_default": ca.record.default_key == *id, "key_name": key.name })))
    };
    let info: Map<String, Value> = ids.iter().filter_map(info).collect();
    Ok(Reply::data(json!({ "key_info": info, "keys": ids })))
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    Ok(Reply::data(show(ca.key(&at.key_ref)?)))
}

pub(crate) async fn rename(engine: Arc<Engine>, cx: Context, asked: Rename) -> Result<Reply> {
    let id = engine
        .change(&cx, |ca, record| {
            let id = ca.key(&asked.key_ref)?.id.clone();
            check_key_name(record, &asked.key_name, &id)?;
            if let Some(known) = record.keys.iter_mut().find(|known| known.id == id) {
                known.name.clone_from(&asked.key_name);
            }
            Ok((id, Changes::new()))
        })
        .await?;
    let ca = engine.ca(&cx).await?;
    let key = ca.key(&id)?;
    Ok(Reply::data(json!({ "key_id": key.id, "key_name": key.name, "key_type": key.pair.kind.name() })))
}

pub(crate) async fn delete(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let default = engine
        .change(&cx, |ca, record| {
            let Some(key) = ca.find_key(&at.key_ref) else { return Ok((None, Changes::new())) };
            if let Some(user) = record.issuers.iter().find(|issuer| issuer.key_id == key.id) {
                return Err(Error::invalid(format!(
                    "Failed to delete key: unable to delete key {}: in use by the issuer {}",
                    key.id, user.id
                )));
            }
            record.keys.retain(|known| known.id != key.id);
            let was_default = record.default_key == key.id;
            if was_default {
                record.default_key.clear();
            }
            Ok((was_default.then(|| key.id.clone()), Changes::new()))
        })
        .await?;
    match default {
        Some(id) => Ok(Reply::empty().warn(format!(
            "Deleted key {id} (via key_ref {}); this was configured as the default key. Operations without an explicit key will not work until a new default is configured.",
            at.key_ref
        ))),
        None => Ok(Reply::empty()),
    }
}
