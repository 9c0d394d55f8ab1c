//! Settings of a mount: `cache-config` and `config/keys`.
use crate::store::Keyring;
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

const CACHE: &str = "config/cache";
const KEYS: &str = "config/keys";
const LEAST_CACHE: usize = 10;

#[derive(Default, Serialize, Deserialize)]
struct CacheConfig {
    size: usize,
}

/// How keys come into being.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct KeysConfig {
    /// Whether encrypting with a key that does not exist is refused instead of making it.
    pub(crate) disable_upsert: bool,
}

#[derive(Params)]
pub(crate) struct CacheSize {
    /// How many keys are held in memory: 0 for the default of 1024, or 10 and more.
    #[param(default = "0")]
    size: i64,
}

#[derive(Params)]
pub(crate) struct KeysParams {
    /// Refuse to create keys on encryption.
    disable_upsert: bool,
}

/// The configured number of keys in memory; 0 is the default.
///
/// # Errors
/// When storage fails.
pub(crate) async fn cache_size(cx: &Context) -> Result<usize> {
    Ok(cx.view.get::<CacheConfig>(CACHE).await?.unwrap_or_default().size)
}

/// How keys come into being.
///
/// # Errors
/// When storage fails.
pub(crate) async fn keys_config(cx: &Context) -> Result<KeysConfig> {
    Ok(cx.view.get(KEYS).await?.unwrap_or_default())
}

pub(crate) async fn read_cache(_: Arc<Keyring>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "size": cache_size(&cx).await? })))
}

pub(crate) async fn write_cache(_: Arc<Keyring>, cx: Context, asked: CacheSize) -> Result<Reply> {
    let refuse = || Error::Invalid(format!("size must be 0 or a value greater or equal to {LEAST_CACHE}"));
    let size = usize::try_from(asked.size).map_err(|_| refuse())?;
    if size != 0 && size < LEAST_CACHE {
        return Err(refuse());
    }
    cx.view.put(CACHE, &CacheConfig { size }).await?;
    Ok(Reply::data(json!({ "size": size })))
}

pub(crate) async fn read_keys(_: Arc<Keyring>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "disable_upsert": keys_config(&cx).await?.disable_upsert })))
}

pub(crate) async fn write_keys(_: Arc<Keyring>, cx: Context, asked: KeysParams) -> Result<Reply> {
    cx.view.put(KEYS, &KeysConfig { disable_upsert: asked.disable_upsert }).await?;
    Ok(Reply::data(json!({ "disable_upsert": asked.disable_upsert })))
}
