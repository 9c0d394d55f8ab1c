//! A service account's key, and the statement it signs.
use super::ask::{FORM, SCOPE, form, granted};
use crate::Error;
use crate::kept::Granted;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lessor_engine::{Secret, Timestamp};
use lessor_platform_http::{Ask, Http};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) const TOKENS: &str = "https://oauth2.googleapis.com/token";
const BY_STATEMENT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

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
    /// A statement that the account signs about itself (RFC 7523), or about a person it may act as.
    fn statement(&self, scopes: &str, person: Option<&str>, now: i64) -> Result<Secret, Error> {
        let wrong = |error: jsonwebtoken::errors::Error| Error::Refused(format!("the service account's key: {error}"));
        let key = EncodingKey::from_rsa_pem(self.private_key.expose().as_bytes()).map_err(wrong)?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.private_key_id.clone()).filter(|id| !id.is_empty());
        let mut claims = json!({
            "iss": self.client_email, "scope": scopes, "aud": self.token_uri, "iat": now, "exp": now + 3600,
        });
        if let Some(person) = person {
            claims["sub"] = json!(person);
        }
        jsonwebtoken::encode(&header, &claims, &key).map(Secret::new).map_err(wrong)
    }
}

/// An account that a Google Workspace lets act as its people (domain-wide delegation).
#[derive(Clone, PartialEq)]
pub struct Delegation {
    /// The account's key.
    pub key: ServiceKey,
    /// What it may do, divided by spaces.
    pub scopes: String,
    /// As whom; empty for itself.
    pub person: String,
}

pub(super) async fn by_key(http: &Http, key: &ServiceKey, now: Timestamp) -> Result<Granted, Error> {
    by_statement(http, key, &key.statement(SCOPE, None, now.as_second())?, now).await
}

pub(super) async fn by_delegation(http: &Http, who: &Delegation, now: Timestamp) -> Result<Granted, Error> {
    let person = Some(who.person.as_str()).filter(|person| !person.is_empty());
    by_statement(http, &who.key, &who.key.statement(&who.scopes, person, now.as_second())?, now).await
}

async fn by_statement(http: &Http, key: &ServiceKey, statement: &Secret, now: Timestamp) -> Result<Granted, Error> {
    let body = form(&[("grant_type", BY_STATEMENT), ("assertion", statement.expose())]);
    granted(http, Ask::post(&key.token_uri, FORM, body), now).await
}
