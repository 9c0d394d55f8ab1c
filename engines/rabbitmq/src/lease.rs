//! `config/lease`, and the same fields of a role: how long users live.
use crate::Engine;
use crate::roles::{Role, key};
use lessor_engine::{Context, Error, Params, Reply, Result, Seconds, Terms};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const KEY: &str = "config/lease";

/// Seconds; 0 leaves it to whoever is asked next: a role to the mount's configuration, that to the mount.
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

impl Lease {
    /// # Errors
    /// When users would begin with more than renewals can make it.
    pub(crate) fn checked(ttl: Seconds, max_ttl: Seconds) -> Result<Self> {
        let lease = Self { ttl: ttl.0, max_ttl: max_ttl.0 };
        if lease.max_ttl > 0 && lease.ttl > lease.max_ttl {
            return Err(Error::invalid(format!(
                "ttl ({} s) must not be longer than max_ttl ({} s)",
                lease.ttl, lease.max_ttl
            )));
        }
        Ok(lease)
    }
    /// What is set of it.
    pub(crate) fn show(self, into: &mut Value) {
        for (name, seconds) in [("ttl", self.ttl), ("max_ttl", self.max_ttl)] {
            if seconds > 0 {
                into[name] = json!(seconds);
            }
        }
    }
}

/// The terms of a role's leases. A role that is gone leaves them to the mount.
pub(crate) async fn terms(cx: &Context, role: &str) -> Result<Terms> {
    let role: Option<Role> = if role.is_empty() { None } else { cx.view.get(&key(role)).await? };
    let own = role.map(|role| role.lease).unwrap_or_default();
    let of_all: Lease = cx.view.get(KEY).await?.unwrap_or_default();
    let set = |seconds: [u64; 2]| seconds.into_iter().find(|seconds| *seconds > 0).map(Duration::from_secs);
    Ok(Terms { default_ttl: set([own.ttl, of_all.ttl]), max_ttl: set([own.max_ttl, of_all.max_ttl]) })
}

/// The answer to a write.
pub(crate) fn written(cx: &Context, lease: Lease) -> Reply {
    let bound = cx.mount.max_ttl.as_secs();
    if lease.ttl.max(lease.max_ttl) <= bound {
        return Reply::empty();
    }
    Reply::empty()
        .warn(format!("leases of this mount end after {bound} s at the latest: tune its max_lease_ttl for longer ones"))
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let lease = Lease::checked(write.ttl, write.max_ttl)?;
    cx.view.put(KEY, &lease).await?;
    Ok(written(&cx, lease))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let lease: Option<Lease> = cx.view.get(KEY).await?;
    Ok(lease.map_or_else(Reply::missing, |lease| Reply::data(json!({ "ttl": lease.ttl, "max_ttl": lease.max_ttl }))))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty())
}
