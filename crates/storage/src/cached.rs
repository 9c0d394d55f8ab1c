//! A read cache for storage that nobody else writes to.
use crate::{Batch, Entry, Result, Snapshot, Storage, Version, Write};
use async_trait::async_trait;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// Larger values are read anew each time.
const LARGEST: usize = 64 * 1024;

/// Remembers point reads, hits and misses alike, up to a number of bytes. Right only where every write goes through
/// this value: the embedded engine locks its directory, so it is; a database that several nodes share is not.
///
/// A read that began before a commit is not remembered once the commit has begun: each write moves its shard's
/// generation on, before and after it takes effect, and a read counts only for the generation it began in.
pub struct CachedStorage {
    below: Arc<dyn Storage>,
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    bound: usize,
}

#[derive(Default)]
struct Shard {
    generation: u64,
    bytes: usize,
    entries: HashMap<String, Option<Entry>>,
}

fn weight(key: &str, entry: Option<&Entry>) -> usize {
    2 * key.len() + entry.map_or(0, |entry| entry.value.len()) + 128
}

impl Shard {
    fn forget(&mut self, key: &str) {
        self.generation += 1;
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= weight(key, entry.as_ref());
        }
    }
    fn remember(&mut self, key: &str, entry: Option<Entry>, bound: usize) {
        let weight = weight(key, entry.as_ref());
        if self.bytes + weight > bound {
            // Starting afresh costs a few reads; keeping an order of use would cost every read.
            self.entries.clear();
            self.bytes = 0;
        }
        if self.entries.insert(key.to_owned(), entry).is_none() {
            self.bytes += weight;
        }
    }
}

impl CachedStorage {
    /// Keeps about `bytes` of what is read from `below`.
    pub fn new(below: Arc<dyn Storage>, bytes: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { below, hasher: RandomState::new(), shards, bound: bytes / SHARDS }
    }
    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn forget(&self, writes: &[String]) {
        for key in writes {
            self.shard(key).forget(key);
        }
    }
}

#[async_trait]
impl Storage for CachedStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let generation = {
            let shard = self.shard(key);
            if let Some(entry) = shard.entries.get(key) {
                return Ok(entry.clone());
            }
            shard.generation
        };
        let entry = self.below.get(key).await?;
        if entry.as_ref().is_none_or(|entry| entry.value.len() <= LARGEST) {
            let mut shard = self.shard(key);
            if shard.generation == generation && !shard.entries.contains_key(key) {
                shard.remember(key, entry.clone(), self.bound);
            }
        }
        Ok(entry)
    }
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        let known = self.shard(key).entries.get(key).map(|entry| entry.as_ref().map(|entry| entry.version));
        match known {
            Some(version) => Ok(version),
            None => Ok(self.get(key).await?.map(|entry| entry.version)),
        }
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.below.scan(prefix, after, limit).await
    }
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.below.snapshot().await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        let keys = batch.writes.iter().map(|write| match write {
            Write::Put(key, _) | Write::Delete(key) => key.clone(),
        });
        let forget = Forget { cache: self, keys: keys.collect() };
        forget.cache.forget(&forget.keys);
        self.below.commit(batch).await
    }
}

/// Forgets again when the commit is over, also when nobody waits for its end any more.
struct Forget<'a> {
    cache: &'a CachedStorage,
    keys: Vec<String>,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.cache.forget(&self.keys);
    }
}
