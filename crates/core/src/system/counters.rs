//! `sys/internal/counters` and what the web UI asks beside mounts.
use super::System;
use crate::active::Active;
use lessor_engine::{Context, Error, Paths, Reply, Result};
use serde_json::json;
use std::sync::Arc;

const PAGE: usize = 512;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("internal/counters/tokens", "Counts service tokens.", |path| path.read(tokens))
        .path("internal/counters/entities", "Counts entities.", |path| path.read(entities))
        .path("internal/counters/requests", "Was removed.", |path| path.read(requests))
        .path("internal/ui/namespaces", "Lists the namespaces the caller can reach.", |path| {
            path.read(namespaces).open()
        })
        .path("internal/ui/feature-flags", "Lists what the web UI shows beyond the usual.", |path| {
            path.read(feature_flags).open()
        })
        .path("internal/ui/version", "Shows the version.", |path| path.read(version))
        .path("internal/ui/authenticated-messages", "Lists messages; there are none.", |path| path.read(messages))
        .path("internal/ui/unauthenticated-messages", "Lists messages; there are none.", |path| {
            path.read(messages).open()
        })
}

/// How many records lie below a prefix, page by page.
async fn records(active: &Active, prefix: &str) -> Result<usize> {
    let (mut total, mut after) = (0, None);
    loop {
        let page = active.storage.scan(prefix, after.as_deref(), PAGE).await?;
        total += page.len();
        let Some(last) = page.into_iter().next_back() else { return Ok(total) };
        after = Some(last.key);
    }
}

async fn tokens(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let total = records(&*system.active()?, &crate::token::store::record_key("")).await?;
    Ok(Reply::data(json!({ "counters": { "service_tokens": { "total": total } } })))
}

async fn entities(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let total = records(&*system.active()?, &crate::keys::entities(&cx.namespace)).await?;
    Ok(Reply::data(json!({ "counters": { "entities": { "total": total } } })))
}

async fn requests(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Err(Error::NotFound("The functionality has been removed on this path".to_owned()))
}

async fn namespaces(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    if cx.caller.token.is_empty() {
        return Err(Error::Forbidden("client token empty".to_owned()));
    }
    let token = system.caller(&cx).await?;
    let inside = |path: &str| path.starts_with(&token.namespace) || token.namespace.starts_with(path);
    let children = system.active()?.namespaces.children(&cx.namespace);
    let reachable = children.iter().filter(|namespace| inside(&namespace.path));
    let keys: Vec<&str> = reachable.map(|namespace| &namespace.path[cx.namespace.len()..]).collect();
    Ok(Reply::data(if keys.is_empty() { json!({}) } else { json!({ "keys": keys }) }))
}

async fn feature_flags(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::bare(200, json!({ "feature_flags": [] })))
}

async fn version(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "version": system.active()?.settings.version })))
}

async fn messages(_: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "keys": [], "key_info": {} })))
}
