//! `sys/quotas`.
use super::System;
use crate::active::Active;
use crate::mount::entry::folder;
use crate::quota::{Kind, Rule};
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, Seconds};
use serde_json::json;
use std::sync::Arc;

const RATE_LIMIT: &str = "rate-limit";
const LEASE_COUNT: &str = "lease-count";

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("quotas/config", "Reads and sets what holds for all rate limits.", |path| {
            path.read(read_config).write(write_config)
        })
        .path("quotas/rate-limit", "Lists the rate limits.", |path| path.list(list_rate_limits))
        .path("quotas/rate-limit/{name}", "Makes, reads and deletes a rate limit.", |path| {
            path.read(read_rate_limit).write(write_rate_limit).delete(delete_rate_limit)
        })
        .path("quotas/lease-count", "Lists the limits of leases.", |path| path.list(list_lease_counts))
        .path("quotas/lease-count/{name}", "Makes, reads and deletes a limit of leases.", |path| {
            path.read(read_lease_count).write(write_lease_count).delete(delete_lease_count)
        })
}

/// Quotas speak of the whole node.
fn active(system: &System, cx: &Context) -> Result<Arc<Active>> {
    if !cx.namespace.is_empty() {
        return Err(Error::invalid("operation only available in root namespace"));
    }
    system.active()
}

async fn read_config(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!(active(&system, &cx)?.quotas.config())))
}

#[derive(Params)]
struct Config {
    /// Paths, in every namespace, that no rate limit is for; a `*` at the end stands for anything.
    rate_limit_exempt_paths: Option<CommaList>,
    /// The same with the namespace in front.
    absolute_rate_limit_exempt_paths: Option<CommaList>,
    /// Writes refused requests to audit.
    enable_rate_limit_audit_logging: Option<bool>,
    /// Tells clients where they stand, in headers.
    enable_rate_limit_response_headers: Option<bool>,
}

