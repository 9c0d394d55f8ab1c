//! `auth/token/*`.
use super::System;
use crate::lease::ttl::{Bounds, effective};
use crate::pipeline::token_text;
use crate::token::Token;
use lessor_engine::{Context, Error, KeyValues, Params, Paths, Reply, Result, Seconds, Secret, StringList, duration};
use lessor_storage::Version;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("create", "Makes a child token.", |path| path.write(create))
        .path("create-orphan", "Makes a token without parent.", |path| path.write(create_orphan))
        .path("lookup", "Shows a token.", |path| path.read(lookup).write(lookup))
        .path("lookup-self", "Shows the caller's token.", |path| path.read(lookup_self).write(lookup_self))
        .path("lookup-accessor", "Shows a token by its accessor.", |path| path.write(lookup_accessor))
        .path("accessors", "Lists the accessors of all tokens.", |path| path.list(accessors))
        .path("renew", "Renews a token.", |path| path.write(renew))
        .path("renew-self", "Renews the caller's token.", |path| path.write(renew_self))
        .path("renew-accessor", "Renews a token by its accessor.", |path| path.write(renew_accessor))
        .path("revoke", "Revokes a token and its children.", |path| path.write(revoke))
        .path("revoke-self", "Revokes the caller's token and its children.", |path| path.write(revoke_self))
        .path("revoke-accessor", "Revokes a token by its accessor.", |path| path.write(revoke_accessor))
        .path("revoke-orphan", "Revokes a token, not its children.", |path| path.write(revoke_orphan))
}

#[derive(Params)]
struct Create {
    /// The token's text, instead of a random one.
    #[param(secret)]
    id: Secret,
    /// Policies; the parent's where none are given.
    policies: StringList,
    /// Audited with every request.
    meta: KeyValues,
    /// Makes an orphan.
    no_parent: bool,
    /// Leaves out the default policy.
    no_default_policy: bool,
    /// Whether it can be renewed.
    #[param(default = "true")]
    renewable: bool,
    /// How long it lives.
    ttl: String,
    /// Deprecated name of `ttl`.
    lease: String,
    /// `service`; batch tokens come later.
    #[param(name = "type")]
    kind: String,
    /// An upper bound that renewals do not pass.
    explicit_max_ttl: String,
    /// For people.
    #[param(default = "token")]
    display_name: String,
    /// Ends after so many uses; 0 for no limit.
    num_uses: i64,
    /// Renewals reset the TTL to this, without upper bound.
    period: String,
    /// Only together with a token role.
    entity_alias: String,
}

fn parse(text: &str, name: &str) -> Result<Duration> {
    if text.starts_with('-') {
        return Err(Error::invalid(format!("{name} must be positive")));
    }
    duration::parse(text).map_err(|_| Error::invalid(format!("{name}: time: invalid duration \"{text}\"")))
}

async fn create(system: Arc<System>, cx: Context, create: Create) -> Result<Reply> {
    make(&system, &cx, create, false).await
}

async fn create_orphan(system: Arc<System>, cx: Context, create: Create) -> Result<Reply> {
    make(&system, &cx, create, true).await
}

fn policies(create: &Create, parent: &Token) -> Result<Vec<String>> {
    let asked: BTreeSet<String> =
        create.policies.iter().map(|name| name.to_lowercase()).filter(|n| !n.is_empty()).collect();
    let mut names: BTreeSet<String> = if asked.is_empty() { parent.policies.iter().cloned().collect() } else { asked };
    if !parent.is_root() && !names.iter().all(|name| name == "default" || parent.policies.contains(name)) {
        return Err(Error::invalid("child policies must be subset of parent"));
    }
    if create.no_default_policy {
        names.remove("default");
    } else if !names.contains("root") {
        names.insert("default".to_owned());
    }
    if names.contains("root") && names.len() > 1 {
        names.retain(|name| name == "root");
    }
    Ok(names.into_iter().collect())
}

fn display_name(asked: &str) -> String {
    let mut name = String::from("token");
    if asked != "token" && !asked.is_empty() {
        name.push('-');
        for c in asked.chars() {
            let kept = if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
            if kept != '-' || !name.ends_with('-') {
                name.push(kept);
            }
        }
    }
    name
}

