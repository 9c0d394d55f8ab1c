//! The access token that Google is asked with, kept until shortly before its end.
use crate::config::{Config, Credentials};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lessor_engine::{Context, Error, Result, Secret, Timestamp};
use lessor_platform_http::{Answer, Ask, Http};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::sync::Mutex;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long before its end a token is not used any more.
const EARLY: u64 = 60;

/// What Google answers (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: Arriving,
    #[serde(default)]
    expires_in: u64,
}

/// A secret that arrives in JSON.
#[derive(Deserialize)]
#[serde(transparent)]
struct Arriving(#[serde(with = "lessor_engine::secret::at_rest")] Secret);

struct Token {
    text: Secret,
    ends: Timestamp,
    /// Whose it is; other credentials get another.
    key: (String, String),
}

/// The one token of a mount, once it was needed.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<Token>>);

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("no access token from Google: {error}"))
}

/// A statement that the key's account signs about itself (RFC 7523).
fn assertion(credentials: &Credentials, now: i64) -> Result<Secret> {
    let key = EncodingKey::from_rsa_pem(credentials.private_key.expose().as_bytes()).map_err(|error| failed(&error))?;
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(credentials.private_key_id.clone()).filter(|id| !id.is_empty());
    let claims = json!({
        "iss": credentials.client_email, "scope": SCOPE, "aud": credentials.token_uri, "iat": now, "exp": now + 3600,
    });
    jsonwebtoken::encode(&header, &claims, &key).map(Secret::new).map_err(|error| failed(&error))
}

fn form(assertion: &Secret) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", GRANT).append_pair("assertion", assertion.expose());
    form.finish().into_bytes()
}

/// Where a machine's metadata server is; the variable is that of Google's own libraries.
fn metadata_server() -> String {
    std::env::var("GCE_METADATA_HOST").unwrap_or_else(|_| "metadata.google.internal".to_owned())
}

async fn ask(http: &Http, credentials: Option<&Credentials>, now: i64) -> Result<Answer> {
    let Some(credentials) = credentials else {
        let url = format!("http://{}/computeMetadata/v1/instance/service-accounts/default/token", metadata_server());
        let sent = http.send(Ask::get(&url).header("Metadata-Flavor", "Google")).await;
        return sent.map_err(|error| failed(&format!("there are no credentials in config, and {error}")));
    };
    let body = form(&assertion(credentials, now)?);
    let kind = "application/x-www-form-urlencoded";
    http.send(Ask::post(&credentials.token_uri, kind, body)).await.map_err(|error| failed(&error))
}

impl Kept {
    /// A token that Google takes now.
    ///
    /// # Errors
    /// When Google refuses the credentials, or nobody answers.
    pub(crate) async fn get(&self, cx: &Context, config: &Config, http: &Http) -> Result<Secret> {
        let credentials = config.credentials.as_ref();
        let key = credentials.map(|one| (one.client_email.clone(), one.private_key_id.clone())).unwrap_or_default();
        let now = cx.now();
        // Held while asking: those who come meanwhile want the same answer.
        let mut kept = self.0.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.key == key && token.ends > now) {
            return Ok(token.text.clone());
        }
        let answer = ask(http, credentials, now.as_second()).await?;
        if matches!(answer.status, 400 | 401 | 403) {
            let refused = answer.json::<serde_json::Value>().unwrap_or_default();
            let word = refused.get("error").and_then(|word| word.as_str()).unwrap_or("no reason given").to_owned();
            return Err(Error::Refused {
                status: 500,
                message: format!("Google refuses the credentials in config: {word}"),
            });
        }
        // The words of a faulty answer are not passed on: they may hold the token.
        let granted = answer.ok().map_err(|error| failed(&error))?.json::<Granted>();
        let granted = granted.map_err(|_| failed(&"the answer holds none"))?;
        let lasts = Duration::from_secs(granted.expires_in.saturating_sub(EARLY).min(3600));
        let text = granted.access_token.0;
        *kept = Some(Token { text: text.clone(), ends: now.saturating_add(lasts).unwrap_or(now), key });
        Ok(text)
    }
}
