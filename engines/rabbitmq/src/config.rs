//! `config/connection`: the broker's management API, and how users are named.
use crate::Engine;
use crate::creds::parse_template;
use lessor_engine::{Context, Error, Params, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(crate) const KEY: &str = "config/connection";
/// What root rotations are of.
pub(crate) const ROOT: &str = "root";

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) connection_uri: String,
    pub(crate) username: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) password: Secret,
    pub(crate) password_policy: String,
    pub(crate) username_template: String,
    pub(crate) ca_cert: String,
    pub(crate) client_cert: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) client_key: Secret,
}

impl Config {
    /// # Errors
    /// 400 when the mount is not configured.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        let found: Option<Self> = cx.view.get(KEY).await?;
        found.ok_or_else(|| Error::invalid(format!("the broker is not configured: write {}{KEY}", cx.mount.path)))
    }
}

#[derive(Params)]
pub(crate) struct Write {
    /// Address of the management API, with scheme and port: `https://mq.example.com:15671`.
    connection_uri: String,
    /// A user with the tag `administrator`.
    username: String,
    /// Its password.
    #[param(secret)]
    password: Secret,
    /// Asks the broker before anything is stored.
    #[param(default = "true")]
    verify_connection: bool,
    /// Name of the policy that passwords are made by.
    password_policy: String,
    /// Names of users.
    username_template: String,
    /// Certificates (PEM) of the authorities to trust, instead of the operating system's.
    ca_cert: String,
    /// Certificate (PEM) that Lessor shows to the broker.
    client_cert: String,
    /// Key (PEM) of `client_cert`.
    #[param(secret)]
    client_key: Secret,
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let missing = [
        ("connection_uri", write.connection_uri.is_empty()),
        ("username", write.username.is_empty()),
        ("password", write.password.is_empty()),
    ];
    if let Some((name, _)) = missing.iter().find(|(_, missing)| *missing) {
        return Err(Error::invalid(format!("missing {name}")));
    }
    if !write.username_template.is_empty() {
        parse_template(&write.username_template)?;
    }
    if write.client_cert.is_empty() != write.client_key.is_empty() {
        return Err(Error::invalid("client_cert and client_key must be given together"));
    }
    let config = Config {
        connection_uri: write.connection_uri,
        username: write.username,
        password: write.password,
        password_policy: write.password_policy,
        username_template: write.username_template,
        ca_cert: write.ca_cert,
        client_cert: write.client_cert,
        client_key: write.client_key,
    };
    let broker = engine.brokers.open(&config, &config.connection_uri)?;
    if write.verify_connection {
        let asked = broker.users().await;
        asked.map_err(|error| Error::invalid(format!("failed to validate the connection: {error}")))?;
    }
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let found: Option<Config> = cx.view.get(KEY).await?;
    Ok(found.map_or_else(Reply::missing, |config| {
        Reply::data(json!({
            "connection_uri": config.connection_uri,
            "username": config.username,
            "password_policy": config.password_policy,
            "username_template": config.username_template,
            "ca_cert": config.ca_cert,
            "client_cert": config.client_cert,
        }))
    }))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty())
}

pub(crate) async fn rotate(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Config::load(&cx).await?;
    Ok(Reply::rotate(ROOT))
}
