//! `sys/wrapping/*`.
use super::System;
use crate::pipeline::token_text;
use crate::wrapping::Wrap;
use lessor_engine::{Context, Error, Fields, Outcome, Params, Paths, Reply, Result, Secret};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("wrapping/wrap", "Wraps whatever is sent.", |path| path.read(wrap).write(wrap))
        .path("wrapping/lookup", "Tells what a wrapping token is for.", |path| path.read(lookup).write(lookup).open())
        .path("wrapping/unwrap", "Gives a wrapped answer, once.", |path| path.write(unwrap))
        .path("wrapping/rewrap", "Moves a wrapped answer to a fresh token.", |path| path.write(rewrap))
        .path("wrapping/pubkey", "The key that signed wrapping tokens are checked with.", |path| {
            path.read(pubkey).open()
        })
}

#[derive(Params)]
struct Echo {
    #[param(rest)]
    data: Fields,
}

async fn wrap(_: Arc<System>, cx: Context, echo: Echo) -> Result<Reply> {
    if cx.caller.wrap_ttl.is_none() {
        return Err(Error::invalid("endpoint requires response wrapping to be used"));
    }
    Ok(Outcome::Data(echo.data).into())
}

#[derive(Params)]
struct Given {
    /// The wrapping token; the caller's own where it is left out.
    #[param(secret)]
    token: Secret,
}

async fn lookup(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    let text = token_text(&given.token, &cx.caller);
    if text.is_empty() {
        return Err(Error::invalid("missing \"token\" value in input"));
    }
    let info = system.active()?.wrapping_info(&text).await?;
    Ok(Reply::data(json!({
        "creation_path": info.creation_path,
        "creation_time": info.creation_time,
        "creation_ttl": info.creation_ttl,
    })))
}

/// The wrapped answer: of the token in the body, or of the caller itself, whose one use is counted already.
async fn take(system: &System, cx: &Context, given: &Given) -> Result<Value> {
    let active = system.active()?;
    let own = given.token.is_empty() || given.token == cx.caller.token;
    if !own {
        return active.unwrap(&given.token).await;
    }
    let token = system.caller(cx).await?;
    if !token.is_wrapping() {
        return Err(Error::invalid("wrapping token is not valid or does not exist"));
    }
    active.take_wrapped(&token).await
}

async fn unwrap(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    Ok(Reply::bare(200, take(&system, &cx, &given).await?))
}

async fn rewrap(system: Arc<System>, cx: Context, given: Given) -> Result<Reply> {
    let active = system.active()?;
    let info = active.wrapping_info(&given.token).await?;
    let body = active.unwrap(&given.token).await?;
    let wrap = Wrap {
        body: &body,
        ttl: Duration::from_secs(info.creation_ttl),
        path: &info.creation_path,
        namespace: &cx.namespace,
        accessor: None,
        signed: cx.caller.wrap_signed,
    };
    let answer = active.wrap(wrap).await?;
    Ok(Reply::bare(200, answer.body.into_value()))
}

async fn pubkey(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(system.active()?.wrapping_public_key().await?))
}
