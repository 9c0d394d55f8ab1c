//! `config`: the organisation.
use crate::Github;
use crate::api::Api;
use lessor_engine::{
    CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, Secret, TokenParams, TokenRole,
};
use lessor_platform_http::Http;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

const PUBLIC: &str = "https://api.github.com";

/// What is stored under `config`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) organization: String,
    /// Never used again for another organisation, unlike its name.
    pub(crate) organization_id: i64,
    /// Empty for github.com.
    base_url: String,
    pub(crate) token: TokenRole,
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Name of the organisation whose members are let in.
    organization: Option<String>,
    /// Its id; without it GitHub is asked once.
    organization_id: Option<i64>,
    /// Address of the API of a GitHub of one's own, such as https://github.example.com/api/v3/.
    base_url: Option<String>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    #[param(flatten)]
    token: TokenParams,
}

const KEY: &str = "config";

impl Config {
    /// The configuration.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        let config = cx.view.get(KEY).await?;
        config.ok_or_else(|| Error::invalid("configuration has not been set"))
    }
    /// GitHub, asked with this token.
    pub(crate) fn api<'a>(&'a self, token: &'a Secret) -> Result<Api<'a>> {
        let base = if self.base_url.is_empty() { PUBLIC } else { self.base_url.trim_end_matches('/') };
        let http = Http::new("").map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Api { http, base, token })
    }
    async fn check(&mut self) -> Result<()> {
        if self.organization.is_empty() {
            return Err(Error::invalid("organization is a required parameter"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !self.organization.bytes().all(plain) {
            return Err(Error::invalid("organization is the name in its address: letters, digits and hyphens"));
        }
        let base = &self.base_url;
        if !base.is_empty() && !base.starts_with("https://") && !base.starts_with("http://") {
            return Err(Error::invalid(format!("base_url {base:?} is no https:// address")));
        }
        if self.organization_id == 0 {
            let found = self.api(&Secret::default())?.organization(&self.organization).await;
            let failed = |error| {
                Error::invalid(format!(
                    "unable to fetch the organization_id, you must manually set it in the config: {error}"
                ))
            };
            self.organization_id = found.map_err(failed)?.id;
        }
        Ok(())
    }
}

pub(crate) async fn write(_: Arc<Github>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    let mut config: Config = cx.view.get(KEY).await?.unwrap_or_default();
    if let Some(name) = sent.organization {
        // Another organisation has another id.
        if name != config.organization {
            config.organization_id = 0;
        }
        config.organization = name;
    }
    if let Some(id) = sent.organization_id {
        config.organization_id = id;
    }
    if let Some(url) = sent.base_url {
        config.base_url = url;
    }
    let old = OldNames { ttl: sent.ttl, max_ttl: sent.max_ttl, policies: sent.policies, ..OldNames::default() };
    config.token.apply(sent.token, old)?;
    config.check().await?;
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Github>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let mut shown = config.token.show();
    shown.insert("organization".to_owned(), json!(config.organization));
    shown.insert("organization_id".to_owned(), json!(config.organization_id));
    shown.insert("base_url".to_owned(), json!(config.base_url));
    shown.sort_keys();
    Ok(Reply::data(Value::Object(shown)))
}
