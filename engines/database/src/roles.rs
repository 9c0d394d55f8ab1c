//! `roles/<name>`: how accounts are made.
use crate::Engine;
use crate::{credential, passwords};
use lessor_engine::{Context, Error, KeyValues, Params, Reply, Result, Seconds, StringList};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is kept of a role.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) db_name: String,
    pub(crate) default_ttl: u64,
    pub(crate) max_ttl: u64,
    pub(crate) creation_statements: Vec<String>,
    pub(crate) revocation_statements: Vec<String>,
    pub(crate) rollback_statements: Vec<String>,
    pub(crate) renew_statements: Vec<String>,
    pub(crate) credential_type: String,
    pub(crate) credential_config: credential::Options,
    /// SCRAM rounds of a verifier computed here; `None` leaves it to the server.
    pub(crate) scram_iterations: Option<u32>,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{name}")
}

impl Role {
    /// Policy of its passwords, where it has one of its own.
    pub(crate) fn password_policy(&self) -> Option<&str> {
        self.credential_config.get("password_policy").map(String::as_str).filter(|policy| !policy.is_empty())
    }
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// The database.
    db_name: Option<String>,
    /// TTL of leases; 0 for the mount's.
    default_ttl: Option<Seconds>,
    /// Upper bound of leases; 0 for the mount's.
    max_ttl: Option<Seconds>,
    /// Statements that make an account.
    creation_statements: Option<StringList>,
    /// Statements that delete it; none for the plugin's own.
    revocation_statements: Option<StringList>,
    /// Statements that undo a failed creation, where the platform has no transactions.
    rollback_statements: Option<StringList>,
    /// Statements that prolong it; none for the plugin's own.
    renew_statements: Option<StringList>,
    /// `password`, `rsa_private_key` or `client_certificate`, as far as the platform takes it.
    credential_type: Option<String>,
    /// Options of the type: `password_policy`; `key_bits`, `format`; `common_name_template`, `ca_cert` and others.
    credential_config: Option<KeyValues>,
    /// SCRAM rounds of password verifiers, computed here: fewer than the server's 4096 make issuing much faster. 0
    /// leaves it to the server. Refused for passwords with less than 112 bits.
    scram_iterations: Option<i64>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut data = json!({
        "db_name": role.db_name,
        "default_ttl": role.default_ttl,
        "max_ttl": role.max_ttl,
        "creation_statements": role.creation_statements,
        "revocation_statements": role.revocation_statements,
        "rollback_statements": role.rollback_statements,
        "renew_statements": role.renew_statements,
        "credential_type": role.credential_type,
    });
    if !role.credential_config.is_empty() {
        data["credential_config"] = credential::shown(&role.credential_config);
    }
    if let Some(iterations) = role.scram_iterations {
        data["scram_iterations"] = Value::from(iterations);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let stored: Option<Role> = cx.view.get(&key(&write.name)).await?;
    if stored.is_none() && cx.view.get::<Value>(&crate::static_roles::key(&write.name)).await?.is_some() {
        return Err(Error::invalid("Role and Static Role names must be unique"));
    }
    let mut role = stored.unwrap_or_default();
    if let Some(name) = write.db_name {
        role.db_name = name;
    }
    if role.db_name.is_empty() {
        return Err(Error::invalid("database name is required"));
    }
    for (new, place) in [(write.default_ttl, &mut role.default_ttl), (write.max_ttl, &mut role.max_ttl)] {
        if let Some(Seconds(seconds)) = new {
            *place = seconds;
        }
    }
    for (new, place) in [
        (write.creation_statements, &mut role.creation_statements),
        (write.revocation_statements, &mut role.revocation_statements),
        (write.rollback_statements, &mut role.rollback_statements),
        (write.renew_statements, &mut role.renew_statements),
    ] {
        if let Some(list) = new {
            *place = list.0.into_iter().filter(|statement| !statement.is_empty()).collect();
        }
    }
    role.credential_type = write.credential_type.unwrap_or(role.credential_type);
    if role.credential_type.is_empty() {
        role.credential_type = "password".to_owned();
    }
    let asked = write.credential_config.map(|config| config.0);
    role.credential_config = credential::merged(&role.credential_type, &role.credential_config, asked)?;
    match write.scram_iterations {
        Some(0) => role.scram_iterations = None,
        Some(asked) => {
            let iterations = u32::try_from(asked).ok().filter(|n| (1..=1_000_000).contains(n));
            let iterations = iterations.ok_or_else(|| {
                Error::invalid(format!(
                    "scram_iterations: {asked} is out of range: use 1 to 1000000, or 0 for the server's"
                ))
            })?;
            role.scram_iterations = Some(iterations);
        }
        None => {}
    }
    if role.scram_iterations.is_some() {
        let policy = match role.password_policy() {
            Some(policy) => policy.to_owned(),
            None => {
                let config: Option<crate::config::Config> = cx.view.get(&crate::config::key(&role.db_name)).await?;
                config.map(|config| config.password_policy).unwrap_or_default()
            }
        };
        passwords::check_strength(&cx, &policy).await?;
    }
    cx.view.put(&key(&write.name), &role).await?;
    Ok(Reply::empty())
}
