//! The requests that give access tokens.
use crate::Error;
use crate::kept::Granted;
use lessor_engine::{Secret, Timestamp};
use lessor_platform_http::{Ask, Http};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
const BY_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

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

pub(super) fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("no access token from Google: {error}"))
}

pub(super) fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

pub(super) async fn granted(http: &Http, ask: Ask<'_>, now: Timestamp) -> Result<Granted, Error> {
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

/// Token exchange (RFC 8693).
pub(super) async fn exchange(
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

/// A service account's token, for somebody who may act as it (iamcredentials v1, `generateAccessToken`).
pub(super) async fn as_account(
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
