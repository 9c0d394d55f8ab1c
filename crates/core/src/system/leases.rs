//! `sys/leases/*` and the legacy forms of it.
use super::System;
use crate::active::Active;
use crate::lease::revoke::How;
use crate::lease::{Lease, retry};
use crate::token::Token;
use crate::token::record::is_storage_id;
use lessor_engine::{Context, Error, LeaseView, Params, Paths, Reply, Result, Seconds, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const PAGE: usize = 256;
const LISTED: usize = 10_000;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("leases", "Lists irrevocable leases.", |path| path.read(irrevocable).sudo())
        .path("leases/count", "Counts irrevocable leases by mount.", |path| path.read(count))
        .path("leases/tidy", "Ends leases whose token is gone.", |path| path.write(tidy))
        .path("leases/pause", "Stops revocation until it is resumed.", |path| path.write(pause).sudo())
        .path("leases/resume", "Starts revocation after a paused start.", |path| path.write(resume).sudo())
        .path("leases/lookup/", "Lists leases.", |path| path.list(list).sudo())
        .path("leases/lookup", "Shows a lease.", |path| path.write(lookup))
        .path("leases/lookup/{prefix+}", "Lists leases.", |path| path.list(list).sudo())
        .path("leases/renew", "Renews a lease.", |path| path.write(renew))
        .path("leases/renew/{lease_id+}", "Renews a lease.", |path| path.write(renew))
        .path("leases/revoke", "Revokes a lease.", |path| path.write(revoke))
        .path("leases/revoke/{lease_id+}", "Revokes a lease.", |path| path.write(revoke))
        .path("leases/revoke-prefix/{prefix+}", "Revokes all leases below a prefix.", |path| {
            path.write(revoke_prefix).sudo()
        })
        .path("leases/revoke-force/{prefix+}", "Revokes all leases below a prefix, ignoring failures.", |path| {
            path.write(revoke_force).sudo()
        })
        .path("renew", "Renews a lease.", |path| path.write(renew))
        .path("renew/{lease_id+}", "Renews a lease.", |path| path.write(renew))
        .path("revoke", "Revokes a lease.", |path| path.write(revoke))
        .path("revoke/{lease_id+}", "Revokes a lease.", |path| path.write(revoke))
        .path("revoke-prefix/{prefix+}", "Revokes all leases below a prefix.", |path| path.write(revoke_prefix).sudo())
        .path("revoke-force/{prefix+}", "Revokes all leases below a prefix, ignoring failures.", |path| {
            path.write(revoke_force).sudo()
        })
}

#[derive(Params)]
struct Of {
    /// The lease.
    lease_id: String,
}

async fn lookup(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    let _time = crate::metrics::timed!("expire.fetch-lease-times");
    if of.lease_id.is_empty() {
        return Err(Error::invalid("lease_id must be specified"));
    }
    let active = system.active()?;
    let now = active.now();
    if let Some(token) = token_of(&active, &cx, &of.lease_id).await? {
        return Ok(Reply::data(json!({
            "expire_time": token.expires,
            "id": of.lease_id,
            "issue_time": token.created,
            "last_renewal": token.renewed,
            "path": token.path,
            "renewable": token.renewable,
            "ttl": token.ttl(now),
        })));
    }
    let Some((lease, _)) = active.leases.lease(&active.lease_key(&cx.namespace, &of.lease_id)).await? else {
        return Err(Error::invalid("invalid lease"));
    };
    let path = lease.shown_id().rsplit_once('/').map_or("", |(path, _)| path);
    let mut data = json!({
        "expire_time": lease.expires,
        "id": lease.shown_id(),
        "issue_time": lease.issued,
        "last_renewal": lease.renewed,
        "path": path,
        "renewable": lease.renewable && lease.expires > now,
        "ttl": lease.expires.duration_since(now).as_secs(),
    });
    if let Some(error) = lease.error.as_ref().filter(|_| is_irrevocable(&lease)) {
        data["revoke_error"] = json!(error);
    }
    if !lease.namespace.is_empty() {
        data["namespace_path"] = json!(lease.namespace);
    }
    Ok(Reply::data(data))
}

