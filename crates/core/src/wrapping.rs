//! Wrapped answers: the real one lies in the cubbyhole of a token that can be used once, to get it out.
pub(crate) mod signed;

use crate::active::Active;
use crate::cubbyhole;
use crate::response::{Envelope, Response};
use crate::token::Token;
use crate::token::record::{WRAPPING_POLICY, fresh_text};
use jiff::Timestamp;
use lessor_engine::{Error, Result, Secret};
use lessor_storage::Batch;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

const ANSWER: &str = "response";
const INFO: &str = "wrapinfo";

/// What a wrapping token tells of itself before it is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Seconds.
    pub creation_ttl: u64,
    /// When the answer was wrapped.
    pub creation_time: Timestamp,
    /// The request it answers.
    pub creation_path: String,
}

/// What is to be wrapped.
pub struct Wrap<'a> {
    /// The whole answer.
    pub body: &'a Value,
    /// How long it is kept.
    pub ttl: Duration,
    /// The request path.
    pub path: &'a str,
    /// The request's namespace.
    pub namespace: &'a str,
    /// Names what is wrapped, where that has an accessor.
    pub accessor: Option<String>,
    /// Whether the token goes out in its signed form.
    pub signed: bool,
}

fn invalid() -> Error {
    Error::invalid("wrapping token is not valid or does not exist")
}

impl Active {
    /// Keeps an answer for whoever gets the token that is answered instead.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn wrap(&self, wrap: Wrap<'_>) -> Result<Response> {
        let now = self.now();
        let seconds = wrap.ttl.as_secs().max(1);
        let expires = now.checked_add(Duration::from_secs(seconds));
        let expires = expires.map_err(|_| Error::invalid("X-Vault-Wrap-TTL reaches beyond the end of time"))?;
        let token = Token {
            policies: vec![WRAPPING_POLICY.to_owned()],
            creation_ttl: seconds,
            explicit_max_ttl: seconds,
            expires: Some(expires),
            num_uses: 1,
            namespace: wrap.namespace.to_owned(),
            ..Token::new(now, wrap.path)
        };
        let info = Info { creation_ttl: seconds, creation_time: now, creation_path: wrap.path.to_owned() };
        let namespace = self.namespace_suffix(wrap.namespace);
        let text = fresh_text(now, &namespace);
        let place = cubbyhole::prefix(&self.tokens.id(text.expose()));
        let with = Batch::new()
            .put(format!("{place}{ANSWER}"), serde_json::to_vec(&json!({ ANSWER: wrap.body.to_string() }))?)
            .put(format!("{place}{INFO}"), serde_json::to_vec(&info)?);
        let (token, text) = self.tokens.create_as(token, text, with).await?;
        if let Some(due) = token.due() {
            self.wake_for(&due);
        }
        let text = if wrap.signed {
            self.sign_wrapping(&text, wrap.accessor.as_deref().unwrap_or_default(), now.as_second(), seconds).await?
        } else {
            text
        };
        let mut told = Map::from_iter([
            ("token".to_owned(), json!(text.expose())),
            ("accessor".to_owned(), json!(token.accessor)),
            ("ttl".to_owned(), json!(seconds)),
            ("creation_time".to_owned(), json!(now)),
            ("creation_path".to_owned(), json!(wrap.path)),
        ]);
        if let Some(accessor) = wrap.accessor {
            told.insert("wrapped_accessor".to_owned(), json!(accessor));
        }
        let envelope = Envelope { wrap_info: Some(Value::Object(told)), ..Envelope::default() };
        Ok(Response::envelope(200, "", envelope))
    }

    /// The id that ends the tokens and leases of a namespace: empty for the root.
    pub fn namespace_suffix(&self, namespace: &str) -> String {
        if namespace.is_empty() { String::new() } else { self.namespaces.id_of(namespace) }
    }

    /// What a wrapping token tells of itself; it is not used up.
    ///
    /// # Errors
    /// When it is none, or its time is over.
    pub async fn wrapping_info(&self, text: &Secret) -> Result<Info> {
        let found = self.tokens.find(text.expose(), self.now()).await?;
        let token = found.map(|found| found.token).filter(|token| token.is_wrapping()).ok_or_else(invalid)?;
        cubbyhole::of(&self.storage, &token.key).get(INFO).await?.ok_or_else(invalid)
    }

    /// Uses a wrapping token up and gives the answer it holds. Of two that try, one gets it.
    ///
    /// # Errors
    /// When it is none, its time is over, or it was used.
    pub async fn unwrap(&self, text: &Secret) -> Result<Value> {
        let found = self.tokens.find(text.expose(), self.now()).await?.filter(|found| found.token.is_wrapping());
        let found = found.ok_or_else(invalid)?;
        let version = found.version.ok_or_else(invalid)?;
        let used = Token { num_uses: -1, ..Token::clone(&found.token) };
        self.tokens.update(&found.token, &used, version).await.map_err(|_| invalid())?;
        self.take_wrapped(&found.token).await
    }

    /// The answer held by a wrapping token whose use is already counted; the token ends.
    ///
    /// # Errors
    /// When it holds none.
    pub async fn take_wrapped(&self, token: &Token) -> Result<Value> {
        let held: Option<Map<String, Value>> = cubbyhole::of(&self.storage, &token.key).get(ANSWER).await?;
        let text = held.as_ref().and_then(|held| held.get(ANSWER)).and_then(Value::as_str).ok_or_else(invalid)?;
        let body = serde_json::from_str(text)?;
        self.revoke_token(&token.key).await?;
        Ok(body)
    }
}
