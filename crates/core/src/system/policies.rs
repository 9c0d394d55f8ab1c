//! `sys/policies/password`.
use super::System;
use crate::password_policies::StoredPolicies;
use lessor_engine::{Context, Error, Params, PasswordPolicies, Paths, Reply, Result};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("policies/password", "Lists the password policies.", |path| path.list(list))
        .path("policies/password/{name}", "Writes, reads and deletes a password policy.", |path| {
            path.read(read).write(write).delete(delete)
        })
        .path("policies/password/{name}/generate", "Makes a password.", |path| path.read(generate))
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
