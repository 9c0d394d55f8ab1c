//! A mount's own corner of storage, in JSON.
use crate::Result;
use lessor_storage::{Batch, Expect, Storage, Version, Write};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Keys below one prefix. Everything passes the barrier.
#[derive(Clone)]
pub struct View {
    storage: Arc<dyn Storage>,
    prefix: Arc<str>,
}

/// Writes of one view that happen together.
#[derive(Clone, Default)]
pub struct Changes {
    batch: Batch,
}

impl Changes {
    /// No writes yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Stores `value` under `key`.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn put<T: Serialize>(mut self, key: &str, value: &T) -> Result<Self> {
        self.batch = self.batch.put(key, serde_json::to_vec(value)?);
        Ok(self)
    }
    /// Removes `key`.
    #[must_use]
    pub fn delete(mut self, key: &str) -> Self {
        self.batch = self.batch.delete(key);
        self
    }
    /// Only if `key` still has the version it was read with (`None`: still does not exist).
    #[must_use]
    pub fn expect(mut self, key: &str, version: Option<Version>) -> Self {
        self.batch = self.batch.expect(key, version.map_or(Expect::Absent, Expect::Version));
        self
    }
}

impl View {
    /// The corner of `storage` below `prefix` (which ends in `/`).
    pub fn new(storage: Arc<dyn Storage>, prefix: impl Into<Arc<str>>) -> Self {
        Self { storage, prefix: prefix.into() }
    }
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
    /// The value under `key`.
    ///
    /// # Errors
    /// When storage fails or the record is not of this type.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.get_versioned(key).await?.map(|(value, _)| value))
    }
    /// The value under `key` with the version to guard a later write by.
    ///
    /// # Errors
    /// As [`View::get`].
    pub async fn get_versioned<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, Version)>> {
        let Some(entry) = self.storage.get(&self.key(key)).await? else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&entry.value)?, entry.version)))
    }
    /// The version of what is under `key`: whether something read earlier still holds, without reading it again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn version(&self, key: &str) -> Result<Option<Version>> {
        Ok(self.storage.version(&self.key(key)).await?)
    }
    /// Stores `value` under `key`, whatever was there.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<()> {
        self.commit(Changes::new().put(key, value)?).await
    }
    /// Removes `key`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.commit(Changes::new().delete(key)).await
    }
    /// Commits several writes atomically.
    ///
    /// # Errors
    /// [`lessor_storage::Error::Conflict`] when a guard does not hold.
    pub async fn commit(&self, changes: Changes) -> Result<()> {
        Ok(self.storage.commit(self.batch(changes)).await?)
    }
    /// The same writes with full keys, for a commit together with others.
    pub fn batch(&self, changes: Changes) -> Batch {
        let expects = changes.batch.expects.into_iter().map(|(key, expect)| (self.key(&key), expect)).collect();
        let writes = changes.batch.writes.into_iter().map(|write| match write {
            Write::Put(key, value) => Write::Put(self.key(&key), value),
            Write::Delete(key) => Write::Delete(self.key(&key)),
        });
        Batch { expects, writes: writes.collect() }
    }
    /// Names directly below `folder` (empty, or ending in `/`); a name with more below it ends in `/`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = self.key(folder);
        let mut names: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.storage.scan(&prefix, after.as_deref(), LIST_PAGE).await?;
            for entry in &page {
                let rest = &entry.key[prefix.len()..];
                let name = rest.find('/').map_or(rest, |slash| &rest[..=slash]);
                if names.last().is_none_or(|last| last != name) {
                    names.push(name.to_owned());
                }
            }
            let Some(last) = page.last() else { return Ok(names) };
            if page.len() < LIST_PAGE {
                return Ok(names);
            }
            let rest = &last.key[prefix.len()..];
            // A whole sub-folder is skipped at once: '0' is the byte behind '/'.
            after = Some(
                rest.find('/')
                    .map_or_else(|| last.key.clone(), |slash| format!("{prefix}{}/\u{10FFFF}", &rest[..slash])),
            );
        }
    }
    /// The first keys below `folder`, deep and in order, without the prefix: at most `limit` of them.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn first_keys(&self, folder: &str, limit: usize) -> Result<Vec<String>> {
        let page = self.storage.scan(&self.key(folder), None, limit).await?;
        Ok(page.iter().map(|entry| entry.key[self.prefix.len()..].to_owned()).collect())
    }
    /// The next entries below `folder` behind `after`, in order of their names without the folder: at most `limit` of them.
    ///
    /// # Errors
    /// When storage fails or a record is not of this type.
    pub async fn page<T: DeserializeOwned>(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, T)>> {
        let page = self.raw_page(folder, after, limit).await?;
        page.into_iter().map(|(name, bytes)| Ok((name, serde_json::from_slice(&bytes)?))).collect()
    }
    /// The same, not read as anything.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn raw_page(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>> {
        let prefix = self.key(folder);
        let after = after.map(|after| format!("{prefix}{after}"));
        let page = self.storage.scan(&prefix, after.as_deref(), limit).await?;
        Ok(page.into_iter().map(|entry| (entry.key[prefix.len()..].to_owned(), entry.value)).collect())
    }
    /// Every key below the view's `folder`, deep, without the prefix.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn keys(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = self.key(folder);
        let mut keys = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.storage.scan(&prefix, after.as_deref(), LIST_PAGE).await?;
            keys.extend(page.iter().map(|entry| entry.key[self.prefix.len()..].to_owned()));
            if page.len() < LIST_PAGE {
                return Ok(keys);
            }
            after = page.last().map(|entry| entry.key.clone());
        }
    }
}

const LIST_PAGE: usize = 500;
