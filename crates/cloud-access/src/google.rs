//! Google: a service account's key, or Application Default Credentials
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>): the file that a variable names, the
//! file that `gcloud` writes, the account of the machine.
use crate::kept::{Granted, Kept};
use crate::{Error, Surroundings, read};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lessor_engine::{Secret, Timestamp};
use lessor_platform_http::{Ask, Http};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKENS: &str = "https://oauth2.googleapis.com/token";
const BY_STATEMENT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const BY_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const FORM: &str = "application/x-www-form-urlencoded";

/// A service account's key, as Google hands it out in a file.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceKey {
    /// The account.
    pub client_email: String,
    /// Its number.
    pub client_id: String,
    /// Which of its keys.
    pub private_key_id: String,
    /// The key, in PEM.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub private_key: Secret,
    /// The project the account is in.
    pub project_id: String,
    /// Who gives tokens for it.
    pub token_uri: String,
}

/// A text that is no service account's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKey {
    /// Not even the form of one.
    #[error("credentials are not the JSON file of a service account")]
    Form,
    /// Something is missing.
    #[error("credentials need client_email and a private_key in PEM")]
    Key,
}

impl ServiceKey {
    /// Reads such a file.
    ///
    /// # Errors
    /// What is wrong with it, without any of its text.
    pub fn parse(text: &Secret) -> Result<Self, NoKey> {
        // What serde says may quote the key.
        let mut key: Self = serde_json::from_str(text.expose()).map_err(|_| NoKey::Form)?;
        if key.client_email.is_empty() || EncodingKey::from_rsa_pem(key.private_key.expose().as_bytes()).is_err() {
            return Err(NoKey::Key);
        }
        if key.token_uri.is_empty() {
            TOKENS.clone_into(&mut key.token_uri);
        }
        Ok(key)
    }
    /// A statement that the account signs about itself (RFC 7523).
    fn statement(&self, now: i64) -> Result<Secret, Error> {
        let wrong = |error: jsonwebtoken::errors::Error| Error::Refused(format!("the service account's key: {error}"));
        let key = EncodingKey::from_rsa_pem(self.private_key.expose().as_bytes()).map_err(wrong)?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.private_key_id.clone()).filter(|id| !id.is_empty());
        let claims = json!({
            "iss": self.client_email, "scope": SCOPE, "aud": self.token_uri, "iat": now, "exp": now + 3600,
        });
        jsonwebtoken::encode(&header, &claims, &key).map(Secret::new).map_err(wrong)
    }
}

/// The token of somebody else, that Google takes in exchange (workload identity federation,
/// <https://google.aip.dev/auth/4117>).
#[derive(Deserialize)]
struct External {
    audience: String,
    subject_token_type: String,
    token_url: String,
    #[serde(default)]
    service_account_impersonation_url: Option<String>,
    credential_source: Source,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    subject_token_field_name: String,
}

/// Somebody who logged in with `gcloud auth application-default login`.
#[derive(Deserialize)]
struct User {
    client_id: String,
    #[serde(deserialize_with = "lessor_engine::secret::at_rest::deserialize")]
    client_secret: Secret,
    #[serde(deserialize_with = "lessor_engine::secret::at_rest::deserialize")]
    refresh_token: Secret,
    #[serde(default)]
    token_uri: String,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(alias = "accessToken", deserialize_with = "lessor_engine::secret::at_rest::deserialize")]
    access_token: Secret,
    /// In place of the seconds, impersonation says when.
    #[serde(default, rename = "expireTime")]
    until: Option<Timestamp>,
    #[serde(default)]
    expires_in: u64,
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("no access token from Google: {error}"))
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

async fn granted(http: &Http, ask: Ask<'_>, now: Timestamp) -> Result<Granted, Error> {
    let answer = http.send(ask).await.map_err(|error| failed(&error))?;
    if matches!(answer.status, 400 | 401 | 403 | 404) {
        let refused = answer.json::<Value>().unwrap_or_default();
        let word = refused.get("error").and_then(Value::as_str).unwrap_or("no reason given");
        return Err(Error::Refused(format!("Google refuses the credentials in config: {word}")));
    }
    // The words of a faulty answer are not passed on: they may hold the token.
    let answered = answer.ok().map_err(|error| failed(&error))?.json::<Answered>();
    let answered = answered.map_err(|_| failed(&"the answer holds none"))?;
    let until = answered.until.map(|until| until.as_second().saturating_sub(now.as_second()));
    let lasts = until.map_or(answered.expires_in, |seconds| u64::try_from(seconds).unwrap_or_default());
    Ok(Granted { token: answered.access_token, lasts: Duration::from_secs(lasts) })
}

