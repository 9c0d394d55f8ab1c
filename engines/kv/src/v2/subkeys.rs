//! `subkeys/`: the structure of a secret without its values.
use super::data::{answer, find};
use super::store::Store;
use lessor_engine::{Context, Params, Reply, Result};
use serde_json::Value;
use std::sync::Arc;

#[derive(Params)]
pub(super) struct At {
    /// Location of the secret.
    path: String,
    /// Version to read; the latest if 0 or absent.
    version: i64,
    /// How many levels of nested keys are shown; all if 0.
    depth: i64,
}

pub(super) async fn read(store: Arc<Store>, cx: Context, at: At) -> Result<Reply> {
    let Some(mut found) = find(&store, &cx, &at.path, at.version).await? else { return Ok(Reply::missing()) };
    let depth = usize::try_from(at.depth).ok().filter(|depth| *depth > 0).unwrap_or(usize::MAX);
    found.data = found.data.map(|data| keys(&data, depth));
    Ok(answer("subkeys", found))
}

/// Keys down to `depth` levels; everything below them is null.
fn keys(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(map) if depth > 0 => {
            map.iter().map(|(name, value)| (name.clone(), keys(value, depth - 1))).collect()
        }
        _ => Value::Null,
    }
}