/// Tokens stand among the leases, by the path they were made at and their storage id: those of logins below `auth/`,
/// those that hold a wrapped answer where that was asked for.
async fn token_of(active: &Active, cx: &Context, id: &str) -> Result<Option<Token>> {
    let Some((path, key)) = id.rsplit_once('/').filter(|(_, key)| is_storage_id(key)) else { return Ok(None) };
    let found = active.tokens.get(key, active.now()).await?.map(|(token, _)| token);
    Ok(found.filter(|token| token.path == path && token.namespace == cx.namespace))
}

fn is_irrevocable(lease: &Lease) -> bool {
    lease.attempts >= retry::ATTEMPTS
}

#[derive(Params)]
struct Below {
    /// Where to look.
    prefix: String,
}

/// Names directly below the prefix. Ended leases that the queue is about to delete are not shown.
async fn list(system: Arc<System>, cx: Context, below: Below) -> Result<Reply> {
    let active = system.active()?;
    let shown = if below.prefix.is_empty() || below.prefix.ends_with('/') { below.prefix } else { below.prefix + "/" };
    let prefix = format!("{}{shown}", cx.namespace);
    let mut names = if shown.starts_with("auth/") { Vec::new() } else { list_leases(&active, &prefix).await? };
    names.extend(list_tokens(&active, &cx.namespace, &prefix).await?);
    names.sort_unstable();
    names.dedup();
    Ok(Reply::list(names))
}

async fn list_tokens(active: &Active, namespace: &str, prefix: &str) -> Result<Vec<String>> {
    // What lies below the path of another namespace is that one's own.
    let foreign = |path: &str| active.namespaces.resolve("", path).is_some_and(|found| found.namespace != namespace);
    let (mut names, mut after) = (Vec::<String>::new(), None::<String>);
    if !prefix.is_empty() && foreign(prefix) {
        return Ok(names);
    }
    loop {
        let page = active.tokens.below(prefix, after.as_deref(), PAGE).await?;
        let size = page.len();
        after = page.last().cloned();
        let mut skips = false;
        for rest in page {
            let Some(slash) = rest.find('/') else {
                names.push(rest);
                continue;
            };
            let folder = &rest[..=slash];
            if !foreign(&format!("{prefix}{folder}")) {
                names.push(folder.to_owned());
            }
            // One token is enough to show its folder; the rest of it is skipped.
            (after, skips) = (Some(format!("{folder}\u{10FFFF}")), true);
            break;
        }
        if size < PAGE && !skips {
            return Ok(names);
        }
    }
}

async fn list_leases(active: &Active, prefix: &str) -> Result<Vec<String>> {
    let now = active.now();
    let mut names: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = active.leases.page(prefix, after.as_deref(), PAGE).await?;
        let size = page.len();
        after = page.last().map(|lease| lease.id.clone());
        for lease in page.iter().filter(|lease| shown(lease, now)) {
            let rest = &lease.id[prefix.len()..];
            let name = rest.find('/').map_or(rest, |slash| &rest[..=slash]);
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
            if name.ends_with('/') {
                // One live lease is enough to show its folder; the rest of it is skipped.
                after = Some(format!("{prefix}{name}\u{10FFFF}"));
                break;
            }
        }
        if size < PAGE && after.as_ref().is_none_or(|after| !after.ends_with('\u{10FFFF}')) {
            return Ok(names);
        }
    }
}

fn shown(lease: &Lease, now: Timestamp) -> bool {
    lease.expires > now || is_irrevocable(lease)
}

#[derive(Params)]
struct Renew {
    /// The lease.
    lease_id: String,
    /// How much longer from now; 0 for the lease's own TTL.
    increment: Seconds,
}

