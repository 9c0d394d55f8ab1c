//! `sys/config/cors` and `sys/config/ui/headers`.
use super::System;
use crate::cors::Cors;
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, View};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("config/cors", "Which web pages may speak to the API.", |path| {
            path.sudo().read(read_cors).write(write_cors).delete(delete_cors)
        })
        .path("config/ui/headers", "Lists the headers that answers of the web UI carry.", |path| {
            path.sudo().list(list_headers)
        })
        .path("config/ui/headers/{header}", "A header that answers of the web UI carry.", |path| {
            path.sudo().read(read_header).write(write_header).delete(delete_header)
        })
}

async fn read_cors(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let storage = Arc::clone(&system.active()?.storage);
    Ok(Reply::data(match Cors::load(storage).await? {
        Some(cors) => json!({
            "enabled": true,
            "allowed_origins": cors.allowed_origins,
            "allowed_headers": cors.allowed_headers,
            "allow_credentials": cors.allow_credentials,
        }),
        None => json!({ "enabled": false }),
    }))
}

#[derive(Params)]
struct WriteCors {
    /// Origins as browsers name them, or `*` for all of them.
    allowed_origins: CommaList,
    /// Headers that pages may send beside the standard ones.
    allowed_headers: CommaList,
    /// Lets pages send cookies and certificates.
    allow_credentials: bool,
    /// Shown by reads.
    #[allow(dead_code, reason = "clients write back what they have read")]
    enabled: bool,
}

async fn write_cors(system: Arc<System>, _: Context, given: WriteCors) -> Result<Reply> {
    let cors = Cors::new(given.allowed_origins.0, given.allowed_headers.0, given.allow_credentials)?;
    cors.store(Arc::clone(&system.active()?.storage)).await?;
    Ok(Reply::empty())
}

async fn delete_cors(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Cors::remove(Arc::clone(&system.active()?.storage)).await?;
    Ok(Reply::empty())
}

fn headers(system: &System) -> Result<View> {
    Ok(View::new(Arc::clone(&system.active()?.storage), "core/config/ui/headers/"))
}

#[derive(Params)]
struct At {
    /// Name of the header.
    header: String,
    /// Shows every value, not only the first.
    multivalue: bool,
}

async fn list_headers(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(headers(&system)?.list("").await?))
}

async fn read_header(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    let values: Option<Vec<String>> = headers(&system)?.get(&at.header.to_ascii_lowercase()).await?;
    let Some(values) = values else { return Ok(Reply::missing()) };
    Ok(Reply::data(if at.multivalue { json!({ "values": values }) } else { json!({ "value": values.first() }) }))
}

#[derive(Params)]
struct WriteHeader {
    /// Name of the header.
    header: String,
    /// Its values.
    values: CommaList,
}

async fn write_header(system: Arc<System>, _: Context, given: WriteHeader) -> Result<Reply> {
    let name = given.header.to_ascii_lowercase();
    if name.starts_with("x-vault-") {
        return Err(Error::invalid("X-Vault headers cannot be set"));
    }
    if given.values.is_empty() {
        return Err(Error::invalid("'values' is missing: the values of the header"));
    }
    if given.values.iter().any(|value| value.chars().any(char::is_control)) {
        return Err(Error::invalid("'values': a header holds no control characters"));
    }
    headers(&system)?.put(&name, &given.values.0).await?;
    Ok(Reply::empty())
}

async fn delete_header(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    headers(&system)?.delete(&at.header.to_ascii_lowercase()).await?;
    Ok(Reply::empty())
}
