//! Roles: which claims a token has, and which key signs it.
use super::{CONFIG, Config, ISSUER_WARNING, check_issuer, random_text, template};
use crate::identity::paths::{Endpoints, given};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("oidc/config", "Reads and writes the issuer.", |path| path.read(read_config).write(write_config))
        .path("oidc/role", "Lists the roles.", |path| path.list(list))
        .path("oidc/role/{name}", "Writes, reads and deletes a role.", |path| {
            path.read(read).write(write).delete(delete).exists(exists)
        })
}

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Role {
    pub key: String,
    pub template: String,
    /// Seconds.
    pub ttl: u64,
    pub client_id: String,
}

pub(super) fn key(name: &str) -> String {
    format!("oidc/role/{name}")
}

#[derive(Params)]
struct IssuerParams {
    /// Scheme, host and port that tokens name as their issuer; empty for the server's own address.
    issuer: String,
}

async fn read_config(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let config = at.open()?.begin(&cx.namespace).get::<Config>(CONFIG).await?.unwrap_or_default();
    Ok(Reply::data(json!({ "issuer": config.issuer })))
}

async fn write_config(at: Arc<Endpoints>, cx: Context, write: IssuerParams) -> Result<Reply> {
    if !write.issuer.is_empty() {
        check_issuer(&write.issuer)?;
    }
    let set = !write.issuer.is_empty();
    let mut tx = at.open()?.begin(&cx.namespace);
    tx.put(CONFIG, &Config { issuer: write.issuer })?;
    tx.commit(&mut 0).await?;
    Ok(if set { Reply::empty().warn(ISSUER_WARNING) } else { Reply::empty() })
}

#[derive(Params)]
struct Named {
    /// Name of the role.
    name: String,
}

#[derive(Params)]
struct Write {
    /// Name of the role.
    name: String,
    /// Name of the key that signs.
    key: Option<String>,
    /// Claims as a JSON object with `{{identity…}}` directives, or that in base64.
    template: Option<String>,
    /// How long a token is good; at most the key's verification TTL.
    ttl: Option<Seconds>,
    /// The audience; a random one where it is left out.
    client_id: Option<String>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let stored = tx.get::<Role>(&key(&write.name)).await?;
    let mut role = stored.unwrap_or_else(|| Role {
        key: String::new(),
        template: String::new(),
        ttl: 86_400,
        client_id: random_text(26),
    });
    if let Some(name) = given(write.key) {
        role.key = name;
    }
    if role.key.is_empty() {
        return Err(Error::invalid("the key parameter is required"));
    }
    if let Some(text) = write.template {
        role.template = template::decode(&text);
        template::check(&role.template)?;
    }
    if let Some(Seconds(seconds)) = write.ttl {
        role.ttl = seconds;
    }
    if let Some(id) = given(write.client_id) {
        role.client_id = id;
    }
    let unknown = || Error::invalid(format!("cannot find key {:?}", role.key));
    let signing = tx.oidc_key(&role.key).await?.ok_or_else(unknown)?;
    if role.ttl > signing.verification_ttl {
        return Err(Error::invalid(
            "a role's token ttl cannot be longer than the verification_ttl of the key it references",
        ));
    }
    tx.put(key(&write.name), &role)?;
    if !tx.commit(&mut 0).await? {
        return Err(Error::invalid("the role or its key was changed at the same time: try again"));
    }
    open.usable_key(&cx.namespace, &role.key).await?;
    Ok(Reply::empty())
}

async fn exists(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<bool> {
    Ok(at.open()?.begin(&cx.namespace).get::<Role>(&key(&named.name)).await?.is_some())
}

async fn read(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let found = at.open()?.begin(&cx.namespace).get::<Role>(&key(&named.name)).await?;
    let Some(role) = found else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "client_id": role.client_id, "key": role.key, "template": role.template, "ttl": role.ttl,
    })))
}

async fn list(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(at.open()?.begin(&cx.namespace).names("oidc/role/").await?))
}

async fn delete(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let mut tx = at.open()?.begin(&cx.namespace);
    tx.delete(key(&named.name));
    tx.commit(&mut 0).await?;
    Ok(Reply::empty())
}