async fn renew(system: Arc<System>, cx: Context, renew: Renew) -> Result<Reply> {
    if renew.lease_id.is_empty() {
        return Err(Error::invalid("lease_id must be specified"));
    }
    let active = system.active()?;
    if token_of(&active, &cx, &renew.lease_id).await?.is_some() {
        return Err(Error::invalid("tokens cannot be renewed through this endpoint"));
    }
    let key = active.lease_key(&cx.namespace, &renew.lease_id);
    let renewed = active.renew(&key, renew.increment.nonzero()).await?;
    let mut reply = Reply::empty();
    reply.lease = Some(LeaseView {
        id: renewed.lease.shown_id().to_owned(),
        duration: renewed.ttl.as_secs(),
        renewable: renewed.lease.renewable,
    });
    reply.warnings.extend(renewed.warning);
    Ok(reply)
}

#[derive(Params)]
struct Revoke {
    /// The lease.
    lease_id: String,
    /// Waits until the credential is deleted.
    #[param(default = "true")]
    sync: bool,
}

async fn revoke(system: Arc<System>, cx: Context, revoke: Revoke) -> Result<Reply> {
    if revoke.lease_id.is_empty() {
        return Err(Error::invalid("lease_id must be specified"));
    }
    let active = system.active()?;
    if let Some(token) = token_of(&active, &cx, &revoke.lease_id).await? {
        active.revoke_token(&token.key).await?;
        return Ok(Reply::empty());
    }
    let key = active.lease_key(&cx.namespace, &revoke.lease_id);
    if revoke.sync {
        active.revoke_now(&key).await?;
        return Ok(Reply::empty());
    }
    active.expire_now(&key).await?;
    Ok(Reply::empty().status(202))
}

#[derive(Params)]
struct RevokePrefix {
    /// Path segments; or one lease.
    prefix: String,
    /// Waits until the credentials are deleted.
    #[param(default = "true")]
    sync: bool,
}

/// A lease id as it is, anything else as a folder.
async fn scope(active: &Active, cx: &Context, prefix: &str) -> Result<String> {
    let key = active.lease_key(&cx.namespace, prefix);
    let whole = prefix.ends_with('/') || active.leases.lease(&key).await?.is_some();
    Ok(if whole { key } else { key + "/" })
}

/// Ends the leases below a prefix with the tokens that hold wrapped answers of it, or the tokens where it is one of
/// `auth/`.
async fn end_below(active: &Active, cx: &Context, prefix: &str, how: How) -> Result<()> {
    if let Some(token) = token_of(active, cx, prefix).await? {
        return active.revoke_token(&token.key).await;
    }
    if format!("{prefix}/").starts_with("auth/") {
        let path = format!("{}{}/", cx.namespace, prefix.trim_end_matches('/'));
        return active.revoke_tokens_below(&path).await;
    }
    active.revoke_wrapping_below(&cx.namespace, &format!("{}/", prefix.trim_end_matches('/'))).await?;
    active.revoke_prefix(&scope(active, cx, prefix).await?, how).await
}

async fn revoke_prefix(system: Arc<System>, cx: Context, revoke: RevokePrefix) -> Result<Reply> {
    let active = system.active()?;
    if revoke.sync {
        end_below(&active, &cx, &revoke.prefix, How::Wait).await?;
        return Ok(Reply::empty());
    }
    end_below(&active, &cx, &revoke.prefix, How::Expire).await?;
    Ok(Reply::empty().status(202))
}

async fn revoke_force(system: Arc<System>, cx: Context, below: Below) -> Result<Reply> {
    let _time = crate::metrics::timed!("expire.revoke-force");
    let active = system.active()?;
    end_below(&active, &cx, &below.prefix, How::Force).await?;
    Ok(Reply::empty())
}

async fn pause(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    system.active()?.pause().await?;
    Ok(Reply::empty())
}

