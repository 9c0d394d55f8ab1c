//! Batch tokens: their text is their record, encrypted; storage knows nothing of them.
use super::record::Token;
use crate::barrier::{Key, decrypt, encrypt};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lessor_engine::{Result, Secret};
use lessor_storage::{Batch, Error, Expect, Storage};
use std::sync::Arc;

const KEY: &str = "core/batch-token-key";
const PREFIX: &str = "hvb.";
const CONTEXT: &[u8] = b"batch token";

/// The key that all batch tokens are encrypted with.
pub struct BatchKey(Key);

impl BatchKey {
    /// Reads the key, or makes it.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn load(storage: &Arc<dyn Storage>) -> Result<Self> {
        let bytes = match storage.get(KEY).await? {
            Some(entry) => entry.value,
            None => {
                let fresh = Key::random()?.expose().to_vec();
                storage.commit(Batch::new().expect(KEY, Expect::Absent).put(KEY, fresh.clone())).await?;
                fresh
            }
        };
        let key = Key::from_bytes(&bytes);
        Ok(Self(key.ok_or_else(|| Error::Corrupt { key: KEY.to_owned(), reason: "it has another length".to_owned() })?))
    }
    /// Whether the text looks like one of these.
    pub fn made(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
    /// The text of a token, with the id of its namespace (empty for the root) behind a dot.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal(&self, token: &Token, namespace: &str) -> Result<Secret> {
        let sealed = encrypt(&self.0, CONTEXT, &serde_json::to_vec(token)?)?;
        let dot = if namespace.is_empty() { "" } else { "." };
        Ok(Secret::new(format!("{PREFIX}{}{dot}{namespace}", URL_SAFE_NO_PAD.encode(sealed))))
    }
    /// The token of a text; `None` for one that was not made here.
    pub fn open(&self, text: &str) -> Option<Token> {
        let body = text.strip_prefix(PREFIX)?;
        let body = body.split_once('.').map_or(body, |(body, _)| body);
        let plain = decrypt(&self.0, CONTEXT, &URL_SAFE_NO_PAD.decode(body).ok()?)?;
        serde_json::from_slice(&plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Kind;
    use jiff::Timestamp;
    use lessor_storage::MemoryStorage;

    #[tokio::test]
    async fn a_batch_token_reads_back_and_a_changed_one_does_not() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let key = BatchKey::load(&storage).await.unwrap();
        let token = Token { kind: Kind::Batch, ..Token::new(Timestamp::UNIX_EPOCH, "auth/token/create") };
        let text = key.seal(&token, "abc123").unwrap();
        assert!(BatchKey::made(text.expose()) && text.expose().len() >= 140);
        let again = BatchKey::load(&storage).await.unwrap();
        assert_eq!(again.open(text.expose()).unwrap().path, "auth/token/create");
        let mut changed = text.expose().to_owned();
        changed.replace_range(40..41, if &changed[40..41] == "A" { "B" } else { "A" });
        assert!(again.open(&changed).is_none());
    }
}
