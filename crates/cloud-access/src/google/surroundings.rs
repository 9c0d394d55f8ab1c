//! Application Default Credentials: whoever the surroundings of this server offer.
use super::ask::{FORM, as_account, exchange, failed, form, granted};
use super::key::{ServiceKey, TOKENS, by_key};
use crate::kept::Granted;
use crate::{Error, Surroundings, read};
use lessor_engine::{Secret, Timestamp};
use lessor_platform_http::{Ask, Http};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

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

async fn by_exchange(http: &Http, external: &External, now: Timestamp) -> Result<Granted, Error> {
    let subject = external.credential_source.token(http).await?;
    exchange(http, &external.token_url, &external.audience, &external.subject_token_type, &subject, now).await
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
pub(super) async fn by_path_or_text(http: &Http, given: &Secret, now: Timestamp) -> Result<Granted, Error> {
    if given.expose().trim_start().starts_with('{') {
        return by_file(http, given, now).await;
    }
    by_file(http, &read(given.expose()).await?, now).await
}

pub(super) async fn by_default(http: &Http, own: &Surroundings, now: Timestamp) -> Result<Granted, Error> {
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
