//! `config/lease`: how long the users of a mount live.
use crate::Engine;
use lessor_engine::{Context, Error, Params, Reply, Result, Seconds, Terms};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const KEY: &str = "config/lease";

/// Seconds; 0 leaves it to the mount.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Lease {
    ttl: u64,
    max_ttl: u64,
}

#[derive(Params)]
pub(crate) struct Write {
    /// How long a user lives; the mount's default where it is left out.
    ttl: Seconds,
    /// How long renewals may make it live; the mount's bound where it is left out.
    max_ttl: Seconds,
}

/// The terms of the mount's leases.
pub(crate) async fn terms(cx: &Context) -> Result<Terms> {
    let lease: Lease = cx.view.get(KEY).await?.unwrap_or_default();
    let set = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    Ok(Terms { default_ttl: set(lease.ttl), max_ttl: set(lease.max_ttl) })
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let lease = Lease { ttl: write.ttl.0, max_ttl: write.max_ttl.0 };
    if lease.max_ttl > 0 && lease.ttl > lease.max_ttl {
        return Err(Error::invalid(format!(
            "ttl ({} s) must not be longer than max_ttl ({} s)",
            lease.ttl, lease.max_ttl
        )));
    }
    cx.view.put(KEY, &lease).await?;
    let bound = cx.mount.max_ttl.as_secs();
    let reply = Reply::empty();
    Ok(if lease.ttl.max(lease.max_ttl) > bound {
        reply.warn(format!(
            "leases of this mount end after {bound} s at the latest: tune its max_lease_ttl for longer ones"
        ))
    } else {
        reply
    })
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let lease: Option<Lease> = cx.view.get(KEY).await?;
    Ok(lease.map_or_else(Reply::missing, |lease| Reply::data(json!({ "ttl": lease.ttl, "max_ttl": lease.max_ttl }))))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty())
}