async fn write_config(system: Arc<System>, cx: Context, given: Config) -> Result<Reply> {
    let active = active(&system, &cx)?;
    active
        .quotas
        .configure(|config| {
            if let Some(paths) = &given.rate_limit_exempt_paths {
                config.rate_limit_exempt_paths.clone_from(&paths.0);
            }
            if let Some(paths) = &given.absolute_rate_limit_exempt_paths {
                config.absolute_rate_limit_exempt_paths.clone_from(&paths.0);
            }
            if let Some(on) = given.enable_rate_limit_audit_logging {
                config.enable_rate_limit_audit_logging = on;
            }
            if let Some(on) = given.enable_rate_limit_response_headers {
                config.enable_rate_limit_response_headers = on;
            }
        })
        .await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Named {
    /// Name of the quota.
    name: String,
}

#[derive(Params)]
struct RateLimit {
    /// Name of the quota.
    name: String,
    /// What it is for: a namespace, a mount, or a path in a mount; empty for everything.
    path: String,
    /// Only logins by this role; `path` is then an auth mount.
    role: String,
    /// Whether namespaces below are meant too; with an empty `path` they are unless this is false.
    inheritable: Option<bool>,
    /// Requests per interval and client; fractions are rounded.
    rate: f64,
    /// Length of an interval.
    #[param(default = "1s")]
    interval: Seconds,
    /// For how long a client that went over the limit is refused altogether.
    block_interval: Seconds,
}

#[derive(Params)]
struct LeaseCount {
    /// Name of the quota.
    name: String,
    /// What it is for: a namespace, a mount, or a path in a mount; empty for everything.
    path: String,
    /// Only the tokens of logins by this role; `path` is then an auth mount.
    role: String,
    /// Whether namespaces below are meant too; with an empty `path` they are unless this is false.
    inheritable: Option<bool>,
    /// The most leases that may stand.
    max_leases: i64,
}

async fn write_rate_limit(system: Arc<System>, cx: Context, given: RateLimit) -> Result<Reply> {
    let active = active(&system, &cx)?;
    if !(given.rate > 0.0 && given.rate.is_finite()) {
        return Err(Error::invalid("'rate' is invalid"));
    }
    let kind =
        Kind::RateLimit { rate: given.rate, interval: given.interval.0.max(1), block_interval: given.block_interval.0 };
    let rule = rule(&active, given.name, kind, &given.path, given.role, given.inheritable)?;
    active.quotas.put(rule).await?;
    Ok(Reply::empty())
}

async fn write_lease_count(system: Arc<System>, cx: Context, given: LeaseCount) -> Result<Reply> {
    let active = active(&system, &cx)?;
    let max_leases = u64::try_from(given.max_leases).ok().filter(|max| *max > 0);
    let max_leases = max_leases.ok_or_else(|| Error::invalid("'max_leases' is invalid"))?;
    let kind = Kind::LeaseCount { max_leases };
    let rule = rule(&active, given.name, kind, &given.path, given.role, given.inheritable)?;
    active.quotas.put(rule).await?;
    Ok(Reply::empty())
}

/// Splits a path into namespace, mount and the rest, and checks that they are there.
fn rule(
    active: &Active,
    name: String,
    kind: Kind,
    path: &str,
    role: String,
    inheritable: Option<bool>,
) -> Result<Rule> {
    let asked = path.trim_matches('/');
    let path = if asked.is_empty() { String::new() } else { folder(asked) };
    let resolved = active.namespaces.resolve("", &path);
    let resolved = resolved.ok_or_else(|| Error::NotFound("namespace not found".to_owned()))?;
    let mut rule = Rule {
        name,
        kind,
        inheritable: inheritable.unwrap_or(path.is_empty()),
        namespace: resolved.namespace,
        mount: String::new(),
        suffix: String::new(),
        role,
    };
    let mounted = active.mounts.find(&rule.namespace, &resolved.path);
    if !resolved.path.is_empty() {
        let invalid = || Error::invalid(format!("invalid mount path \"{}\"", resolved.path));
        let mounted = mounted.as_ref().ok_or_else(invalid)?;
        rule.mount.clone_from(&mounted.entry.path);
        resolved.path[rule.mount.len()..].trim_end_matches('/').clone_into(&mut rule.suffix);
    }
    if rule.role.is_empty() {
        return Ok(rule);
    }
    if !rule.suffix.is_empty() {
        return Err(Error::invalid(
            "Quotas cannot contain both a path suffix and a role. If a role is provided, path must be a valid auth mount with a concept of roles",
        ));
    }
    let mount = &rule.mount;
    let Some(mounted) = mounted.filter(|mounted| mounted.entry.is_auth()) else {
        return Err(Error::invalid(format!(
            "Mount path \"{mount}\" is not a valid auth method and therefore unsuitable for use with role-based quotas"
        )));
    };
    if !mounted.backend.paths.specs().iter().any(|spec| spec.login_role.is_some()) {
        let text = format!("Mount path \"{mount}\" does not support use with role-based quotas");
        return Err(Error::invalid(text));
    }
    Ok(rule)
}

fn list(active: &Active, kind: &str) -> Reply {
    Reply::list(active.quotas.of(kind).into_iter().map(|rule| rule.name).collect())
}

async fn list_rate_limits(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    Ok(list(&*active(&system, &cx)?, RATE_LIMIT))
}

async fn list_lease_counts(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    Ok(list(&*active(&system, &cx)?, LEASE_COUNT))
}

async fn read(active: &Active, kind: &str, name: &str) -> Reply {
    let Some(rule) = active.quotas.of(kind).into_iter().find(|rule| rule.name == name) else {
        return Reply::missing();
    };
    let mut data = json!({
        "name": rule.name,
        "type": kind,
        "path": rule.path(),
        "role": rule.role,
        "inheritable": rule.inheritable,
    });
    match rule.kind {
        Kind::RateLimit { rate, interval, block_interval } => {
            // A whole number is shown as one, as Go's JSON does.
            data["rate"] = if rate.fract() == 0.0 { json!(rate as i64) } else { json!(rate) };
            data["interval"] = json!(interval);
            data["block_interval"] = json!(block_interval);
        }
        Kind::LeaseCount { max_leases } => {
            data["max_leases"] = json!(max_leases);
            data["counter"] = json!(active.quotas.stands(&rule.name).await);
        }
    }
    Reply::data(data)
}

async fn read_rate_limit(system: Arc<System>, cx: Context, named: Named) -> Result<Reply> {
    Ok(read(&*active(&system, &cx)?, RATE_LIMIT, &named.name).await)
}

async fn read_lease_count(system: Arc<System>, cx: Context, named: Named) -> Result<Reply> {
    Ok(read(&*active(&system, &cx)?, LEASE_COUNT, &named.name).await)
}

async fn delete_rate_limit(system: Arc<System>, cx: Context, named: Named) -> Result<Reply> {
    active(&system, &cx)?.quotas.remove(RATE_LIMIT, &named.name).await?;
    Ok(Reply::empty())
}

async fn delete_lease_count(system: Arc<System>, cx: Context, named: Named) -> Result<Reply> {
    active(&system, &cx)?.quotas.remove(LEASE_COUNT, &named.name).await?;
    Ok(Reply::empty())
}