async fn make(system: &System, cx: &Context, create: Create, orphan: bool) -> Result<Reply> {
    let parent = system.caller(cx).await?;
    let root_only = |asked: bool, what: &str| {
        if asked && !parent.is_root() {
            return Err(Error::invalid(format!("root or sudo privileges required to {what}")));
        }
        Ok(())
    };
    root_only(!create.id.is_empty(), "specify token id")?;
    root_only(create.no_parent, "create orphan token")?;
    root_only(!create.period.is_empty(), "create periodic token")?;
    if parent.num_uses > 0 {
        return Err(Error::invalid("restricted use token cannot generate child tokens"));
    }
    match create.kind.as_str() {
        "" | "service" => {}
        "batch" => return Err(Error::invalid("batch tokens are not part of this version: use type=service")),
        _ => return Err(Error::invalid("invalid 'token_type' value")),
    }
    if create.id.expose().contains('.') {
        return Err(Error::invalid("custom token ID cannot have a '.' in the value"));
    }
    if !create.entity_alias.is_empty() {
        return Err(Error::invalid("'entity_alias' is only allowed in combination with token role"));
    }
    if create.num_uses < 0 {
        return Err(Error::invalid("num_uses must be positive"));
    }
    let policies = policies(&create, &parent)?;
    let ttl = parse(if create.ttl.is_empty() { &create.lease } else { &create.ttl }, "ttl")?;
    let explicit_max = parse(&create.explicit_max_ttl, "explicit_max_ttl")?;
    let period = parse(&create.period, "period")?;
    let now = cx.now();
    let root = policies == ["root"];
    let endless = root && ttl.is_zero() && period.is_zero() && explicit_max.is_zero();
    if endless && parent.expires.is_some() {
        return Err(Error::invalid("expiring root tokens cannot create non-expiring root tokens"));
    }
    let bounds = Bounds {
        wanted: Some(ttl).filter(|ttl| !ttl.is_zero()),
        default: cx.mount.default_ttl,
        max: cx.mount.max_ttl,
        explicit_max: Some(explicit_max).filter(|max| !max.is_zero()),
        period: Some(period).filter(|period| !period.is_zero()),
        ..Bounds::default()
    };
    let term = effective(&bounds, now, now)?;
    let creation_ttl = if endless { 0 } else { term.ttl.as_secs() };
    let token = Token {
        parent: (!orphan && !create.no_parent).then(|| parent.key.clone()),
        policies,
        meta: create.meta.0,
        display_name: display_name(&create.display_name),
        creation_ttl,
        expires: (!endless).then(|| now + term.ttl),
        explicit_max_ttl: explicit_max.as_secs(),
        period: period.as_secs(),
        num_uses: create.num_uses,
        renewable: create.renewable && !endless,
        bound_cidrs: parent.bound_cidrs.clone(),
        ..Token::new(now, format!("auth/token/{}", cx.path))
    };
    let active = system.active()?;
    let chosen = Some(create.id).filter(|id| !id.is_empty());
    let (token, text) = active.tokens.create(token, chosen).await?;
    if let Some(due) = token.due() {
        active.wake_for(&due);
    }
    let mut reply = Reply::auth(token.auth(text.expose(), now));
    reply.warnings.extend(term.warning);
    Ok(reply)
}

#[derive(Params)]
struct Given {
    /// The token; the caller's own where it is left out.
    #[param(secret)]
    token: Secret,
}

async fn find(system: &System, text: &Secret) -> Result<Option<(Token, Version)>> {
    let active = system.active()?;
    active.tokens.find(text.expose(), active.now()).await
}

async fn lookup(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    let text = token_text(&given.token, &cx.caller);
    let found = find(&system, &text).await?.ok_or_else(|| Error::Forbidden("bad token".to_owned()))?;
    Ok(Reply::data(found.0.lookup(text.expose(), cx.now()).into()))
}

async fn lookup_self(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let token = system.caller(&cx).await?;
    Ok(Reply::data(token.lookup(cx.caller.token.expose(), cx.now()).into()))
}

#[derive(Params)]
struct GivenAccessor {
    /// The token's accessor.
    accessor: String,
    /// How much longer from now.
    increment: Seconds,
}

