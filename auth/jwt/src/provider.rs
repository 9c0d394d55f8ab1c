//! The keys and addresses of who is believed, fetched once and kept in memory.
//!
//! They are fetched again when they are an hour old, and when a token names a key that is not among them: providers sign
//! with new keys before everybody has heard of them. That at most every ten seconds, since anybody may send such a token.
use crate::config::{Config, Source};
use jiff::Timestamp;
use lessor_engine::{Context, Error, Result};
use lessor_platform_http::{Ask, Http};
use lessor_signed_token::KeySet;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const OLDEST: Duration = Duration::from_secs(3600);
const BETWEEN: Duration = Duration::from_secs(10);

/// What a provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Deserialize)]
pub(crate) struct Discovery {
    pub(crate) issuer: String,
    jwks_uri: String,
    #[serde(default)]
    pub(crate) authorization_endpoint: String,
    #[serde(default)]
    pub(crate) token_endpoint: String,
    #[serde(default)]
    pub(crate) userinfo_endpoint: String,
    /// Where the device flow begins (RFC 8628, section 4); empty where there is none.
    #[serde(default)]
    pub(crate) device_authorization_endpoint: String,
    #[serde(default)]
    pub(crate) token_endpoint_auth_methods_supported: Vec<String>,
}

/// What is believed, as it was fetched.
pub(crate) struct Provider {
    pub(crate) keys: KeySet,
    pub(crate) discovery: Option<Discovery>,
    pub(crate) http: Http,
    source: Source,
    names: Vec<String>,
    fetched: Timestamp,
}

/// The one provider of a mount, once it was needed.
#[derive(Default)]
pub(crate) struct Providers {
    kept: Mutex<Option<Arc<Provider>>>,
}

/// What did not work, and with whose words.
pub(crate) enum Fault {
    Ca(lessor_platform_http::Error),
    Fetch(lessor_platform_http::Error),
    Keys(String),
    Issuer { wanted: String, said: String },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ca(error) | Self::Fetch(error) => error.fmt(f),
            Self::Keys(url) => write!(f, "{url}: the answer is no JSON web key set"),
            Self::Issuer { wanted, said } => {
                write!(
                    f,
                    "oidc: issuer did not match the issuer returned by provider, expected {wanted:?} got {said:?}"
                )
            }
        }
    }
}

fn well_known(url: &str) -> String {
    format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'))
}

async fn key_set(http: &Http, url: &str) -> Result<KeySet, Fault> {
    let answer = http.send(Ask::get(url)).await.and_then(lessor_platform_http::Answer::ok).map_err(Fault::Fetch)?;
    KeySet::from_jwks(&answer.body).ok_or_else(|| Fault::Keys(url.to_owned()))
}

async fn discover(http: &Http, url: &str) -> Result<Discovery, Fault> {
    let address = well_known(url);
    let answer = http.send(Ask::get(&address)).await.and_then(lessor_platform_http::Answer::ok);
    let discovery: Discovery = answer.and_then(|answer| answer.json()).map_err(Fault::Fetch)?;
    // Whoever answers may not speak for somebody else (section 4.3 of the standard).
    if discovery.issuer.trim_end_matches('/') != url.trim_end_matches('/') {
        return Err(Fault::Issuer { wanted: url.to_owned(), said: discovery.issuer });
    }
    Ok(discovery)
}

impl Provider {
    /// Fetches what the source names.
    pub(crate) async fn fetch(source: &Source, names: &[String], now: Timestamp) -> Result<Self, Fault> {
        let http = |ca: &str| Http::accepting(ca, names).map_err(Fault::Ca);
        let (keys, discovery, http) = match source {
            Source::Keys(texts) => (KeySet::from_pem(texts).unwrap_or_default(), None, http("")?),
            Source::KeySets(sets) => {
                let mut keys = KeySet::default();
                for set in sets {
                    keys = keys.and(key_set(&http(&set.jwks_ca_pem)?, &set.jwks_url).await?);
                }
                (keys, None, http("")?)
            }
            Source::Discovery { url, ca_pem } => {
                let http = http(ca_pem)?;
                let discovery = discover(&http, url).await?;
                (key_set(&http, &discovery.jwks_uri).await?, Some(discovery), http)
            }
        };
        Ok(Self { keys, discovery, http, source: source.clone(), names: names.to_vec(), fetched: now })
    }
}

fn age(provider: &Provider, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(provider.fetched)).unwrap_or_default()
}

impl Providers {
    /// What is believed now. `key` is what a token says it was signed with.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nobody answers.
    pub(crate) async fn get(&self, cx: &Context, config: &Config, key: Option<&str>) -> Result<Arc<Provider>> {
        let now = cx.now();
        // Held while fetching: those who come meanwhile want the same answer.
        let mut kept = self.kept.lock().await;
        let known = kept.as_ref().filter(|known| known.source == config.source && known.names == config.server_names);
        if let Some(known) = known {
            let has_key = key.is_none_or(|key| known.keys.knows(key)) || matches!(known.source, Source::Keys(_));
            let limit = if has_key { OLDEST } else { BETWEEN };
            if age(known, now) < limit {
                return Ok(Arc::clone(known));
            }
        }
        let failed = |fault| Error::Unavailable(format!("the keys of the provider cannot be fetched: {fault}"));
        let fetched = Arc::new(Provider::fetch(&config.source, &config.server_names, now).await.map_err(failed)?);
        *kept = Some(Arc::clone(&fetched));
        Ok(fetched)
    }
}
