//! `auth/token/*`.
mod create;
mod renew;
mod roles;
mod tidy;

use super::System;
use crate::pipeline::token_text;
use crate::token::store::Found;
use crate::token::{Kind, Token};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, Secret};
use lessor_storage::Version;
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    let paths = paths
        .path("lookup", "Shows a token.", |path| path.read(lookup).write(lookup))
        .path("lookup-self", "Shows the caller's token.", |path| path.read(lookup_self).write(lookup_self))
        .path("lookup-accessor", "Shows a token by its accessor.", |path| path.write(lookup_accessor))
        .path("accessors", "Lists the accessors of all tokens.", |path| path.list(accessors).sudo())
        .path("revoke", "Revokes a token and its children.", |path| path.write(revoke))
        .path("revoke-self", "Revokes the caller's token and its children.", |path| path.write(revoke_self))
        .path("revoke-accessor", "Revokes a token by its accessor.", |path| path.write(revoke_accessor))
        .path("revoke-orphan", "Revokes a token, not its children.", |path| path.write(revoke_orphan).sudo());
    [create::declare, renew::declare, roles::declare, tidy::declare]
        .into_iter()
        .fold(paths, |paths, declare| declare(paths))
}

#[derive(Params)]
struct Given {
    /// The token; the caller's own where it is left out.
    #[param(secret)]
    token: Secret,
}

/// The token of that text, if it lives in the request's namespace or below.
async fn find(system: &System, cx: &Context, text: &Secret) -> Result<Option<Found>> {
    let active = system.active()?;
    let found = active.tokens.find(text.expose(), active.now()).await?;
    Ok(found.filter(|found| found.token.namespace.starts_with(&cx.namespace)))
}

async fn lookup(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    let text = token_text(&given.token, &cx.caller);
    let found = find(&system, &cx, &text).await?.ok_or_else(|| Error::Forbidden("bad token".to_owned()))?;
    shown(&system, &found.token, text.expose()).await
}

async fn lookup_self(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let token = system.caller(&cx).await?;
    shown(&system, &token, cx.caller.token.expose()).await
}

async fn shown(system: &System, token: &Token, id: &str) -> Result<Reply> {
    Ok(Reply::data(system.active()?.lookup_of(token, id).await?.into()))
}

#[derive(Params)]
struct OfAccessor {
    /// The token's accessor.
    accessor: String,
}

async fn by_accessor(system: &System, cx: &Context, accessor: &str) -> Result<Option<(Token, Version)>> {
    if accessor.is_empty() {
        return Err(Error::invalid(multi("missing accessor")));
    }
    let active = system.active()?;
    let found = active.tokens.by_accessor(accessor, active.now()).await?;
    Ok(found.filter(|(token, _)| token.namespace.starts_with(&cx.namespace)))
}

fn invalid_accessor() -> Error {
    Error::invalid(multi("invalid accessor"))
}

/// Go's multi-error, in which these texts reach clients.
fn multi(text: &str) -> String {
    format!("1 error occurred:\n\t* {text}\n\n")
}

async fn lookup_accessor(system: Arc<System>, cx: Context, of: OfAccessor) -> Result<Reply> {
    let (token, _) = by_accessor(&system, &cx, &of.accessor).await?.ok_or_else(invalid_accessor)?;
    shown(&system, &token, "").await
}

async fn accessors(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    const PAGE: usize = 500;
    let active = system.active()?;
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = active.tokens.accessors(all.last().map(String::as_str), PAGE).await?;
        let size = page.len();
        all.extend(page);
        if size < PAGE {
            return Ok(Reply::data(json!({ "keys": all })));
        }
    }
}

async fn revoke(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    if given.token.is_empty() {
        return Err(Error::invalid("missing token ID"));
    }
    if let Some(found) = find(&system, &cx, &given.token).await? {
        end(&system, &found.token).await?;
    }
    Ok(Reply::empty())
}

async fn end(system: &System, token: &Token) -> Result<()> {
    if token.kind == Kind::Batch {
        return Err(Error::invalid("batch tokens cannot be revoked"));
    }
    system.active()?.revoke_token(&token.key).await
}

async fn revoke_self(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    end(&system, &*system.caller(&cx).await?).await?;
    Ok(Reply::empty())
}

async fn revoke_accessor(system: Arc<System>, cx: Context, of: OfAccessor) -> Result<Reply> {
    let Some((token, _)) = by_accessor(&system, &cx, &of.accessor).await? else {
        return Ok(Reply::empty().warn("No token found with this accessor"));
    };
    end(&system, &token).await?;
    Ok(Reply::empty())
}

async fn revoke_orphan(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    if given.token.is_empty() {
        return Err(Error::invalid("missing token ID"));
    }
    let found = find(&system, &cx, &given.token).await?;
    let found = found.ok_or_else(|| Error::invalid("token to revoke not found"))?;
    if found.token.kind == Kind::Batch {
        return Err(Error::invalid("batch tokens cannot be revoked"));
    }
    system.active()?.revoke_orphan(&found.token.key).await?;
    Ok(Reply::empty())
}
