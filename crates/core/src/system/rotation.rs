//! `sys/policies/rotation` and `sys/rotation/orphans`: how often failed rotations are tried again, and which are not.
use super::System;
use crate::rotation::policy::{RotationPolicies, RotationPolicy};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("policies/rotation", "Lists the rotation policies.", |path| path.list(list))
        .path("policies/rotation/{name}", "Writes, reads and deletes a rotation policy.", |path| {
            path.read(read).write(write).delete(delete)
        })
        .path("rotation/orphans", "Shows what is not rotated any more, because every attempt failed.", |path| {
            path.read(orphans).list(orphans)
        })
}

#[derive(Params)]
struct Named {
    /// Name of the policy.
    name: String,
}

async fn list(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(RotationPolicies(&system.active()?.storage).list().await?))
}

async fn read(system: Arc<System>, _: Context, of: Named) -> Result<Reply> {
    let found = RotationPolicies(&system.active()?.storage).read(&of.name).await?;
    Ok(found.map_or_else(Reply::missing, |policy| {
        Reply::data(json!({
            "name": of.name,
            "max_retries_per_cycle": policy.max_retries_per_cycle,
            "max_retry_cycles": policy.max_retry_cycles,
        }))
    }))
}

async fn delete(system: Arc<System>, _: Context, of: Named) -> Result<Reply> {
    RotationPolicies(&system.active()?.storage).delete(&of.name).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Write {
    /// Name of the policy.
    name: String,
    /// Attempts after the first in one cycle.
    max_retries_per_cycle: Option<i64>,
    /// Cycles until nothing is tried any more.
    max_retry_cycles: Option<i64>,
}

async fn write(system: Arc<System>, _: Context, write: Write) -> Result<Reply> {
    let count = |name: &str, value: Option<i64>, least: u32| {
        let value = value.ok_or_else(|| Error::invalid(format!("missing required field {name:?}")))?;
        let fits = u32::try_from(value).ok().filter(|count| (least..=1_000_000).contains(count));
        fits.ok_or_else(|| Error::invalid(format!("{name}: {value} is out of range: use {least} to 1000000")))
    };
    let policy = RotationPolicy {
        max_retries_per_cycle: count("max_retries_per_cycle", write.max_retries_per_cycle, 0)?,
        max_retry_cycles: count("max_retry_cycles", write.max_retry_cycles, 1)?,
    };
    RotationPolicies(&system.active()?.storage).write(&write.name, policy).await?;
    Ok(Reply::empty())
}

async fn orphans(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "orphans": system.active()?.rotation_orphans().await? })))
}
