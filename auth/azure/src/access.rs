//! The access token that the Resource Manager is asked with, kept until shortly before its end.
use crate::config::Config;
use lessor_engine::{Context, Error, Result, Secret, Timestamp};
use lessor_platform_http::{Answer, Ask, Http};
use serde::{Deserialize, Deserializer};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long before its end a token is not used any more.
const EARLY: u64 = 120;
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The machine's identity service says numbers as text.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_default())
}

#[derive(Deserialize)]
struct Granted {
    #[serde(with = "lessor_engine::secret::at_rest")]
    access_token: Secret,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: u64,
}

struct Token {
    text: Secret,
    ends: Timestamp,
    /// For whom and where it was given; another configuration gets another.
    key: (String, String, Secret, String),
}

/// The one token of a mount, once it was needed.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<Token>>);

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("no access token from Azure: {error}"))
}

/// Who the application is: its secret, or a statement of this server's that it trusts.
enum Proof {
    Secret(Secret),
    Statement(Secret),
}

fn form(config: &Config, proof: &Proof) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials").append_pair("client_id", &config.client_id);
    form.append_pair("scope", &format!("{}/.default", config.manager()));
    match proof {
        Proof::Secret(secret) => form.append_pair("client_secret", secret.expose()),
        Proof::Statement(statement) => {
            form.append_pair("client_assertion_type", ASSERTION).append_pair("client_assertion", statement.expose())
        }
    };
    form.finish().into_bytes()
}

/// Where the machine's identity service is; the variable is that of Azure's own libraries.
fn machine(config: &Config) -> String {
    let host =
        std::env::var("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|_| "http://169.254.169.254".to_owned());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("api-version", "2018-02-01").append_pair("resource", &format!("{}/", config.manager()));
    if !config.client_id.is_empty() {
        query.append_pair("client_id", &config.client_id);
    }
    format!("{}/metadata/identity/oauth2/token?{}", host.trim_end_matches('/'), query.finish())
}

async fn ask(cx: &Context, config: &Config, http: &Http) -> Result<Answer> {
    let proof = if !config.identity_token_audience.is_empty() {
        let statement = cx.identity.mint(&config.identity_token_audience, config.identity_token_ttl.duration()).await?;
        Proof::Statement(statement)
    } else if !config.client_secret.is_empty() {
        Proof::Secret(config.client_secret.clone())
    } else {
        let url = machine(config);
        return http.send(Ask::get(&url).header("Metadata", "true")).await.map_err(|error| failed(&error));
    };
    let url = format!("{}/{}/oauth2/v2.0/token", config.directory(), config.tenant_id);
    let ask = Ask::post(&url, "application/x-www-form-urlencoded", form(config, &proof));
    http.send(ask).await.map_err(|error| failed(&error))
}

impl Kept {
    /// A token that the Resource Manager takes now.
    ///
    /// # Errors
    /// When Azure refuses the application, or nobody answers.
    pub(crate) async fn get(&self, cx: &Context, config: &Config, http: &Http) -> Result<Secret> {
        let place = format!("{}/{}", config.directory(), config.tenant_id);
        let key =
            (place, config.client_id.clone(), config.client_secret.clone(), config.identity_token_audience.clone());
        let now = cx.now();
        // Held while asking: those who come meanwhile want the same answer.
        let mut kept = self.0.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.key == key && token.ends > now) {
            return Ok(token.text.clone());
        }
        let answer = ask(cx, config, http).await?;
        if matches!(answer.status, 400 | 401 | 403) {
            let refused = answer.json::<serde_json::Value>().unwrap_or_default();
            let word = refused.get("error").and_then(|word| word.as_str()).unwrap_or("no reason given").to_owned();
            let message = format!("Azure refuses the application in config: {word}");
            return Err(Error::Refused { status: 500, message });
        }
        // The words of a faulty answer are not passed on: they may hold the token.
        let granted = answer.ok().map_err(|error| failed(&error))?.json::<Granted>();
        let granted = granted.map_err(|_| failed(&"the answer holds none"))?;
        let lasts = Duration::from_secs(granted.expires_in.saturating_sub(EARLY).min(3600));
        let text = granted.access_token;
        *kept = Some(Token { text: text.clone(), ends: now.saturating_add(lasts).unwrap_or(now), key });
        Ok(text)
    }
}
