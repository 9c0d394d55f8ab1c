//! Requests in the manner of version 1: answered with a hint, so that people see what they did.
use super::params::At;
use super::store::Store;
use lessor_engine::{Context, Fields, Params, Reply, Result};
use std::sync::Arc;

/// Takes whatever is sent.
#[derive(Params)]
pub(super) struct Anything {
    #[param(rest)]
    _fields: Fields,
}

fn hint(command: &str) -> Reply {
    Reply::missing().warn(format!(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
         If using the Vault CLI, use 'vault kv {command}' for this operation."
    ))
}

pub(super) async fn read(_: Arc<Store>, _: Context, _: At) -> Result<Reply> {
    Ok(hint("get"))
}

pub(super) async fn write(_: Arc<Store>, _: Context, _: Anything) -> Result<Reply> {
    Ok(hint("put"))
}

pub(super) async fn delete(_: Arc<Store>, _: Context, _: At) -> Result<Reply> {
    Ok(hint("delete"))
}

pub(super) async fn list(_: Arc<Store>, _: Context, _: At) -> Result<Reply> {
    Ok(hint("list"))
}

pub(super) async fn patch(_: Arc<Store>, _: Context, _: Anything) -> Result<Reply> {
    Ok(hint("patch"))
}

/// `data` and `metadata` themselves are no secrets.
pub(super) async fn root(_: Arc<Store>, _: Context, _: Anything) -> Result<Reply> {
    Ok(Reply::missing().warn("Non-listing operations on the root of a K/V v2 mount are not supported."))
}