async fn by_accessor(system: &System, accessor: &str) -> Result<(Token, Version)> {
    let active = system.active()?;
    let found = active.tokens.by_accessor(accessor, active.now()).await?;
    found.ok_or_else(|| Error::invalid("invalid accessor"))
}

async fn lookup_accessor(system: Arc<System>, cx: Context, given: GivenAccessor) -> Result<Reply> {
    let (token, _) = by_accessor(&system, &given.accessor).await?;
    Ok(Reply::data(token.lookup("", cx.now()).into()))
}

async fn accessors(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = active.tokens.accessors(all.last().map(String::as_str), 500).await?;
        let size = page.len();
        all.extend(page);
        if size < 500 {
            return Ok(Reply::data(json!({ "keys": all })));
        }
    }
}

#[derive(Params)]
struct Renew {
    /// The token; the caller's own where it is left out.
    #[param(secret)]
    token: Secret,
    /// How much longer from now; 0 for the TTL it was made with.
    increment: Seconds,
}

async fn renew(system: Arc<System>, cx: Context, asked: Renew) -> Result<Reply> {
    let text = token_text(&asked.token, &cx.caller);
    let (token, version) = find(&system, &text).await?.ok_or_else(|| Error::invalid("token not found"))?;
    extend(&system, &cx, token, version, asked.increment, text.expose()).await
}

#[derive(Params)]
struct Increment {
    /// How much longer from now; 0 for the TTL it was made with.
    increment: Seconds,
}

async fn renew_self(system: Arc<System>, cx: Context, asked: Increment) -> Result<Reply> {
    let text = cx.caller.token.clone();
    let (token, version) = find(&system, &text).await?.ok_or_else(|| Error::invalid("token not found"))?;
    extend(&system, &cx, token, version, asked.increment, text.expose()).await
}

async fn renew_accessor(system: Arc<System>, cx: Context, given: GivenAccessor) -> Result<Reply> {
    let (token, version) = by_accessor(&system, &given.accessor).await?;
    extend(&system, &cx, token, version, given.increment, "").await
}

async fn extend(
    system: &System,
    cx: &Context,
    token: Token,
    version: Version,
    increment: Seconds,
    text: &str,
) -> Result<Reply> {
    if !token.renewable {
        return Err(Error::invalid("lease is not renewable"));
    }
    let now = cx.now();
    let set = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    let bounds = Bounds {
        wanted: increment.nonzero(),
        role: set(token.creation_ttl),
        default: cx.mount.default_ttl,
        max: cx.mount.max_ttl,
        explicit_max: set(token.explicit_max_ttl),
        period: set(token.period),
        ..Bounds::default()
    };
    let term = effective(&bounds, token.created, now)?;
    let renewed = Token { expires: Some(now + term.ttl), renewed: Some(now), ..token.clone() };
    let active = system.active()?;
    active.tokens.update(&token, &renewed, version).await?;
    if let Some(due) = renewed.due() {
        active.wake_for(&due);
    }
    let mut reply = Reply::auth(renewed.auth(text, now));
    reply.warnings.extend(term.warning);
    Ok(reply)
}

async fn revoke(system: Arc<System>, _: Context, given: Given) -> Result<Reply> {
    if given.token.is_empty() {
        return Err(Error::invalid("missing token ID"));
    }
    let active = system.active()?;
    active.revoke_token(&active.tokens.id(given.token.expose())).await?;
    Ok(Reply::empty())
}

async fn revoke_self(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    active.revoke_token(&active.tokens.id(cx.caller.token.expose())).await?;
    Ok(Reply::empty())
}

async fn revoke_accessor(system: Arc<System>, _: Context, given: GivenAccessor) -> Result<Reply> {
    let (token, _) = by_accessor(&system, &given.accessor).await?;
    system.active()?.revoke_token(&token.key).await?;
    Ok(Reply::empty())
}

async fn revoke_orphan(system: Arc<System>, _: Context, given: Given) -> Result<Reply> {
    if given.token.is_empty() {
        return Err(Error::invalid("token parameter is required"));
    }
    let active = system.active()?;
    active.revoke_orphan(&active.tokens.id(given.token.expose())).await?;
    Ok(Reply::empty())
}
