//! `config`: the cluster.
use crate::Kubernetes;
use lessor_engine::{CommaList, Context, Error, Params, Reply, Result, Secret, secret};
use lessor_platform_http::{Http, tls};
use lessor_signed_token::KeySet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What every pod finds of its own cluster.
const LOCAL_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const LOCAL_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What is stored under `config`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) host: String,
    /// In PEM; empty for the pod's own.
    ca_cert: String,
    #[serde(with = "secret::at_rest")]
    reviewer: Secret,
    pub(crate) pem_keys: Vec<String>,
    pub(crate) issuer: String,
    pub(crate) disable_iss_validation: bool,
    disable_local_ca_jwt: bool,
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Address of the cluster's API server.
    kubernetes_host: String,
    /// Who vouches for it, in PEM; empty for the authority that this server's pod was given.
    kubernetes_ca_cert: String,
    /// Token of an account that may review tokens; empty for that of this server's pod, else the token that logs in.
    #[param(secret)]
    token_reviewer_jwt: Secret,
    /// Public keys in PEM that tokens have to be signed with; empty leaves it to the cluster.
    pem_keys: CommaList,
    /// Older: the issuer of tokens.
    issuer: String,
    /// Older: does not look at the issuer.
    #[param(default = "true")]
    disable_iss_validation: bool,
    /// Uses nothing of this server's pod.
    disable_local_ca_jwt: bool,
    /// Copies annotations of the account to the alias; not offered by this version.
    use_annotations_as_alias_metadata: bool,
}

const KEY: &str = "config";

async fn local(path: &str) -> Option<String> {
    // Read for every login: they are replaced every hour, and memory files cost nothing.
    tokio::fs::read_to_string(path).await.ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Config {
    /// The configuration.
    ///
    /// # Errors
    /// `could not load backend configuration` when there is none.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        let config = cx.view.get(KEY).await?;
        let none = || Error::Refused { status: 500, message: "could not load backend configuration".to_owned() };
        config.ok_or_else(none)
    }
    /// A client that trusts the cluster.
    ///
    /// # Errors
    /// When there is no authority, or it cannot be read.
    pub(crate) async fn http(&self) -> Result<Http> {
        let ca = match self.ca_cert.as_str() {
            "" if self.disable_local_ca_jwt => None,
            "" => local(LOCAL_CA).await,
            own => Some(own.to_owned()),
        };
        let missing = || Error::Internal(format!("kubernetes_ca_cert is empty and {LOCAL_CA} cannot be read"));
        Http::new(&ca.ok_or_else(missing)?).map_err(|error| Error::Internal(format!("kubernetes_ca_cert: {error}")))
    }
    /// Who asks the cluster about `token`.
    pub(crate) async fn reviewer(&self, token: &Secret) -> Secret {
        if !self.reviewer.is_empty() {
            return self.reviewer.clone();
        }
        let local = if self.disable_local_ca_jwt { None } else { local(LOCAL_TOKEN).await };
        local.map_or_else(|| token.clone(), Secret::new)
    }
}

/// Every write replaces the whole.
pub(crate) async fn write(_: Arc<Kubernetes>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    if sent.kubernetes_host.is_empty() {
        return Err(Error::invalid("no host provided"));
    }
    let host = sent.kubernetes_host.trim_end_matches('/').to_owned();
    if !host.starts_with("https://") && !host.starts_with("http://") {
        let text = format!("kubernetes_host {host:?} is no address: use one like https://10.0.0.1:6443");
        return Err(Error::invalid(text));
    }
    if sent.kubernetes_ca_cert.is_empty() {
        if sent.disable_local_ca_jwt {
            return Err(Error::invalid("kubernetes_ca_cert must be given when disable_local_ca_jwt is true"));
        }
        if local(LOCAL_CA).await.is_none() {
            return Err(Error::invalid(format!("kubernetes_ca_cert is empty and {LOCAL_CA} cannot be read")));
        }
    } else {
        tls(&sent.kubernetes_ca_cert).map_err(|error| Error::invalid(format!("kubernetes_ca_cert: {error}")))?;
    }
    if KeySet::from_pem(&sent.pem_keys).is_none() {
        return Err(Error::invalid("data does not contain any valid public keys"));
    }
    if sent.use_annotations_as_alias_metadata {
        return Err(Error::invalid("use_annotations_as_alias_metadata is not offered"));
    }
    let config = Config {
        host,
        ca_cert: sent.kubernetes_ca_cert,
        reviewer: sent.token_reviewer_jwt,
        pem_keys: sent.pem_keys.0,
        issuer: sent.issuer,
        disable_iss_validation: sent.disable_iss_validation,
        disable_local_ca_jwt: sent.disable_local_ca_jwt,
    };
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Kubernetes>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "disable_iss_validation": config.disable_iss_validation,
        "disable_local_ca_jwt": config.disable_local_ca_jwt,
        "issuer": config.issuer,
        "kubernetes_ca_cert": config.ca_cert,
        "kubernetes_host": config.host,
        "pem_keys": config.pem_keys,
        "token_reviewer_jwt_set": !config.reviewer.is_empty(),
        "use_annotations_as_alias_metadata": false,
    })))
}
