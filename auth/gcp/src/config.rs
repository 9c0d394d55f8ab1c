//! `config`: as whom Google is asked, where, and what names aliases.
use crate::Gcp;
use crate::names::{AliasName, GCE, IAM, Kept};
use lessor_cloud_access::google::{Federation, Identity, ServiceKey};
use lessor_engine::{CommaList, Context, Error, KeyValues, Params, Reply, Result, Seconds, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// What is stored under `config`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// `None`: a statement of this server's own, or its Application Default Credentials.
    credentials: Option<ServiceKey>,
    identity_token_audience: String,
    identity_token_ttl: Seconds,
    /// Whom a statement stands for.
    service_account_email: String,
    pub(crate) iam_alias: AliasName,
    pub(crate) gce_alias: AliasName,
    pub(crate) iam_metadata: Kept,
    pub(crate) gce_metadata: Kept,
    endpoints: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: None,
            identity_token_audience: String::new(),
            identity_token_ttl: Seconds(3600),
            service_account_email: String::new(),
            iam_alias: AliasName::default(),
            gce_alias: AliasName::default(),
            iam_metadata: Kept::default(),
            gce_metadata: Kept::default(),
            endpoints: BTreeMap::new(),
        }
    }
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Key of the service account that asks Google, as its JSON file; empty for this server's Application Default Credentials.
    #[param(secret)]
    credentials: Option<Secret>,
    /// Provider of a workload identity pool that trusts this server's own tokens, in place of a key.
    identity_token_audience: Option<String>,
    /// How long such a token lasts.
    identity_token_ttl: Option<Seconds>,
    /// The account that whoever shows such a token may act as.
    service_account_email: Option<String>,
    /// What names the alias of a service account: role_id, the default, or unique_id.
    iam_alias: Option<String>,
    /// What is kept with the alias of a service account.
    iam_metadata: Option<CommaList>,
    /// What names the alias of an instance: role_id, the default, or instance_id.
    gce_alias: Option<String>,
    /// What is kept with the alias of an instance.
    gce_metadata: Option<CommaList>,
    /// Addresses instead of Google's own: api, iam, crm, compute, sts, iamcredentials.
    custom_endpoint: Option<KeyValues>,
}

const KEY: &str = "config";

/// Google's services, and where they are (<https://developers.google.com/discovery>).
const SERVICES: [(&str, &str); 6] = [
    ("api", "https://www.googleapis.com"),
    ("iam", "https://iam.googleapis.com"),
    ("crm", "https://cloudresourcemanager.googleapis.com"),
    ("compute", "https://compute.googleapis.com"),
    ("sts", "https://sts.googleapis.com"),
    ("iamcredentials", "https://iamcredentials.googleapis.com"),
];

/// With `https://` where no scheme is named.
fn address(service: &str, text: &str) -> Result<String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let plain = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/";
    let wrong =
        || Error::invalid(format!("custom_endpoint {service}: {text:?} is no address: use [scheme://]host[:port]"));
    Url::parse(&full).ok().filter(plain).ok_or_else(wrong)?;
    Ok(full.trim_end_matches('/').to_owned())
}

/// The key of a service account; `None` for an empty text. Google's other kinds of credentials are not taken here: they may
/// name files of this server and addresses to send them to, which is for its own operator to say.
fn key(text: &Secret) -> Result<Option<ServiceKey>> {
    if text.is_empty() {
        return Ok(None);
    }
    ServiceKey::parse(text).map(Some).map_err(|error| Error::invalid(error.to_string()))
}

