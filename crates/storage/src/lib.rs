//! Where Lessor keeps its records: one small trait, its engines, and the suite each of them passes.
//!
//! The whole contract is [`Storage`]: read one key, scan a prefix in key order, and commit a batch of
//! writes atomically if the keys it names still have the versions the caller saw. PostgreSQL and etcd can
//! keep it as they are, so nothing above this crate knows which engine it runs on.
//!
//! [`MemoryStorage`] keeps everything in memory and lets a test fail or freeze any single call.
//! [`EmbeddedStorage`] is the default: one directory, safe against crashes, many commits to one flush.
//! [`conformance`] is the suite that every engine passes, those of other crates included. [`Kinds`] names the engines a
//! program was built with.
use async_trait::async_trait;

mod cached;
pub mod conformance;
mod embedded;
mod fault;
mod kind;
mod memory;
mod migrate;

pub use cached::CachedStorage;
pub use embedded::EmbeddedStorage;
pub use fault::{FaultHook, Hook, Moment, Outcome};
pub use kind::{Kinds, Opened, Stanza, StorageKind};
pub use memory::MemoryStorage;
pub use migrate::{Migrated, forget_migration, migrate};

/// What a key holds: opaque bytes and the version by which a later commit can be guarded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The full key; UTF-8, compared byte by byte.
    pub key: String,
    /// The bytes last committed under the key.
    pub value: Vec<u8>,
    /// Grows with every commit that writes the key; never reused, not even after a delete.
    pub version: Version,
}

/// The version of a key. Only equality has a meaning to callers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Version(pub u64);

/// What a commit demands of a key before it takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key exists, at whatever version.
    Present,
    /// The key exists with this version.
    Version(Version),
}

/// One write of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Stores the value under the key, whatever was there before.
    Put(String, Vec<u8>),
    /// Removes the key; a key that is not there is no fault.
    Delete(String),
}

/// Writes that happen together or not at all, guarded by what the caller expects to find.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Checked first, all of them, against the state before the batch.
    pub expects: Vec<(String, Expect)>,
    /// Applied in order; the last write of a key wins.
    pub writes: Vec<Write>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a put.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::Put(key.into(), value.into()));
        self
    }
    /// Adds a delete.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.writes.push(Write::Delete(key.into()));
        self
    }
    /// Adds a guard.
    #[must_use]
    pub fn expect(mut self, key: impl Into<String>, expect: Expect) -> Self {
        self.expects.push((key.into(), expect));
        self
    }
    /// Moves all of `other` behind what is already here.
    pub fn append(&mut self, other: Batch) {
        self.expects.extend(other.expects);
        self.writes.extend(other.writes);
    }
}

/// Why storage refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A guard of the batch did not hold; nothing was written. Read again and decide anew.
    #[error("`{key}` was changed by someone else")]
    Conflict {
        /// The first key whose guard failed.
        key: String,
    },
    /// The engine cannot be reached or failed; whether the batch was written is not known.
    #[error("storage failed: {0}")]
    Unavailable(String),
    /// What was read is not what was written.
    #[error("`{key}` is damaged: {reason}")]
    Corrupt {
        /// The damaged key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The layer above storage holds no key to read it with.
    #[error("sealed")]
    Sealed,
}

/// The result of a storage call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The entries of one moment, in the order of their keys.
#[async_trait]
pub trait Snapshot: Send {
    /// The next of them; none at the end.
    async fn page(&mut self) -> Result<Vec<Entry>>;
}

/// An ordered map of keys to bytes with atomic, guarded batches. A commit that returned `Ok` is durable.
#[async_trait]
pub trait Storage: Send + Sync {
    /// The entry under `key`, if there is one.
    async fn get(&self, key: &str) -> Result<Option<Entry>>;
    /// The version of the entry under `key`: whether what was read earlier still holds.
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        Ok(self.get(key).await?.map(|entry| entry.version))
    }
    /// The same of several keys, in one round trip where there is one to make.
    async fn versions(&self, keys: &[&str]) -> Result<Vec<Option<Version>>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.version(key).await?);
        }
        Ok(found)
    }
    /// Everything as of one moment, whatever is written meanwhile.
    ///
    /// # Errors
    /// When the engine cannot give it.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Err(Error::Unavailable("this storage engine takes no snapshots".into()))
    }
    /// Whether other processes may write to it at the same time.
    fn is_shared(&self) -> bool {
        false
    }
    /// Up to `limit` entries whose keys start with `prefix`, in byte order of the keys, beginning behind
    /// the key `after` (exclusive) where one is given.
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>>;
    /// Checks every guard, then applies every write, as one atomic step that is durable on return.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a guard does not hold: nothing was written.
    async fn commit(&self, batch: Batch) -> Result<()>;
}
