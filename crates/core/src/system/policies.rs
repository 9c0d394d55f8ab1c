//! `sys/policies/password` and `sys/capabilities-self`.
use super::System;
use crate::password_policies::StoredPolicies;
use crate::policy;
use lessor_engine::{CommaList, Context, Error, Params, PasswordPolicies, Paths, Reply, Result};
use serde_json::{Map, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("policies/password", "Lists the password policies.", |path| path.list(list))
        .path("policies/password/{name}", "Writes, reads and deletes a password policy.", |path| {
            path.read(read).write(write).delete(delete)
        })
        .path("policies/password/{name}/generate", "Makes a password.", |path| path.read(generate))
        .path("capabilities-self", "Shows what the caller may do.", |path| path.write(capabilities))
}

fn policies(system: &System, cx: &Context) -> Result<StoredPolicies> {
    Ok(StoredPolicies::new(Arc::clone(&system.active()?.storage), &cx.namespace))
}

async fn list(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(policies(&system, &cx)?.list().await?))
}

#[derive(Params)]
struct Of {
    /// Name of the policy.
    name: String,
}

fn unknown() -> Error {
    Error::NotFound("policy does not exist".to_owned())
}

async fn read(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    let text = policies(&system, &cx)?.read(&of.name).await?.ok_or_else(unknown)?;
    Ok(Reply::data(json!({ "policy": text })))
}

async fn delete(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    policies(&system, &cx)?.delete(&of.name).await?;
    Ok(Reply::empty())
}

async fn generate(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    let policies = policies(&system, &cx)?;
    policies.read(&of.name).await?.ok_or_else(unknown)?;
    Ok(Reply::data(json!({ "password": policies.generate(&of.name).await?.expose() })))
}

#[derive(Params)]
struct Write {
    /// Name of the policy.
    name: String,
    /// Length and rules, in HCL or JSON.
    policy: String,
}

async fn write(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    if write.policy.is_empty() {
        return Err(Error::invalid("missing policy"));
    }
    policies(&system, &cx)?.write(&write.name, &write.policy).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Capabilities {
    /// Paths to tell about.
    paths: CommaList,
    /// Legacy name of `paths`.
    path: CommaList,
    /// Ignored: the caller's own token counts.
    #[param(secret)]
    token: String,
}

async fn capabilities(system: Arc<System>, cx: Context, asked: Capabilities) -> Result<Reply> {
    drop(asked.token);
    let paths = if asked.paths.is_empty() { asked.path } else { asked.paths };
    if paths.is_empty() {
        return Err(Error::invalid("paths must be supplied"));
    }
    let token = system.caller(&cx).await?;
    let mut data = Map::new();
    for path in paths.iter() {
        let granted = json!(policy::capabilities(&token, path));
        if paths.len() == 1 {
            data.insert("capabilities".to_owned(), granted.clone());
        }
        data.insert(path.clone(), granted);
    }
    Ok(Reply::data(data.into()))
}
