//! `config`: the tenant, for whom its tokens are made, and as whom Azure is asked.
use crate::Azure;
use lessor_cloud_access::Surroundings;
use lessor_cloud_access::azure::{Application, Cloud, Proof};
use lessor_engine::{Context, Error, Params, Reply, Result, Seconds, Secret};
use lessor_platform_http::Patience;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use url::Url;

/// What is stored under `config`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) tenant_id: String,
    /// Audience of the tokens that are taken.
    pub(crate) resource: String,
    environment: String,
    pub(crate) client_id: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) client_secret: Secret,
    pub(crate) identity_token_audience: String,
    pub(crate) identity_token_ttl: Seconds,
    pub(crate) max_retries: i64,
    pub(crate) retry_delay: Seconds,
    pub(crate) max_retry_delay: Seconds,
    directory: String,
    manager: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tenant_id: String::new(),
            resource: String::new(),
            environment: String::new(),
            client_id: String::new(),
            client_secret: Secret::default(),
            identity_token_audience: String::new(),
            identity_token_ttl: Seconds(3600),
            max_retries: 3,
            retry_delay: Seconds(4),
            max_retry_delay: Seconds(60),
            directory: String::new(),
            manager: String::new(),
        }
    }
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// The tenant whose tokens are taken.
    tenant_id: Option<String>,
    /// Audience that tokens are made for, such as https://management.azure.com/.
    resource: Option<String>,
    /// AzurePublicCloud, the default, AzureUSGovernmentCloud or AzureChinaCloud.
    environment: Option<String>,
    /// The application that asks Azure; empty for what the surroundings of this server offer.
    client_id: Option<String>,
    /// Its secret.
    #[param(secret)]
    client_secret: Option<Secret>,
    /// Audience of this server's own tokens, where the application trusts those instead of a secret.
    identity_token_audience: Option<String>,
    /// How long such a token lasts.
    identity_token_ttl: Option<Seconds>,
    /// How often Azure is asked again after trouble of its own.
    max_retries: Option<i64>,
    /// Pause before the first time; each further one is twice as long.
    retry_delay: Option<Seconds>,
    /// Longest pause.
    max_retry_delay: Option<Seconds>,
    /// Address of Entra ID instead of the environment's, for an Azure of one's own.
    active_directory_endpoint: Option<String>,
    /// Address of the Resource Manager instead of the environment's, for an Azure of one's own.
    resource_manager_endpoint: Option<String>,
}

const KEY: &str = "config";