impl Config {
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        Ok(cx.view.get(KEY).await?.unwrap_or_default())
    }
    /// The address of one of [`SERVICES`] with these segments behind it, each of them escaped.
    pub(crate) fn url(&self, service: &str, segments: &[&str]) -> Result<Url> {
        let own = SERVICES.iter().find(|(name, _)| *name == service).map_or("", |(_, url)| url);
        let base = self.endpoints.get(service).map_or(own, String::as_str);
        let broken = || Error::Internal(format!("the address of {service} cannot be used"));
        let mut url = Url::parse(base).map_err(|_| broken())?;
        url.path_segments_mut().map_err(|()| broken())?.clear().extend(segments);
        Ok(url)
    }
    /// As whom Google is asked.
    pub(crate) async fn identity(&self, cx: &Context) -> Result<Identity> {
        if let Some(key) = &self.credentials {
            return Ok(Identity::Key(key.clone()));
        }
        if self.identity_token_audience.is_empty() {
            return Ok(Identity::Surroundings);
        }
        let ttl = self.identity_token_ttl.duration();
        let statement = cx.identity.mint(&self.identity_token_audience, ttl).await?;
        // The last segment is a name and a verb behind a colon, which is no character to escape.
        let verb = format!("{}:generateAccessToken", self.service_account_email);
        Ok(Identity::Federated(Federation {
            audience: self.identity_token_audience.clone(),
            statement,
            token_url: self.url("sts", &["v1", "token"])?.into(),
            account_url: self.url("iamcredentials", &["v1", "projects", "-", "serviceAccounts", &verb])?.into(),
        }))
    }
    fn check_identity(&self) -> Result<()> {
        if self.identity_token_audience.is_empty() {
            return Ok(());
        }
        if self.credentials.is_some() {
            return Err(Error::invalid("only one of credentials and identity_token_audience can be set"));
        }
        if self.service_account_email.is_empty() {
            return Err(Error::invalid("identity_token_audience needs service_account_email"));
        }
        Ok(())
    }
    fn apply(&mut self, sent: ConfigParams) -> Result<()> {
        if let Some(text) = sent.credentials {
            self.credentials = key(&text)?;
        }
        for (place, text) in [
            (&mut self.identity_token_audience, sent.identity_token_audience),
            (&mut self.service_account_email, sent.service_account_email),
        ] {
            *place = text.unwrap_or(std::mem::take(place));
        }
        self.identity_token_ttl = sent.identity_token_ttl.unwrap_or(self.identity_token_ttl);
        self.check_identity()?;
        if let Some(word) = sent.iam_alias {
            self.iam_alias = AliasName::parse("iam_alias", AliasName::Account, &word)?;
        }
        if let Some(word) = sent.gce_alias {
            self.gce_alias = AliasName::parse("gce_alias", AliasName::Instance, &word)?;
        }
        if let Some(names) = sent.iam_metadata {
            self.iam_metadata = Kept::parse("iam_metadata", IAM, &names)?;
        }
        if let Some(names) = sent.gce_metadata {
            self.gce_metadata = Kept::parse("gce_metadata", GCE, &names)?;
        }
        let Some(endpoints) = sent.custom_endpoint else { return Ok(()) };
        self.endpoints.clear();
        for (service, text) in &endpoints.0 {
            if !SERVICES.iter().any(|(name, _)| name == service) {
                return Err(Error::invalid(format!(
                    "custom_endpoint {service:?}: use {}",
                    SERVICES.map(|one| one.0).join(", ")
                )));
            }
            self.endpoints.insert(service.clone(), address(service, text)?);
        }
        Ok(())
    }
}

pub(crate) async fn write(_: Arc<Gcp>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    let mut config = Config::load(&cx).await?;
    config.apply(sent)?;
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Gcp>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let credentials = config.credentials.unwrap_or_default();
    Ok(Reply::data(json!({
        "client_email": credentials.client_email,
        "client_id": credentials.client_id,
        "private_key_id": credentials.private_key_id,
        "project_id": credentials.project_id,
        "identity_token_audience": config.identity_token_audience,
        "identity_token_ttl": config.identity_token_ttl,
        "service_account_email": config.service_account_email,
        "iam_alias": config.iam_alias.word(),
        "iam_metadata": config.iam_metadata.show(IAM),
        "gce_alias": config.gce_alias.word(),
        "gce_metadata": config.gce_metadata.show(GCE),
        "custom_endpoint": config.endpoints,
    })))
}
