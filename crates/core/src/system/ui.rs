//! `sys/internal/ui/mounts`, by which the command line finds out what a path belongs to.
use super::{System, tune};
use crate::mount::Mounted;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("internal/ui/mounts", "Shows the mounts the caller can reach.", |path| path.read(all).open()).path(
        "internal/ui/mounts/{path+}",
        "Shows the mount that a path lies in.",
        |path| path.read(one).open(),
    )
}

fn show(namespace: &str, mounted: &Mounted) -> Value {
    let entry = &mounted.entry;
    let mut shown = tune::show(namespace, entry);
    shown["path"] = entry.path.strip_prefix("auth/").unwrap_or(&entry.path).into();
    shown
}

/// What a mount shows to somebody without a token.
fn show_unauthenticated(mounted: &Mounted) -> Value {
    let entry = &mounted.entry;
    let options = if entry.options.is_empty() { Value::Null } else { json!(entry.options) };
    json!({ "type": entry.kind, "description": entry.description, "options": options })
}

/// Everybody may ask: without a token about the mounts that are visible to all, with one about those in its reach too.
async fn all(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let acl = if cx.caller.token.is_empty() { None } else { Some(system.acl(&cx).await?) };
    let mut shown = json!({ "auth": {}, "secret": {} });
    for mounted in system.active()?.mounts.of(&cx.namespace) {
        let path = &mounted.entry.path;
        let reached = acl.as_ref().is_some_and(|acl| acl.reaches_below(&format!("{}{path}", cx.namespace)));
        if !reached && mounted.entry.config.listing_visibility != "unauth" {
            continue;
        }
        let entry = if acl.is_some() { show(&cx.namespace, &mounted) } else { show_unauthenticated(&mounted) };
        match path.strip_prefix("auth/") {
            Some(path) => shown["auth"][path] = entry,
            None => shown["secret"][path] = entry,
        }
    }
    Ok(Reply::data(shown))
}

#[derive(Params)]
struct At {
    /// Any path.
    path: String,
}

/// A mount out of reach is answered like one that does not exist.
async fn one(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    let acl = system.acl(&cx).await?;
    let reached = |mounted: &Arc<Mounted>| acl.reaches_below(&format!("{}{}", cx.namespace, mounted.entry.path));
    let mounted = system.active()?.mounts.find(&cx.namespace, &at.path).filter(reached);
    let Some(mounted) = mounted else {
        return Err(Error::Forbidden(format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path \"{}/\"",
            at.path.trim_end_matches('/')
        )));
    };
    Ok(Reply::data(show(&cx.namespace, &mounted)))
}
