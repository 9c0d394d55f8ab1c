//! `cubbyhole/`: secrets that belong to one token.
use super::System;
use crate::cubbyhole;
use crate::token::Kind;
use lessor_engine::{Context, Error, Fields, Outcome, Params, Paths, Reply, Result, View};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("{path*}", "Keeps secrets that end with the caller's token.", |path| {
        path.read(read).write(write).delete(delete).list(list).exists(exists)
    })
}

#[derive(Params)]
struct At {
    /// Where in the cubbyhole.
    path: String,
}

async fn own(system: &System, cx: &Context) -> Result<View> {
    let token = system.caller(cx).await?;
    if token.kind == Kind::Batch {
        return Err(Error::invalid("cubbyhole operations are only supported by 'service' type tokens"));
    }
    Ok(cubbyhole::of(&system.active()?.storage, &token.key))
}

async fn exists(system: Arc<System>, cx: Context, at: At) -> Result<bool> {
    Ok(own(&system, &cx).await?.get::<Fields>(&at.path).await?.is_some())
}

async fn read(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    let found: Option<Fields> = own(&system, &cx).await?.get(&at.path).await?;
    Ok(found.map_or_else(Reply::missing, |fields| Outcome::Data(fields).into()))
}

#[derive(Params)]
struct Write {
    /// Where in the cubbyhole.
    path: String,
    #[param(rest)]
    data: Fields,
}

async fn write(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    if write.data.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    if write.path.is_empty() {
        return Err(Error::invalid("missing path"));
    }
    own(&system, &cx).await?.put(&write.path, &Value::Object(write.data)).await?;
    Ok(Reply::empty())
}

async fn delete(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    own(&system, &cx).await?.delete(&at.path).await?;
    Ok(Reply::empty())
}

async fn list(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    Ok(Reply::list(own(&system, &cx).await?.list(&at.path).await?))
}
