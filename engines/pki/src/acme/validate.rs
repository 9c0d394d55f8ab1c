//! Validations: queued in storage as scheduled work of core's, so that any node does them and a restart loses none.
use super::config::AcmeConfig;
use super::jws::{Jwk, encode};
use super::probe::Probe;
use super::problem::{Problem, problem};
use super::store::{Account, Authorization, Challenge, account_at, authorization_at};
use crate::Engine;
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::{Changes, Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Attempts before a challenge is given up.
const ATTEMPTS: u32 = 5;
/// Seconds; times the number of attempts.
const PAUSE: i64 = 5;

/// Which challenge.
pub(crate) struct Place {
    account: String,
    authorization: String,
    kind: String,
}

/// What is to be shown.
#[derive(Serialize, Deserialize)]
struct Planned {
    identifier: super::store::Identifier,
    token: String,
    /// `token.thumbprint` (RFC 8555, 8.1).
    key_authorization: String,
}

pub(crate) fn subject_of(account: &str, authorization: &str, kind: &str) -> String {
    format!("acme/{account}/{authorization}/{kind}")
}

/// The challenge a scheduled subject means.
pub(crate) fn subject(text: &str) -> Option<Place> {
    let parts: Vec<&str> = text.split('/').collect();
    let ["acme", account, authorization, kind] = parts.as_slice() else { return None };
    let own = |text: &&str| (*text).to_owned();
    Some(Place { account: own(account), authorization: own(authorization), kind: own(kind) })
}

fn gone() -> Error {
    Error::NotFound("the challenge waits for no validation any more".to_owned())
}

async fn load(cx: &Context, place: &Place) -> Result<(Authorization, lessor_storage::Version)> {
    let at = authorization_at(&place.account, &place.authorization);
    cx.view.get_versioned(&at).await?.ok_or_else(gone)
}

fn waiting<'a>(authorization: &'a Authorization, place: &Place) -> Option<&'a Challenge> {
    let found = authorization.challenges.iter().find(|challenge| challenge.kind == place.kind);
    found.filter(|challenge| challenge.status == "processing" && authorization.status == "pending")
}

impl Engine {
    pub(crate) async fn planned_validation(&self, cx: &Context, place: Place) -> Result<Value> {
        let (authorization, _) = load(cx, &place).await?;
        let challenge = waiting(&authorization, &place).ok_or_else(gone)?;
        let account: Option<Account> = cx.view.get(&account_at(&place.account)).await?;
        let account = account.ok_or_else(gone)?;
        let key = Jwk::read(&Value::Object(account.jwk))
            .map_err(|_| Error::Internal("a stored account is damaged".to_owned()))?;
        let planned = Planned {
            identifier: authorization.identifier.clone(),
            token: challenge.token.clone(),
            key_authorization: format!("{}.{}", challenge.token, key.thumbprint()),
        };
        Ok(serde_json::to_value(planned)?)
    }

    /// Looks whether the challenge is met; answers null, or why not.
    pub(crate) async fn validate(&self, cx: &Context, place: Place, data: &Value) -> Result<Value> {
        let planned = Planned::deserialize(data)?;
        let config: AcmeConfig = self.ca(cx).await?.record.acme.clone();
        let probe = match Probe::new(&config) {
            Ok(probe) => probe,
            Err(problem) => return Ok(failure(&problem)),
        };
        let host = &planned.identifier.value;
        let hash = digest(&SHA256, planned.key_authorization.as_bytes());
        let looked = match place.kind.as_str() {
            "http-01" => probe.http(host, &planned.token, &planned.key_authorization).await,
            "dns-01" => probe.dns(host, &encode(hash.as_ref())).await,
            "tls-alpn-01" => probe.tls_alpn(host, hash.as_ref()).await,
            _ => Err(problem("malformed", "there is no such challenge")),
        };
        Ok(looked.err().map_or(Value::Null, |problem| failure(&problem)))
    }

    /// Writes down what came of it.
    pub(crate) async fn validated(&self, cx: &Context, place: Place, failed: &Value) -> Result<Changes> {
        let at = authorization_at(&place.account, &place.authorization);
        let (mut authorization, version) = load(cx, &place).await?;
        waiting(&authorization, &place).ok_or_else(gone)?;
        let now = cx.now().as_second();
        let mut ends = None;
        if let Some(challenge) = authorization.challenges.iter_mut().find(|challenge| challenge.kind == place.kind) {
            challenge.attempts += 1;
            challenge.tried = now;
            if failed.is_null() {
                "valid".clone_into(&mut challenge.status);
                challenge.validated = now;
                challenge.error = Value::Null;
                ends = Some("valid");
            } else {
                challenge.error = failed.clone();
                // Where what was shown is wrong, or must not be looked at, more attempts would be for nothing.
                let attempts = match failed["type"].as_str().unwrap_or_default().rsplit(':').next() {
                    Some("rejectedIdentifier") => 1,
                    Some("incorrectResponse") => 2,
                    _ => ATTEMPTS,
                };
                if challenge.attempts >= attempts {
                    "invalid".clone_into(&mut challenge.status);
                    ends = Some("invalid");
                }
            }
        }
        if let Some(status) = ends {
            status.clone_into(&mut authorization.status);
        }
        Changes::new().expect(&at, Some(version)).put(&at, &authorization)
    }

    pub(crate) async fn validation_due(&self, cx: &Context, place: Place) -> Result<Option<i64>> {
        let Ok((authorization, _)) = load(cx, &place).await else { return Ok(None) };
        let challenge = waiting(&authorization, &place);
        Ok(challenge.map(|challenge| {
            if challenge.attempts == 0 {
                cx.now().as_second()
            } else {
                challenge.tried + PAUSE * i64::from(challenge.attempts)
            }
        }))
    }
}

fn failure(problem: &Problem) -> Value {
    problem.show()
}
