//! The engine for `server -dev` and for tests: an ordered map in memory, with hooks around every call.
use crate::{Batch, Entry, Error, Expect, Hook, Result, Snapshot, Storage, Version, Write};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps everything in memory; clones share the data. It does no I/O and sets no timer, so that it can be
/// used where time is paused.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
    hook: Option<Arc<dyn Hook>>,
    shared: bool,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, (Vec<u8>, Version)>,
    /// Counts batches; kept apart from the entries so that a deleted key takes no version with it.
    last: u64,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that says of itself that several nodes use it.
    pub fn shared() -> Self {
        Self { shared: true, ..Self::default() }
    }

    /// Another handle on the same data whose calls, and only they, pass through `hook`.
    #[must_use]
    pub fn with_hook(&self, hook: impl Into<Arc<dyn Hook>>) -> Self {
        Self { state: Arc::clone(&self.state), hook: Some(hook.into()), shared: self.shared }
    }

    /// Another handle on the same data without a hook, as a node has it that starts after a crash.
    #[must_use]
    pub fn without_hook(&self) -> Self {
        Self { state: Arc::clone(&self.state), hook: None, shared: self.shared }
    }

    async fn before(&self, op: &str) -> Result<()> {
        match &self.hook {
            Some(hook) => hook.before(op).await,
            None => Ok(()),
        }
    }

    async fn after(&self, op: &str) -> Result<()> {
        match &self.hook {
            Some(hook) => hook.after(op).await,
            None => Ok(()),
        }
    }

    /// No code that holds the lock can panic halfway through a batch, so a poisoned state is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&self, key: &str) -> Option<Entry> {
        let (value, version) = self.entries.get(key)?;
        Some(Entry { key: key.to_owned(), value: value.clone(), version: *version })
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Entry> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.entries
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, (value, version))| Entry { key: key.clone(), value: value.clone(), version: *version })
            .collect()
    }

    fn commit(&mut self, batch: Batch) -> Result<()> {
        for (key, expect) in batch.expects {
            let found = self.entries.get(&key).map(|(_, version)| *version);
            if !expect.holds(found) {
                return Err(Error::Conflict { key });
            }
        }
        self.last += 1;
        for write in batch.writes {
            match write {
                Write::Put(key, value) => drop(self.entries.insert(key, (value, Version(self.last)))),
                Write::Delete(key) => drop(self.entries.remove(&key)),
            }
        }
        Ok(())
    }
}

impl Expect {
    /// Whether a key that was found with this version, or not found, is what the caller expects.
    pub(crate) fn holds(self, found: Option<Version>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Version(version) => found == Some(version),
        }
    }
}

/// All entries at once.
struct Copy(Vec<Entry>);

#[async_trait]
impl Snapshot for Copy {
    async fn page(&mut self) -> Result<Vec<Entry>> {
        Ok(std::mem::take(&mut self.0))
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.before("get").await?;
        let entry = self.state().entry(key);
        self.after("get").await?;
        Ok(entry)
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.before("scan").await?;
        let entries = self.state().scan(prefix, after, limit);
        self.after("scan").await?;
        Ok(entries)
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.before("commit").await?;
        self.state().commit(batch)?;
        self.after("commit").await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.before("snapshot").await?;
        Ok(Box::new(Copy(self.state().scan("", None, usize::MAX))))
    }

    fn is_shared(&self) -> bool {
        self.shared
    }
}