async fn by_key(http: &Http, key: &ServiceKey, now: Timestamp) -> Result<Granted, Error> {
    let statement = key.statement(now.as_second())?;
    let body = form(&[("grant_type", BY_STATEMENT), ("assertion", statement.expose())]);
    granted(http, Ask::post(&key.token_uri, FORM, body), now).await
}

async fn by_user(http: &Http, user: &User, now: Timestamp) -> Result<Granted, Error> {
    let body = form(&[
        ("grant_type", "refresh_token"),
        ("client_id", &user.client_id),
        ("client_secret", user.client_secret.expose()),
        ("refresh_token", user.refresh_token.expose()),
    ]);
    let url = if user.token_uri.is_empty() { TOKENS } else { &user.token_uri };
    granted(http, Ask::post(url, FORM, body), now).await
}

impl Source {
    async fn token(&self, http: &Http) -> Result<Secret, Error> {
        let unknown = || Error::Refused("credential_source: only file and url are supported".to_owned());
        let text = match (&self.file, &self.url) {
            (Some(path), _) => read(path).await?,
            (None, Some(url)) => {
                let ask = self.headers.iter().fold(Ask::get(url), |ask, (name, value)| ask.header(name, value));
                let answer = http.send(ask).await.and_then(lessor_platform_http::Answer::ok);
                let body = answer.map_err(|error| failed(&error))?.body;
                Secret::new(String::from_utf8(body).map_err(|_| failed(&"the subject's token is no text"))?)
            }
            (None, None) => return Err(unknown()),
        };
        if self.format.kind != "json" {
            return Ok(Secret::new(text.expose().trim()));
        }
        let document: Value = serde_json::from_str(text.expose()).unwrap_or_default();
        let token = document.get(&self.format.subject_token_field_name).and_then(Value::as_str);
        token.map(Secret::new).ok_or_else(|| failed(&"the subject's token is not where its format says"))
    }
}

/// Token exchange (RFC 8693).
async fn exchange(
    http: &Http,
    url: &str,
    audience: &str,
    kind: &str,
    subject: &Secret,
    now: Timestamp,
) -> Result<Granted, Error> {
    let body = form(&[
        ("grant_type", BY_EXCHANGE),
        ("audience", audience),
        ("scope", SCOPE),
        ("requested_token_type", ACCESS_TOKEN),
        ("subject_token_type", kind),
        ("subject_token", subject.expose()),
    ]);
    granted(http, Ask::post(url, FORM, body), now).await
}

async fn by_exchange(http: &Http, external: &External, now: Timestamp) -> Result<Granted, Error> {
    let subject = external.credential_source.token(http).await?;
    exchange(http, &external.token_url, &external.audience, &external.subject_token_type, &subject, now).await
}

/// A service account's token, for somebody who may act as it (iamcredentials v1, `generateAccessToken`).
async fn as_account(
    http: &Http,
    url: &str,
    own: &Granted,
    delegates: &Value,
    now: Timestamp,
) -> Result<Granted, Error> {
    let mut body = json!({ "scope": [SCOPE], "lifetime": "3600s" });
    if delegates.as_array().is_some_and(|list| !list.is_empty()) {
        body["delegates"] = delegates.clone();
    }
    let ask = Ask::post(url, "application/json", body.to_string().into_bytes());
    granted(http, ask.header("Authorization", format!("Bearer {}", own.token.expose())), now).await
}

/// A file of credentials that is none of the kinds below.
fn unknown(kind: &str) -> Error {
    Error::Refused(format!(
        "credentials of type {kind:?} cannot be used: use service_account, authorized_user, external_account or \
         impersonated_service_account"
    ))
}

fn broken(_: serde_json::Error) -> Error {
    Error::Refused("the file of Google's credentials cannot be read".to_owned())
}

/// Credentials that are no one else's to begin with.
async fn by_own(http: &Http, document: &Value, now: Timestamp) -> Result<Granted, Error> {
    match document.get("type").and_then(Value::as_str).unwrap_or_default() {
        "service_account" => {
            let key = ServiceKey::parse(&Secret::new(document.to_string()));
            by_key(http, &key.map_err(|error| Error::Refused(error.to_string()))?, now).await
        }
        "authorized_user" => by_user(http, &User::deserialize(document).map_err(broken)?, now).await,
        "external_account" => {
            let external = External::deserialize(document).map_err(broken)?;
            let own = by_exchange(http, &external, now).await?;
            match &external.service_account_impersonation_url {
                Some(url) => as_account(http, url, &own, &Value::Null, now).await,
                None => Ok(own),
            }
        }
        kind => Err(unknown(kind)),
    }
}

