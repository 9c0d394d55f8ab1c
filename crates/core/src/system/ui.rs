//! `sys/internal/ui/mounts`, by which the command line finds out what a path belongs to.
use super::System;
use crate::mount::Mounted;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("internal/ui/mounts", "Shows the mounts the caller can reach.", |path| path.read(all)).path(
        "internal/ui/mounts/{path+}",
        "Shows the mount that a path lies in.",
        |path| path.read(one),
    )
}

fn show(mounted: &Mounted) -> Value {
    let entry = &mounted.entry;
    json!({
        "accessor": entry.accessor,
        "config": {
            "default_lease_ttl": entry.config.default_lease_ttl,
            "max_lease_ttl": entry.config.max_lease_ttl,
            "force_no_cache": entry.config.force_no_cache,
        },
        "description": entry.description,
        "external_entropy_access": false,
        "local": entry.local,
        "options": if entry.options.is_empty() { Value::Null } else { json!(entry.options) },
        "path": entry.path,
        "seal_wrap": entry.seal_wrap,
        "type": entry.kind,
        "uuid": entry.uuid,
    })
}

async fn all(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let reachable = system.caller(&cx).await?.is_root();
    let mut shown = json!({ "auth": {}, "secret": {} });
    for mounted in
        active.mounts.of(&cx.namespace).iter().filter(|m| reachable || m.entry.config.listing_visibility == "unauth")
    {
        let path = &mounted.entry.path;
        match path.strip_prefix("auth/") {
            Some(path) => shown["auth"][path] = show(mounted),
            None => shown["secret"][path] = show(mounted),
        }
    }
    Ok(Reply::data(shown))
}

#[derive(Params)]
struct At {
    /// Any path.
    path: String,
}

async fn one(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    let reachable = system.caller(&cx).await?.is_root();
    let mounted = system.active()?.mounts.find(&cx.namespace, &at.path).filter(|_| reachable);
    let Some(mounted) = mounted else {
        return Err(Error::Forbidden(format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path \"{}/\"",
            at.path.trim_end_matches('/')
        )));
    };
    Ok(Reply::data(show(&mounted)))
}
