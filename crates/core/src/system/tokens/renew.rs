//! `auth/token/renew*`.
use super::super::System;
use super::roles::read_role;
use super::{by_accessor, find, invalid_accessor};
use crate::active::Active;
use crate::identity::LoginAt;
use crate::lease::ttl::{Bounds, Ttl, effective};
use crate::token::login::login_at;
use crate::token::record::Origin;
use crate::token::store::Found;
use crate::token::{Kind, Token};
use lessor_engine::auth::policy_names;
use lessor_engine::{Context, Error, Params, Paths, Renewed, Reply, Result, Seconds, Secret};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("renew", "Renews a token.", |path| path.write(renew))
        .path("renew-self", "Renews the caller's token.", |path| path.write(renew_self))
        .path("renew-accessor", "Renews a token by its accessor.", |path| path.write(renew_accessor))
}

#[derive(Params)]
struct Renew {
    /// The token.
    #[param(secret)]
    token: Secret,
    /// How much longer from now; 0 for the TTL it was made with.
    increment: Seconds,
}

async fn renew(system: Arc<System>, cx: Context, asked: Renew) -> Result<Reply> {
    if asked.token.is_empty() {
        return Err(Error::invalid("missing token ID"));
    }
    let text = asked.token;
    let found = find(&system, &cx, &text).await?.ok_or_else(|| Error::invalid("token not found"))?;
    extend(&system, &cx, found, asked.increment, text.expose()).await
}

#[derive(Params)]
struct Increment {
    /// How much longer from now; 0 for the TTL it was made with.
    increment: Seconds,
}

async fn renew_self(system: Arc<System>, cx: Context, asked: Increment) -> Result<Reply> {
    let active = system.active()?;
    let text = &cx.caller.token;
    let found = active.tokens.find(text.expose(), active.now()).await?;
    let found = found.ok_or_else(|| Error::invalid("token not found"))?;
    extend(&system, &cx, found, asked.increment, text.expose()).await
}

#[derive(Params)]
struct ByAccessor {
    /// The token's accessor.
    accessor: String,
    /// How much longer from now; 0 for the TTL it was made with.
    increment: Seconds,
}

async fn renew_accessor(system: Arc<System>, cx: Context, asked: ByAccessor) -> Result<Reply> {
    let (token, version) = by_accessor(&system, &cx, &asked.accessor).await?.ok_or_else(invalid_accessor)?;
    extend(&system, &cx, Found { token: Arc::new(token), version: Some(version) }, asked.increment, "").await
}

fn set(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// What bounds a token that another one made: its own numbers, and its role's period as it is now.
async fn own_bounds(active: &Active, cx: &Context, token: &Token) -> Result<Bounds> {
    let mut period = token.period;
    if !token.role.is_empty() {
        let role = read_role(cx, &token.role).await?;
        let role = role.ok_or_else(|| {
            Error::invalid(format!("original token role ({:?}) could not be found, not renewing", token.role))
        })?;
        if role.token.period > 0 {
            period = role.token.period;
        }
    }
    let at = active.mounts.at(&token.namespace, &cx.mount.path);
    let mount = at.map_or_else(|| Arc::clone(&cx.mount), |mounted| Arc::clone(&mounted.told(&active.settings).mount));
    Ok(Bounds {
        role: set(token.creation_ttl),
        default: mount.default_ttl,
        max: mount.max_ttl,
        period: set(period),
        ..Bounds::default()
    })
}

/// What bounds a token of a login: what its auth method says now.
async fn login_bounds(system: &System, token: &Token, origin: &Origin, cx: &Context) -> Result<Bounds> {
    let active = system.active()?;
    let (mounted, mut method_cx) = active.background(&origin.mount)?;
    method_cx.connection = Arc::clone(&cx.connection);
    let method = mounted.backend.auth.as_ref();
    let method = method.ok_or_else(|| Error::invalid("the auth method renews no tokens"))?;
    let Renewed { token: settings, same_policies, groups } =
        active.bounded(method.renew(&method_cx, &origin.renewal)).await?;
    if let Some(groups) = groups.filter(|_| !token.entity_id.is_empty()) {
        let at = LoginAt { namespace: &token.namespace, ..login_at(&mounted, &method_cx) };
        active.identity.on_renew(&at, &token.entity_id, &groups).await?;
    }
    let before = |name: &&String| name.as_str() != "default";
    let (now, then) = (policy_names(&settings.policies), token.policies.iter().filter(before));
    if same_policies && !now.iter().filter(before).eq(then) {
        return Err(Error::invalid("policies have changed, not renewing"));
    }
    Ok(Bounds {
        role: set(settings.ttl),
        role_max: set(settings.max_ttl),
        default: method_cx.mount.default_ttl,
        max: method_cx.mount.max_ttl,
        period: set(settings.period),
        ..Bounds::default()
    })
}

async fn extend(system: &System, cx: &Context, found: Found, increment: Seconds, text: &str) -> Result<Reply> {
    let _time = crate::metrics::timed!("expire.renew-token");
    let Found { token, version } = found;
    if token.kind == Kind::Batch {
        return Err(Error::invalid("batch tokens cannot be renewed"));
    }
    let (true, Some(version)) = (token.renewable, version) else {
        return Err(Error::invalid("lease is not renewable"));
    };
    let active = system.active()?;
    let bounds = match &token.origin {
        Some(origin) => login_bounds(system, &token, origin, cx).await?,
        None => own_bounds(&active, cx, &token).await?,
    };
    let bounds = Bounds { wanted: increment.nonzero(), explicit_max: set(token.explicit_max_ttl), ..bounds };
    let now = cx.now();
    let Ttl { ttl, warning } = effective(&bounds, token.created, now)?;
    let renewed = Token { expires: Some(now + ttl), renewed: Some(now), ..Token::clone(&token) };
    active.tokens.update(&token, &renewed, version).await?;
    if let Some(due) = renewed.due() {
        active.wake_for(&due);
    }
    let mut reply = Reply::auth(active.auth_of(&renewed, text).await?);
    reply.warnings.extend(warning);
    Ok(reply)
}