impl Config {
    /// # Errors
    /// When there is none.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        let config: Option<Self> = cx.view.get(KEY).await?;
        let config = config.ok_or_else(|| Error::invalid("azure backend not configured"))?;
        Ok(config.filled(&Surroundings::default()))
    }
    /// With what the file leaves out, from the variables of Azure's own libraries.
    fn filled(mut self, own: &Surroundings) -> Self {
        for (place, name) in [
            (&mut self.tenant_id, "AZURE_TENANT_ID"),
            (&mut self.resource, "AZURE_AD_RESOURCE"),
            (&mut self.environment, "AZURE_ENVIRONMENT"),
        ] {
            if place.is_empty() {
                *place = own.get(name).unwrap_or_default();
            }
        }
        self
    }
    fn cloud(&self) -> Cloud {
        // Checked when it was written; the variable may have changed since.
        Cloud::find(&self.environment).unwrap_or_default()
    }
    /// Address of Entra ID.
    pub(crate) fn directory(&self) -> &str {
        if self.directory.is_empty() { self.cloud().directory } else { self.directory.trim_end_matches('/') }
    }
    /// Address of the Resource Manager.
    pub(crate) fn manager(&self) -> &str {
        if self.manager.is_empty() { self.cloud().manager } else { self.manager.trim_end_matches('/') }
    }
    /// As whom the Resource Manager is asked.
    pub(crate) async fn application(&self, cx: &Context) -> Result<Application> {
        let proof = if !self.identity_token_audience.is_empty() {
            let text = cx.identity.mint(&self.identity_token_audience, self.identity_token_ttl.duration()).await?;
            Proof::Statement { by: self.identity_token_audience.clone(), text }
        } else if self.client_secret.is_empty() {
            Proof::Surroundings
        } else {
            Proof::Secret(self.client_secret.clone())
        };
        Ok(Application {
            directory: self.directory().to_owned(),
            tenant: self.tenant_id.clone(),
            client: self.client_id.clone(),
            proof,
            resource: format!("{}/", self.manager()),
        })
    }
    /// How often Azure is asked again.
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            retries: u32::try_from(self.max_retries).unwrap_or_default(),
            delay: self.retry_delay.duration(),
            longest: self.max_retry_delay.duration(),
        }
    }
    fn check(&self) -> Result<()> {
        if self.tenant_id.is_empty() || self.resource.is_empty() {
            return Err(Error::invalid("tenant_id and resource are required"));
        }
        // It becomes part of an address.
        if !self.tenant_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
            return Err(Error::invalid("tenant_id is neither an id nor a domain"));
        }
        if Cloud::find(&self.environment).is_none() {
            let text = format!("environment {:?} is unknown: use {}", self.environment, Cloud::names());
            return Err(Error::invalid(text));
        }
        if !self.client_secret.is_empty() && !self.identity_token_audience.is_empty() {
            return Err(Error::invalid("only one of client_secret and identity_token_audience can be set"));
        }
        if !self.identity_token_audience.is_empty() && self.client_id.is_empty() {
            return Err(Error::invalid("identity_token_audience needs client_id"));
        }
        if self.max_retries < 0 || self.max_retries > 20 {
            return Err(Error::invalid("max_retries must be from 0 to 20"));
        }
        if self.retry_delay > self.max_retry_delay {
            return Err(Error::invalid("retry_delay cannot be greater than max_retry_delay"));
        }
        for (name, text) in
            [("active_directory_endpoint", &self.directory), ("resource_manager_endpoint", &self.manager)]
        {
            let fits = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
            if !text.is_empty() && !Url::parse(text).is_ok_and(fits) {
                return Err(Error::invalid(format!("{name} is no http:// or https:// address")));
            }
        }
        Ok(())
    }
}

pub(crate) async fn write(_: Arc<Azure>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    let old: Config = cx.view.get(KEY).await?.unwrap_or_default();
    let config = Config {
        tenant_id: sent.tenant_id.unwrap_or(old.tenant_id),
        resource: sent.resource.unwrap_or(old.resource),
        environment: sent.environment.unwrap_or(old.environment),
        client_id: sent.client_id.unwrap_or(old.client_id),
        client_secret: sent.client_secret.unwrap_or(old.client_secret),
        identity_token_audience: sent.identity_token_audience.unwrap_or(old.identity_token_audience),
        identity_token_ttl: sent.identity_token_ttl.unwrap_or(old.identity_token_ttl),
        max_retries: sent.max_retries.unwrap_or(old.max_retries),
        retry_delay: sent.retry_delay.unwrap_or(old.retry_delay),
        max_retry_delay: sent.max_retry_delay.unwrap_or(old.max_retry_delay),
        directory: sent.active_directory_endpoint.unwrap_or(old.directory),
        manager: sent.resource_manager_endpoint.unwrap_or(old.manager),
    };
    config.clone().filled(&Surroundings::default()).check()?;
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Azure>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "tenant_id": config.tenant_id,
        "resource": config.resource,
        "environment": config.environment,
        "client_id": config.client_id,
        "identity_token_audience": config.identity_token_audience,
        "identity_token_ttl": config.identity_token_ttl,
        "max_retries": config.max_retries,
        "retry_delay": config.retry_delay,
        "max_retry_delay": config.max_retry_delay,
        "active_directory_endpoint": config.directory,
        "resource_manager_endpoint": config.manager,
    })))
}

pub(crate) async fn delete(_: Arc<Azure>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty())
}
