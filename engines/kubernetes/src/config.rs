//! `config`: the cluster, and what a pod is given of its own
//! (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
use crate::Engine;
use crate::cluster::Cluster;
use crate::renewal::TOKEN;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Secret, secret};
use lessor_platform_http::tls;
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) const KEY: &str = "config";
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT_HTTPS";

/// What a pod is given of its own cluster.
#[derive(Clone)]
pub struct Surroundings {
    /// `KUBERNETES_SERVICE_HOST`; empty outside a pod.
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT_HTTPS`; empty outside a pod.
    pub port: String,
    /// Holds `ca.crt` and `token`, which the cluster replaces.
    pub files: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_pod() -> Self {
        let files = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self { host: variable(HOST), port: variable(PORT), files }
    }
    fn missing(&self) -> Vec<&'static str> {
        let of = |name, value: &str| value.is_empty().then_some(name);
        [of(HOST, &self.host), of(PORT, &self.port)].into_iter().flatten().collect()
    }
    fn address(&self) -> Option<String> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        self.missing().is_empty().then(|| format!("https://{host}:{}", self.port))
    }
    /// Read for every use: the cluster replaces them, and files in memory cost nothing.
    async fn file(&self, name: &str) -> Option<String> {
        let text = tokio::fs::read_to_string(self.files.join(name)).await.ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// What is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    host: String,
    ca_cert: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) jwt: Secret,
    disable_local_ca_jwt: bool,
    #[serde(default)]
    pub(crate) disable_jwt_renewal: bool,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Address of the API server; empty for that of this server's pod.
    kubernetes_host: Option<String>,
    /// Who vouches for it, in PEM; empty for the authority that this server's pod was given.
    kubernetes_ca_cert: Option<String>,
    /// Token of the account that acts; empty for that of this server's pod.
    #[param(secret)]
    service_account_jwt: Option<Secret>,
    /// Uses no file of this server's pod.
    disable_local_ca_jwt: Option<bool>,
    /// Lets a written token end; else another is asked for when two thirds of its time are over.
    disable_jwt_renewal: Option<bool>,
}

fn invalid(field: &str, why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{field}: {why}"))
}

/// Changes what is given.
pub(crate) async fn write(engine: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    let stored: Option<(Config, Version)> = cx.view.get_versioned(KEY).await?;
    let version = stored.as_ref().map(|(_, version)| *version);
    let mut config = stored.map(|(config, _)| config).unwrap_or_default();
    if let Some(host) = sent.kubernetes_host {
        host.trim_end_matches('/').clone_into(&mut config.host);
    }
    if let Some(ca_cert) = sent.kubernetes_ca_cert {
        config.ca_cert = ca_cert;
    }
    if let Some(jwt) = sent.service_account_jwt {
        config.jwt = jwt;
    }
    if let Some(disable) = sent.disable_local_ca_jwt {
        config.disable_local_ca_jwt = disable;
    }
    if let Some(disable) = sent.disable_jwt_renewal {
        config.disable_jwt_renewal = disable;
    }
    if config.host.is_empty() && engine.surroundings.address().is_none() {
        return Err(Error::invalid("kubernetes_host was unset and could not determine it from the environment"));
    }
    if !config.host.is_empty() && !config.host.starts_with("https://") && !config.host.starts_with("http://") {
        return Err(invalid(
            "kubernetes_host",
            format!("{:?} is no address: use one like https://10.0.0.1:6443", config.host),
        ));
    }
    if !config.ca_cert.is_empty() {
        tls(&config.ca_cert).map_err(|error| invalid("kubernetes_ca_cert", error))?;
    }
    cx.view.commit(Changes::new().expect(KEY, version).put(KEY, &config)?).await?;
    Ok(Reply::empty().reschedule(TOKEN))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let mut data = json!({
        "disable_local_ca_jwt": config.disable_local_ca_jwt,
        "kubernetes_ca_cert": config.ca_cert,
        "kubernetes_host": config.host,
    });
    if config.disable_jwt_renewal {
        data["disable_jwt_renewal"] = json!(true);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty().reschedule(TOKEN))
}

#[derive(Params)]
pub(crate) struct Check {
    /// Asks the configured cluster whether it takes the configured token, instead of looking for a pod's surroundings.
    live: bool,
}

pub(crate) async fn check(engine: Arc<Engine>, cx: Context, asked: Check) -> Result<Reply> {
    if asked.live {
        engine.cluster(&cx).await?.recognises().await?;
        return Ok(Reply::empty());
    }
    let missing = engine.surroundings.missing();
    if missing.is_empty() {
        return Ok(Reply::empty());
    }
    Err(Error::invalid(format!("Missing environment variables: {}", missing.join(", "))))
}

fn none() -> Error {
    Error::invalid("the cluster is not configured: write config first")
}

impl Engine {
    /// The cluster, with the authority and the token of this very moment.
    pub(crate) async fn cluster(&self, cx: &Context) -> Result<Cluster> {
        self.reach(cx.view.get(KEY).await?.ok_or_else(none)?).await
    }
    /// The cluster as this token is let in.
    pub(crate) async fn cluster_as(&self, cx: &Context, jwt: Secret) -> Result<Cluster> {
        self.reach(Config { jwt, ..cx.view.get(KEY).await?.ok_or_else(none)? }).await
    }
    async fn reach(&self, config: Config) -> Result<Cluster> {
        let local = !config.disable_local_ca_jwt;
        let host = if config.host.is_empty() { self.surroundings.address().ok_or_else(none)? } else { config.host };
        let ca_cert = match config.ca_cert.as_str() {
            "" if local && host.starts_with("https://") => self.surroundings.file("ca.crt").await.ok_or_else(|| {
                let why = "is empty and this server's pod was given none: give it, or set disable_local_ca_jwt";
                Error::Refused { status: 500, message: format!("kubernetes_ca_cert {why}") }
            })?,
            own => own.to_owned(),
        };
        let token = if config.jwt.is_empty() && local {
            self.surroundings.file("token").await.map(Secret::new).unwrap_or_default()
        } else {
            config.jwt
        };
        Ok(Cluster { api: self.connect.connect(host, &ca_cert, token)? })
    }
}

/// For answers that show nothing where nothing is set.
pub(crate) fn or_null<T: Serialize>(value: &T, empty: bool) -> Value {
    if empty { Value::Null } else { serde_json::to_value(value).unwrap_or_else(|_| Value::Object(Map::new())) }
}
