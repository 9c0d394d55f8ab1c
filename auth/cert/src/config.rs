//! `config`: settings of the mount.
use crate::Cert;
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

const KEY: &str = "config";

/// What is stored.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Renewals need no certificate.
    pub(crate) disable_binding: bool,
    /// The alias gets the login's metadata.
    pub(crate) enable_identity_alias_metadata: bool,
    enable_metadata_on_failures: bool,
    /// Answers of OCSP servers that are remembered.
    pub(crate) ocsp_cache_size: i64,
    role_cache_size: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            disable_binding: false,
            enable_identity_alias_metadata: false,
            enable_metadata_on_failures: false,
            ocsp_cache_size: 100,
            role_cache_size: 200,
        }
    }
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Lets tokens be renewed without the certificate they were made with.
    disable_binding: Option<bool>,
    /// Keeps the login's metadata with the identity alias.
    enable_identity_alias_metadata: Option<bool>,
    /// Kept for Vault's clients; failures never tell about a certificate here.
    enable_metadata_on_failures: Option<bool>,
    /// How many answers of OCSP servers are remembered; between 2 and 100000.
    ocsp_cache_size: Option<i64>,
    /// Kept for Vault's clients; storage has its own cache.
    role_cache_size: Option<i64>,
}

pub(crate) async fn of(cx: &Context) -> Result<Config> {
    Ok(cx.view.get(KEY).await?.unwrap_or_default())
}

pub(crate) async fn read(_: Arc<Cert>, cx: Context, (): ()) -> Result<Reply> {
    let config = of(&cx).await?;
    Ok(Reply::data(json!(config)))
}

pub(crate) async fn write(_: Arc<Cert>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    if sent.ocsp_cache_size.is_some_and(|size| !(2..=100_000).contains(&size)) {
        return Err(Error::invalid("invalid cache size, must be >= 2 and <= 100000"));
    }
    let now = of(&cx).await?;
    let config = Config {
        disable_binding: sent.disable_binding.unwrap_or(now.disable_binding),
        enable_identity_alias_metadata: sent
            .enable_identity_alias_metadata
            .unwrap_or(now.enable_identity_alias_metadata),
        enable_metadata_on_failures: sent.enable_metadata_on_failures.unwrap_or(now.enable_metadata_on_failures),
        ocsp_cache_size: sent.ocsp_cache_size.unwrap_or(now.ocsp_cache_size),
        role_cache_size: sent.role_cache_size.unwrap_or(now.role_cache_size),
    };
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}
