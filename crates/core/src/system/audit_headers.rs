//! `sys/config/auditing/request-headers`.
use super::System;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("config/auditing/request-headers", "Lists the request headers that audit shows.", |path| {
            path.read(list).sudo()
        })
        .path("config/auditing/request-headers/{header}", "Shows a request header in audit, or no more.", |path| {
            path.read(read).write(write).delete(delete).sudo()
        })
}

async fn list(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let all = system.active()?.audit.headers.all();
    let shown: Map<String, Value> = all.iter().map(|(name, hmac)| (name.clone(), json!({ "hmac": hmac }))).collect();
    Ok(Reply::data(json!({ "headers": shown })))
}

#[derive(Params)]
struct Of {
    /// Name of the header.
    header: String,
}

async fn read(system: Arc<System>, _: Context, of: Of) -> Result<Reply> {
    let all = system.active()?.audit.headers.all();
    let hmac = all.get(&of.header.to_lowercase());
    let hmac = hmac.ok_or_else(|| Error::invalid("Could not find header in config"))?;
    Ok(Reply::data(json!({ of.header: { "hmac": hmac } })))
}

#[derive(Params)]
struct Write {
    /// Name of the header.
    header: String,
    /// Shows a hash of its values instead of the values.
    hmac: bool,
}

async fn write(system: Arc<System>, _: Context, write: Write) -> Result<Reply> {
    system.active()?.audit.headers.set(&write.header, Some(write.hmac)).await?;
    Ok(Reply::empty())
}

async fn delete(system: Arc<System>, _: Context, of: Of) -> Result<Reply> {
    system.active()?.audit.headers.set(&of.header, None).await?;
    Ok(Reply::empty())
}
