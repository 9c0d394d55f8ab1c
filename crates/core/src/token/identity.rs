//! What the entity behind a token adds to it, and how that is shown.
use super::record::Token;
use crate::active::Active;
use lessor_engine::Result;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

impl Active {
    /// Policies the token has by its entity and groups now; none where it has no entity, or the entity is gone.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn identity_policies(&self, token: &Token) -> Result<Vec<String>> {
        if token.entity_id.is_empty() {
            return Ok(Vec::new());
        }
        let subject = self.identity.subject(&token.namespace, &token.entity_id).await?;
        Ok(subject.map(|subject| subject.policies.clone()).unwrap_or_default())
    }
    /// [`Token::auth`] with the entity's policies.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn auth_of(&self, token: &Token, text: &str) -> Result<Value> {
        // From the moment it was made or renewed: what is left is exactly what was granted.
        let mut auth = token.auth(text, token.renewed.unwrap_or(token.created));
        let identity = self.identity_policies(token).await?;
        if !identity.is_empty() {
            let all: BTreeSet<&String> = token.policies.iter().chain(&identity).collect();
            auth["policies"] = json!(all);
            auth["identity_policies"] = json!(identity);
        }
        Ok(auth)
    }
    /// [`Token::lookup`] with the entity's policies.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn lookup_of(&self, token: &Token, text: &str) -> Result<Map<String, Value>> {
        let mut data = token.lookup(text, self.now());
        let identity = self.identity_policies(token).await?;
        if !token.entity_id.is_empty() {
            data.insert("external_namespace_policies".to_owned(), json!({}));
        }
        if !identity.is_empty() {
            data.insert("identity_policies".to_owned(), json!(identity));
        }
        Ok(data)
    }
}