async fn resume(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    system.active()?.resume().await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Irrevocable {
    /// `irrevocable`.
    #[param(name = "type")]
    kind: String,
    /// How many to show at most, or `none`.
    limit: String,
    /// Counts what lies in the namespaces below too.
    include_child_namespaces: bool,
}

impl Irrevocable {
    fn check(&self) -> Result<()> {
        if self.kind == "irrevocable" { Ok(()) } else { Err(Error::NotFound(String::new())) }
    }
}

async fn all_irrevocable(active: &Active, cx: &Context, deep: bool) -> Result<Vec<Lease>> {
    let inside =
        |lease: &Lease| lease.namespace == cx.namespace || (deep && lease.namespace.starts_with(&cx.namespace));
    let (mut leases, mut after) = (Vec::new(), None::<String>);
    loop {
        let ids = active.leases.irrevocable(after.as_deref(), PAGE).await?;
        for id in &ids {
            leases.extend(active.leases.lease(id).await?.map(|(lease, _)| lease).filter(inside));
        }
        if ids.len() < PAGE {
            return Ok(leases);
        }
        after = ids.last().cloned();
    }
}

fn accessor(active: &Active, lease: &Lease) -> String {
    active.mounts.by_uuid(&lease.mount).map_or_else(|| "deleted mount".to_owned(), |m| m.entry.accessor.clone())
}

async fn count(system: Arc<System>, cx: Context, query: Irrevocable) -> Result<Reply> {
    query.check()?;
    let active = system.active()?;
    let leases = all_irrevocable(&active, &cx, query.include_child_namespaces).await?;
    let mut counts: Map<String, Value> = Map::new();
    for lease in &leases {
        let sum = counts.get(&accessor(&active, lease)).and_then(Value::as_u64).unwrap_or_default();
        counts.insert(accessor(&active, lease), json!(sum + 1));
    }
    Ok(Reply::data(json!({ "lease_count": leases.len(), "counts": counts })))
}

async fn irrevocable(system: Arc<System>, cx: Context, query: Irrevocable) -> Result<Reply> {
    query.check()?;
    let limit = match query.limit.as_str() {
        "" => LISTED,
        "none" => usize::MAX,
        text => text.parse().map_err(|_| Error::invalid(format!("limit '{text}' is neither a number nor none")))?,
    };
    let active = system.active()?;
    let mut leases = all_irrevocable(&active, &cx, query.include_child_namespaces).await?;
    let count = leases.len();
    leases.sort_by_key(|lease| lease.expires);
    leases.truncate(limit);
    let shown: Vec<Value> = leases
        .iter()
        .map(|lease| json!({
            "lease_id": lease.shown_id(),
            "mount_id": accessor(&active, lease),
            "error": lease.error.as_deref().map_or_else(|| "unknown".to_owned(), |e| format!("out of retries: {e}")),
        }))
        .collect();
    let reply = Reply::data(json!({ "lease_count": count, "leases": shown }));
    Ok(if count > limit { reply.warn("there are more: limit=none shows all of them") } else { reply })
}

async fn tidy(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let worker = Arc::clone(&active);
    active.tasks.spawn(async move {
        match worker.tidy_leases().await {
            Ok(ended) => tracing::info!(ended, "tidied leases"),
            Err(error) => tracing::error!(%error, "tidying leases failed"),
        }
    });
    let text = "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.";
    Ok(Reply::empty().status(202).warn(text))
}

impl Active {
    /// Ends the leases whose token is neither alive nor being ended.
    async fn tidy_leases(&self) -> Result<usize> {
        let (mut ended, mut after) = (0, None::<String>);
        loop {
            let page = self.leases.page("", after.as_deref(), PAGE).await?;
            for lease in &page {
                let token = &lease.token;
                if token.is_empty() {
                    continue;
                }
                if self.tokens.recorded(token).await?.is_none() && self.tokens.buried(token).await?.is_none() {
                    self.expire_now(&lease.id).await?;
                    ended += 1;
                }
            }
            if page.len() < PAGE {
                return Ok(ended);
            }
            after = page.last().map(|lease| lease.id.clone());
        }
    }
}
