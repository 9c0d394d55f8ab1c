//! `config/lease`: how long the leases of IAM users are.
use crate::Engine;
use lessor_engine::duration::{go_string, parse};
use lessor_engine::{Context, Error, Params, Reply, Result, Terms};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const KEY: &str = "config/lease";

#[derive(Serialize, Deserialize)]
struct LeaseConfig {
    lease: u64,
    lease_max: u64,
}

/// The terms of IAM users.
pub(crate) async fn terms(cx: &Context) -> Result<Terms> {
    let config: Option<LeaseConfig> = cx.view.get(KEY).await?;
    Ok(config.map_or_else(Terms::default, |config| Terms {
        default_ttl: Some(Duration::from_secs(config.lease)),
        max_ttl: Some(Duration::from_secs(config.lease_max)),
    }))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<LeaseConfig>(KEY).await? else { return Ok(Reply::missing()) };
    let text = |seconds| go_string(Duration::from_secs(seconds));
    Ok(Reply::data(json!({ "lease": text(config.lease), "lease_max": text(config.lease_max) })))
}

#[derive(Params)]
pub(crate) struct Write {
    /// TTL of leases, such as `30m`.
    lease: String,
    /// Upper bound of leases, such as `8h`.
    lease_max: String,
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let seconds = |name: &str, text: &str| {
        if text.is_empty() {
            return Err(Error::invalid(format!("'{name}' is a required parameter")));
        }
        parse(text).map(|ttl| ttl.as_secs()).map_err(|error| Error::invalid(format!("invalid {name}: {error}")))
    };
    let config =
        LeaseConfig { lease: seconds("lease", &write.lease)?, lease_max: seconds("lease_max", &write.lease_max)? };
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}
