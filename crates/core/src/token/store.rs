//! Where tokens lie, and how they end: a token that is revoked becomes a tombstone in one commit (from then on no
//! lease and no child can be made with it), and the tombstone goes when its children and leases are dealt with.
use super::record::{Token, fresh_text, storage_id};
use crate::keys::{self, Due, DueKind, Target};
use crate::lease::store::pointer;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use lessor_engine::{Error, Result, Secret};
use lessor_storage::{Batch, Expect, Storage, Version};
use std::sync::Arc;

const SALT: &str = "core/token-salt";

/// The record of a live token.
pub fn record_key(key: &str) -> String {
    format!("token/id/{key}")
}
fn tombstone(key: &str) -> String {
    format!("token/revoked/{key}")
}
fn accessor_key(accessor: &str) -> String {
    format!("token/accessor/{accessor}")
}
fn child_key(parent: &str, child: &str) -> String {
    format!("token/parent/{parent}/{child}")
}

/// The pseudo target of everything that ends a token.
pub fn target() -> Target {
    Target { mount: "auth".to_owned(), name: "token".to_owned() }
}

/// Reads and writes tokens.
pub struct Tokens {
    storage: Arc<dyn Storage>,
    salt: hmac::Key,
}

impl Tokens {
    /// Reads the salt, or makes it.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Self> {
        let bytes = match storage.get(SALT).await? {
            Some(entry) => entry.value,
            None => {
                let fresh = crate::barrier::Key::random()?.expose().to_vec();
                storage.commit(Batch::new().expect(SALT, Expect::Absent).put(SALT, fresh.clone())).await?;
                fresh
            }
        };
        Ok(Self { storage, salt: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }
    /// The storage id of a token text.
    pub fn id(&self, text: &str) -> String {
        storage_id(&self.salt, text)
    }
    /// The live token of that text.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn find(&self, text: &str, now: Timestamp) -> Result<Option<(Token, Version)>> {
        self.get(&self.id(text), now).await
    }
    /// The live token of that storage id. One whose time is over is not live, whether or not it was dealt with.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn get(&self, key: &str, now: Timestamp) -> Result<Option<(Token, Version)>> {
        Ok(self
            .read(&record_key(key))
            .await?
            .filter(|(token, _)| token.num_uses >= 0 && token.expires.is_none_or(|at| at > now)))
    }
    async fn read(&self, key: &str) -> Result<Option<(Token, Version)>> {
        let Some(entry) = self.storage.get(key).await? else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&entry.value)?, entry.version)))
    }
    /// The live token with that accessor.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn by_accessor(&self, accessor: &str, now: Timestamp) -> Result<Option<(Token, Version)>> {
        let Some(entry) = self.storage.get(&accessor_key(accessor)).await? else { return Ok(None) };
        let key = String::from_utf8(entry.value).map_err(|_| Error::Internal("an accessor is damaged".into()))?;
        self.get(&key, now).await
    }
    /// Accessors of all tokens, a page.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn accessors(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let after = after.map(accessor_key);
        let page = self.storage.scan("token/accessor/", after.as_deref(), limit).await?;
        Ok(page.into_iter().filter_map(|e| e.key.strip_prefix("token/accessor/").map(str::to_owned)).collect())
    }
    /// Makes a token: fills in `key`; `text` is the one the caller chose.
    ///
    /// # Errors
    /// When the text is taken, or the parent was revoked meanwhile.
    pub async fn create(&self, mut token: Token, text: Option<Secret>) -> Result<(Token, Secret)> {
        let text = text.unwrap_or_else(|| fresh_text(token.created));
        token.key = self.id(text.expose());
        let record = record_key(&token.key);
        let mut batch = Batch::new()
            .expect(&record, Expect::Absent)
            .put(record, serde_json::to_vec(&token)?)
            .put(accessor_key(&token.accessor), token.key.clone());
        if let Some(parent) = &token.parent {
            batch = batch.expect(record_key(parent), Expect::Present).put(child_key(parent, &token.key), Vec::new());
        }
        if let Some(due) = token.due() {
            batch = batch.put(due.key(), pointer(&target())?);
        }
        match self.storage.commit(batch).await {
            Err(lessor_storage::Error::Conflict { key }) if key.ends_with(&token.key) => {
                Err(Error::invalid("cannot create a token with a duplicate ID"))
            }
            Err(lessor_storage::Error::Conflict { .. }) => Err(Error::Forbidden("permission denied".into())),
            done => Ok(done.map(|()| (token, text))?),
        }
    }
    /// Replaces a token's record, moving its due key.
    ///
    /// # Errors
    /// When somebody else changed it.
    pub async fn update(&self, old: &Token, new: &Token, version: Version) -> Result<()> {
        let record = record_key(&old.key);
        let mut batch = Batch::new().expect(&record, Expect::Version(version));
        if old.expires != new.expires {
            if let Some(due) = old.due() {
                batch = batch.delete(due.key());
            }
            if let Some(due) = new.due() {
                batch = batch.put(due.key(), pointer(&target())?);
            }
        }
        Ok(self.storage.commit(batch.put(record, serde_json::to_vec(new)?)).await?)
    }
    /// Ends a token in one commit; what depends on it is dealt with by whoever finds the due key. Unknown is success.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn bury(&self, key: &str, now: Timestamp) -> Result<Option<Due>> {
        let Some((token, _)) = self.read(&record_key(key)).await? else { return Ok(None) };
        let due = Due::new(now, DueKind::Token, key);
        let mut batch = Batch::new().expect(record_key(key), Expect::Present).delete(record_key(key));
        if let Some(old) = token.due() {
            batch = batch.delete(old.key());
        }
        batch = batch.put(tombstone(key), serde_json::to_vec(&token)?).put(due.key(), pointer(&target())?);
        match self.storage.commit(batch).await {
            Ok(()) => Ok(Some(due)),
            Err(lessor_storage::Error::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
    /// The tombstone of that storage id.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn buried(&self, key: &str) -> Result<Option<Token>> {
        Ok(self.read(&tombstone(key)).await?.map(|(token, _)| token))
    }
    /// Whether a live record is there, ended or not.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn recorded(&self, key: &str) -> Result<Option<Token>> {
        Ok(self.read(&record_key(key)).await?.map(|(token, _)| token))
    }
    /// A page of the storage ids of a token's children.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn children(&self, key: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let prefix = child_key(key, "");
        let after = after.map(|child| child_key(key, child));
        let page = self.storage.scan(&prefix, after.as_deref(), limit).await?;
        Ok(page.into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect())
    }
    /// Makes a child an orphan.
    ///
    /// # Errors
    /// When storage fails or somebody else changed it.
    pub async fn orphan(&self, parent: &str, child: &str) -> Result<()> {
        let mut batch = Batch::new().delete(child_key(parent, child));
        if let Some((token, version)) = self.read(&record_key(child)).await? {
            let orphan = Token { parent: None, ..token };
            batch = batch
                .expect(record_key(child), Expect::Version(version))
                .put(record_key(child), serde_json::to_vec(&orphan)?);
        }
        Ok(self.storage.commit(batch).await?)
    }
    /// A page of the leases of a token.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn leases(&self, key: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let prefix = keys::token_lease(key, "");
        let after = after.map(|id| keys::token_lease(key, id));
        let page = self.storage.scan(&prefix, after.as_deref(), limit).await?;
        Ok(page.into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect())
    }
    /// Removes the tombstone; nothing depends on the token any more.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn forget(&self, token: &Token, due: &Due) -> Result<()> {
        let mut batch = Batch::new()
            .delete(tombstone(&token.key))
            .delete(accessor_key(&token.accessor))
            .delete(due.key())
            .delete(due.waiting_key(&target()));
        if let Some(parent) = &token.parent {
            batch = batch.delete(child_key(parent, &token.key));
        }
        Ok(self.storage.commit(batch).await?)
    }
}
