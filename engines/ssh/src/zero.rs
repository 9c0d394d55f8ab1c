//! `config/zeroaddress`: OTP roles that may be used with any address.
use crate::roles::{Role, key};
use crate::{ATTEMPTS, Ssh};
use lessor_engine::{Changes, CommaList, Context, Error, Params, Reply, Result};
use serde_json::json;
use std::sync::Arc;

const ZERO: &str = "config/zeroaddress";

#[derive(Params)]
pub(crate) struct Write {
    /// Names of the roles, separated by commas.
    roles: CommaList,
}

/// The roles that may be used with any address.
pub(crate) async fn roles(cx: &Context) -> Result<Vec<String>> {
    Ok(cx.view.get(ZERO).await?.unwrap_or_default())
}

pub(crate) async fn read(_: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    let roles: Option<Vec<String>> = cx.view.get(ZERO).await?;
    Ok(roles.map_or_else(Reply::missing, |roles| Reply::data(json!({ "roles": roles }))))
}

pub(crate) async fn write(_: Arc<Ssh>, cx: Context, asked: Write) -> Result<Reply> {
    if asked.roles.is_empty() {
        return Err(Error::invalid("Missing roles"));
    }
    for name in asked.roles.iter() {
        if cx.view.get::<Role>(&key(name)).await?.is_none() {
            return Err(Error::Invalid(format!("Role {name:?} does not exist")));
        }
    }
    cx.view.put(ZERO, &asked.roles.0).await?;
    Ok(Reply::empty())
}

pub(crate) async fn delete(_: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(ZERO).await?;
    Ok(Reply::empty())
}

/// Takes a role off the list, in one commit with `more`: a role of the same name that comes later gets no such right.
///
/// # Errors
/// When storage fails.
pub(crate) async fn forget(cx: &Context, role: &str, more: impl Fn(Changes) -> Result<Changes> + Send) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut changes = more(Changes::new())?;
        if let Some((mut roles, version)) = cx.view.get_versioned::<Vec<String>>(ZERO).await?
            && roles.iter().any(|known| known == role)
        {
            roles.retain(|known| known != role);
            changes = changes.expect(ZERO, Some(version)).put(ZERO, &roles)?;
        }
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done,
        }
    }
    Err(Error::Internal("too many requests change config/zeroaddress: try again".to_owned()))
}