async fn by_file(http: &Http, text: &Secret, now: Timestamp) -> Result<Granted, Error> {
    let document: Value = serde_json::from_str(text.expose()).map_err(broken)?;
    if document.get("type").and_then(Value::as_str) != Some("impersonated_service_account") {
        return by_own(http, &document, now).await;
    }
    let part = |name: &str| document.get(name).cloned().unwrap_or_default();
    let own = by_own(http, &part("source_credentials"), now).await?;
    let url = part("service_account_impersonation_url");
    as_account(http, url.as_str().unwrap_or_default(), &own, &part("delegates"), now).await
}

/// The account of the machine, by its metadata server
/// (<https://cloud.google.com/compute/docs/metadata/querying-metadata>).
async fn by_machine(http: &Http, own: &Surroundings, now: Timestamp) -> Result<Granted, Error> {
    let host = own.get("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let granted = granted(http, Ask::get(&url).header("Metadata-Flavor", "Google"), now).await;
    granted.map_err(|error| match error {
        Error::Unavailable(why) => Error::Unavailable(format!("there are no credentials in config, and {why}")),
        refused @ Error::Refused(_) => refused,
    })
}

/// Some put the file's text where its path belongs; an error that quotes the path would quote the key.
async fn by_path_or_text(http: &Http, given: &Secret, now: Timestamp) -> Result<Granted, Error> {
    if given.expose().trim_start().starts_with('{') {
        return by_file(http, given, now).await;
    }
    by_file(http, &read(given.expose()).await?, now).await
}

async fn by_default(http: &Http, own: &Surroundings, now: Timestamp) -> Result<Granted, Error> {
    if let Some(given) = own.get("GOOGLE_APPLICATION_CREDENTIALS") {
        return by_path_or_text(http, &Secret::new(given), now).await;
    }
    let folder = own.get("CLOUDSDK_CONFIG").or_else(|| own.get("HOME").map(|home| format!("{home}/.config/gcloud")));
    let path = folder.map(|folder| format!("{folder}/application_default_credentials.json"));
    match path.filter(|path| std::path::Path::new(path).exists()) {
        Some(path) => by_file(http, &read(&path).await?, now).await,
        None => by_machine(http, own, now).await,
    }
}

/// A statement of this server's own that Google exchanges, and the account that may then be acted as.
#[derive(Clone)]
pub struct Federation {
    /// Full name of the provider in a workload identity pool, with or without `https:` before it.
    pub audience: String,
    /// The signed statement.
    pub statement: Secret,
    /// Address of the token service.
    pub token_url: String,
    /// Address at which the account's tokens are generated.
    pub account_url: String,
}

impl PartialEq for Federation {
    fn eq(&self, other: &Self) -> bool {
        // Every statement is another text.
        (&self.audience, &self.token_url, &self.account_url) == (&other.audience, &other.token_url, &other.account_url)
    }
}

/// Who asks.
#[derive(Clone, PartialEq)]
pub enum Identity {
    /// The account of a key.
    Key(ServiceKey),
    /// Whoever a statement stands for.
    Federated(Federation),
    /// Whoever the surroundings of this server offer.
    Surroundings,
}

async fn by_federation(http: &Http, federation: &Federation, now: Timestamp) -> Result<Granted, Error> {
    let audience = federation.audience.trim_start_matches("https:");
    let kind = "urn:ietf:params:oauth:token-type:jwt";
    let own = exchange(http, &federation.token_url, audience, kind, &federation.statement, now).await?;
    as_account(http, &federation.account_url, &own, &Value::Null, now).await
}

/// Access tokens of one mount or seal.
#[derive(Default)]
pub struct Access {
    kept: Kept<Identity>,
    given: Option<Secret>,
    own: Surroundings,
}

impl Access {
    /// In other surroundings than this process's.
    pub fn within(own: Surroundings) -> Self {
        Self { own, ..Self::default() }
    }
    /// With a file of credentials of any kind, by its path or its text.
    pub fn with(credentials: Secret) -> Self {
        Self { given: Some(credentials), ..Self::default() }
    }
    /// A token that Google takes now.
    ///
    /// # Errors
    /// When Google refuses the credentials, or nobody answers.
    pub async fn token(&self, http: &Http, who: &Identity, now: Timestamp) -> Result<Secret, Error> {
        let ask = async {
            match (who, &self.given) {
                (Identity::Key(key), _) => by_key(http, key, now).await,
                (Identity::Federated(federation), _) => by_federation(http, federation, now).await,
                (Identity::Surroundings, Some(given)) => by_path_or_text(http, given, now).await,
                (Identity::Surroundings, None) => by_default(http, &self.own, now).await,
            }
        };
        self.kept.get(who.clone(), now, ask).await
    }
    /// Asks anew the next time.
    pub async fn forget(&self) {
        self.kept.forget().await;
    }
}
