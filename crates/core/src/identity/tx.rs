//! A unit of work: reads remember the versions they saw, writes wait, and one guarded commit does it all or nothing.
use super::record::{Entity, Group, Named};
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Error as StorageError, Expect, Storage, Version};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a change is decided anew before it gives up.
const TRIES: u32 = 64;
/// Keys of one scan.
const PAGE: usize = 500;

/// Everything of one namespace. A namespace's own slashes are written as `%2F`, so that none lies inside another.
pub(super) fn prefix(namespace: &str) -> String {
    format!("identity/{}/", namespace.trim_end_matches('/').replace('%', "%25").replace('/', "%2F"))
}

struct Slot {
    /// What a commit expects to find still; `None` where nothing was read.
    seen: Option<Option<Version>>,
    value: Option<Vec<u8>>,
    written: bool,
}

/// One change, under way.
pub(super) struct Tx {
    storage: Arc<dyn Storage>,
    prefix: String,
    /// The namespace it works in.
    pub namespace: String,
    /// When it happens.
    pub now: Timestamp,
    slots: BTreeMap<String, Slot>,
}

impl Tx {
    pub fn new(storage: Arc<dyn Storage>, namespace: &str, now: Timestamp) -> Self {
        Self { storage, prefix: prefix(namespace), namespace: namespace.to_owned(), now, slots: BTreeMap::new() }
    }
    /// What the change would leave under `key`.
    pub async fn get<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>> {
        if !self.slots.contains_key(key) {
            let entry = self.storage.get(&format!("{}{key}", self.prefix)).await?;
            let seen = Some(entry.as_ref().map(|entry| entry.version));
            self.slots.insert(key.to_owned(), Slot { seen, value: entry.map(|entry| entry.value), written: false });
        }
        let value = self.slots.get(key).and_then(|slot| slot.value.as_deref());
        Ok(value.map(serde_json::from_slice).transpose()?)
    }
    /// The version of `key` as it was read; `None` where it was not there.
    pub fn version(&self, key: &str) -> Option<Version> {
        self.slots.get(key)?.seen?
    }
    fn set(&mut self, key: String, value: Option<Vec<u8>>) {
        let slot = self.slots.entry(key).or_insert(Slot { seen: None, value: None, written: false });
        slot.value = value;
        slot.written = true;
    }
    /// Stores `value` under `key`.
    pub fn put<T: Serialize>(&mut self, key: impl Into<String>, value: &T) -> Result<()> {
        self.set(key.into(), Some(serde_json::to_vec(value)?));
        Ok(())
    }
    /// Removes `key`.
    pub fn delete(&mut self, key: impl Into<String>) {
        self.set(key.into(), None);
    }
    /// Commits; `false` when somebody else was faster and the change has to be decided anew. `tries` counts.
    ///
    /// # Errors
    /// When storage fails, or others were faster too often.
    pub async fn commit(self, tries: &mut u32) -> Result<bool> {
        if self.slots.values().all(|slot| !slot.written) {
            return Ok(true);
        }
        let mut batch = Batch::new();
        for (key, slot) in self.slots {
            let key = format!("{}{key}", self.prefix);
            if let Some(seen) = slot.seen {
                batch = batch.expect(&key, seen.map_or(Expect::Absent, Expect::Version));
            }
            match slot.value {
                Some(value) if slot.written => batch = batch.put(key, value),
                None if slot.written => batch = batch.delete(key),
                _ => {}
            }
        }
        match self.storage.commit(batch).await {
            Ok(()) => Ok(true),
            Err(StorageError::Conflict { .. }) if *tries < TRIES => {
                *tries += 1;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
    /// The names right below `folder` (which ends in `/`) in storage, whatever this change would do to them.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let from = format!("{}{folder}", self.prefix);
        let mut names: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.storage.scan(&from, after.as_deref(), PAGE).await?;
            names.extend(page.iter().map(|entry| entry.key[from.len()..].to_owned()));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => return Ok(names),
            }
        }
    }
    /// Every record below `folder` (which ends in `/`), in the order of their keys.
    pub async fn all<T: DeserializeOwned>(&self, folder: &str) -> Result<Vec<(String, T)>> {
        let from = format!("{}{folder}", self.prefix);
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.storage.scan(&from, after.as_deref(), PAGE).await?;
            for entry in &page {
                found.push((entry.key[from.len()..].to_owned(), serde_json::from_slice(&entry.value)?));
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => return Ok(found),
            }
        }
    }
    /// The first records below `folder`.
    pub async fn first<T: DeserializeOwned>(&self, folder: &str, limit: usize) -> Result<Vec<(String, T)>> {
        let from = format!("{}{folder}", self.prefix);
        let page = self.storage.scan(&from, None, limit).await?;
        page.iter()
            .map(|entry| Ok((entry.key[from.len()..].to_owned(), serde_json::from_slice(&entry.value)?)))
            .collect()
    }
    /// Commits the writes, whatever became of what was read.
    pub async fn commit_writes(mut self) -> Result<()> {
        self.slots.retain(|_, slot| slot.written);
        for slot in self.slots.values_mut() {
            slot.seen = None;
        }
        self.commit(&mut TRIES.clone()).await.map(|_| ())
    }
    /// The entity of that id.
    pub async fn entity(&mut self, id: &str) -> Result<Option<Entity>> {
        self.get(&entity_key(id)).await
    }
    /// The group of that id.
    pub async fn group(&mut self, id: &str) -> Result<Option<Group>> {
        self.get(&group_key(id)).await
    }
    /// The id that an index key points to.
    pub async fn pointed(&mut self, key: &str) -> Result<Option<String>> {
        Ok(self.get::<Named>(key).await?.map(|named| named.id))
    }
    /// Stores a group; every cached subject is looked up anew.
    pub fn put_group(&mut self, group: &Group) -> Result<()> {
        self.delete_cached();
        self.put(group_key(&group.id), group)
    }
    /// Makes every node look up groups again.
    pub fn delete_cached(&mut self) {
        // The value says nothing: the version of the key is what counts.
        self.set(GROUPS_CHANGED.to_owned(), Some(b"0".to_vec()));
    }
}

/// Written with every change of a group.
pub(super) const GROUPS_CHANGED: &str = "groups-changed";

pub(super) fn entity_key(id: &str) -> String {
    format!("entity/id/{id}")
}
/// Names are compared without case.
pub(super) fn entity_name_key(name: &str) -> String {
    format!("entity/name/{}", name.to_lowercase())
}
pub(super) fn alias_key(id: &str) -> String {
    format!("alias/id/{id}")
}
pub(super) fn alias_name_key(accessor: &str, name: &str) -> String {
    format!("alias/name/{accessor}/{}", name.to_lowercase())
}
pub(super) fn group_key(id: &str) -> String {
    format!("group/id/{id}")
}
pub(super) fn group_name_key(name: &str) -> String {
    format!("group/name/{}", name.to_lowercase())
}
pub(super) fn group_alias_key(id: &str) -> String {
    format!("group-alias/id/{id}")
}
pub(super) fn group_alias_name_key(accessor: &str, name: &str) -> String {
    format!("group-alias/name/{accessor}/{}", name.to_lowercase())
}
/// The members of a group, one key each.
pub(super) fn member_key(group: &str, entity: &str) -> String {
    format!("group/member/{group}/{entity}")
}

/// The answer to a name that is taken.
pub(super) fn taken(what: &str) -> Error {
    Error::invalid(format!("{what} name is already in use"))
}

/// The MFA secrets of an entity, one key per method.
pub(super) fn secrets_of(entity: &str) -> String {
    format!("mfa/secret/{entity}/")
}
