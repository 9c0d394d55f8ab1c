//! Where tokens lie, and how they end: a token that is revoked becomes a tombstone in one commit (from then on no
//! lease and no child can be made with it), and the tombstone goes when its children and leases are dealt with.
use super::batch::BatchKey;
use super::known::Known;
use super::record::{Kind, Token, fresh_text, storage_id};
use crate::glance::Glance;
use crate::keys::{self, Due, DueKind, Target};
use crate::lease::store::pointer;
use crate::quota::{LeaseCounts, place_of_token};
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

/// A live token.
pub struct Found {
    /// The token.
    pub token: Arc<Token>,
    /// Of its record; a batch token has none.
    pub version: Option<Version>,
}

/// Reads and writes tokens.
pub struct Tokens {
    storage: Arc<dyn Storage>,
    salt: hmac::Key,
    batch: BatchKey,
    known: Known,
    counts: Arc<LeaseCounts>,
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
        let batch = BatchKey::load(&storage).await?;
        let salt = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Ok(Self { storage, salt, batch, known: Known::default(), counts: Arc::default() })
    }
    /// Keeps these counts current.
    #[must_use]
    pub fn counted(self, counts: Arc<LeaseCounts>) -> Self {
        Self { counts, ..self }
    }
    /// The storage id of a token text.
    pub fn id(&self, text: &str) -> String {
        storage_id(&self.salt, text)
    }
    /// The live token of that text.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn find(&self, text: &str, now: Timestamp) -> Result<Option<Found>> {
        let _time = crate::metrics::timed!("token.lookup");
        match self.service_id(text) {
            Some(id) => self.find_by_id(&id, None, now).await,
            None => self.find_batch(text, now).await,
        }
    }
    /// The same for whoever glanced at storage.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn find_as_of(&self, glance: &Glance, text: &str, now: Timestamp) -> Result<Option<Found>> {
        let _time = crate::metrics::timed!("token.lookup");
        match self.service_id(text) {
            Some(id) => self.find_by_id(&id, glance.token(&id), now).await,
            None => self.find_batch(text, now).await,
        }
    }
    /// The storage id of a token that is kept in storage.
    pub fn service_id(&self, text: &str) -> Option<String> {
        (!BatchKey::made(text)).then(|| self.id(text))
    }
    async fn find_by_id(&self, id: &str, seen: Option<Option<Version>>, now: Timestamp) -> Result<Option<Found>> {
        let found = self.current(id, seen).await?.filter(|(_, token)| token.is_live(now));
        Ok(found.map(|(version, token)| Found { token, version: Some(version) }))
    }
    /// The record of that storage id, parsed only if it is another one than last time; `seen` is its version now, where
    /// that was read already.
    async fn current(&self, key: &str, seen: Option<Option<Version>>) -> Result<Option<(Version, Arc<Token>)>> {
        let record = record_key(key);
        let known = self.known.get(key);
        let now = match (&known, seen) {
            (_, Some(seen)) => seen,
            (Some(_), None) => self.storage.version(&record).await?,
            (None, None) => None,
        };
        if let Some(known) = known.filter(|known| Some(known.0) == now) {
            return Ok(Some(known));
        }
        if seen == Some(None) {
            self.known.forget(key);
            return Ok(None);
        }
        let Some((token, version)) = self.read(&record).await? else {
            self.known.forget(key);
            return Ok(None);
        };
        let token = Arc::new(token);
        self.known.put(key, version, &token);
        Ok(Some((version, token)))
    }
    /// A batch token lives as long as its parent, if it has one.
    async fn find_batch(&self, text: &str, now: Timestamp) -> Result<Option<Found>> {
        let Some(token) = self.batch.open(text).filter(|token| token.expires.is_none_or(|at| at > now)) else {
            return Ok(None);
        };
        if let Some(parent) = &token.parent
            && self.get(parent, now).await?.is_none()
        {
            return Ok(None);
        }
        Ok(Some(Found { token: Arc::new(token), version: None }))
    }
    /// The live token of that storage id. One whose time is over is not live, whether or not it was dealt with.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn get(&self, key: &str, now: Timestamp) -> Result<Option<(Token, Version)>> {
        Ok(self.read(&record_key(key)).await?.filter(|(token, _)| token.is_live(now)))
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
    /// Removes an accessor that names neither a live token nor one that is being ended.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn drop_dangling(&self, accessor: &str) -> Result<bool> {
        let accessor = accessor_key(accessor);
        let Some(entry) = self.storage.get(&accessor).await? else { return Ok(false) };
        let key = String::from_utf8_lossy(&entry.value).into_owned();
        if self.recorded(&key).await?.is_some() || self.buried(&key).await?.is_some() {
            return Ok(false);
        }
        self.storage.commit(Batch::new().expect(&accessor, Expect::Version(entry.version)).delete(accessor)).await?;
        Ok(true)
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
    /// Makes a token: fills in `key`. `namespace` is the id of its namespace, empty for the root.
    ///
    /// # Errors
    /// When the parent was revoked meanwhile, or storage fails.
    pub async fn create(&self, token: Token, namespace: &str) -> Result<(Token, Secret)> {
        let _time = crate::metrics::timed!("token.create");
        match token.kind {
            Kind::Service => {
                let text = fresh_text(token.created, namespace);
                self.create_as(token, text, Batch::new()).await
            }
            Kind::Batch => {
                let token = Token { accessor: String::new(), ..token };
                let text = self.batch.seal(&token, namespace)?;
                Ok((token, text))
            }
        }
    }
    /// Makes a service token with this text, together with other writes.
    ///
    /// # Errors
    /// When the text is taken, the parent was revoked meanwhile, or storage fails.
    pub async fn create_as(&self, mut token: Token, text: Secret, with: Batch) -> Result<(Token, Secret)> {
        let _time = crate::metrics::timed!("token.store");
        let _registered = token.expires.is_some().then(|| crate::metrics::timed!("expire.register-auth"));
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
        if let Some(key) = token.path_key() {
            batch = batch.put(key, Vec::new());
        }
        batch.append(with);
        let _seat = if token.is_leased() { Some(self.counts.seat(&place_of_token(&token)).await?) } else { None };
        let open = self.counts.open().await;
        let made = self.storage.commit(batch).await;
        if made.is_ok() && token.is_leased() {
            open.change(&place_of_token(&token), &record_key(&token.key), 1);
        }
        match made {
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
        let _time = crate::metrics::timed!("token.store");
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
        if let Some(listed) = token.path_key() {
            batch = batch.delete(listed);
        }
        batch = batch.put(tombstone(key), serde_json::to_vec(&token)?).put(due.key(), pointer(&target())?);
        let open = self.counts.open().await;
        match self.storage.commit(batch).await {
            Ok(()) => {
                if token.is_leased() {
                    open.change(&place_of_token(&token), &record_key(&token.key), -1);
                }
                Ok(Some(due))
            }
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
    /// A page of the tokens made below a path (namespace and request path, empty or ending in `/`): what follows the
    /// path, and the storage id behind the last slash of it.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn below(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let prefix = format!("token/path/{path}");
        let after = after.map(|rest| format!("{prefix}{rest}"));
        let page = self.storage.scan(&prefix, after.as_deref(), limit).await?;
        Ok(page.into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect())
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
