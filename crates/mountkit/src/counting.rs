//! Memory storage that counts how often it is asked.
use async_trait::async_trait;
use lessor_storage::{Batch, Entry, MemoryStorage, Storage};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The storage.
#[derive(Default)]
pub struct Counting {
    /// Where the records lie; asking it is not counted.
    pub inner: MemoryStorage,
    gets: AtomicUsize,
    scans: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Storage for Counting {
    async fn get(&self, key: &str) -> lessor_storage::Result<Option<Entry>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key).await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> lessor_storage::Result<Vec<Entry>> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        self.inner.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> lessor_storage::Result<()> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(batch).await
    }
}

impl Counting {
    /// Gets, scans and commits since the last call.
    pub fn take(&self) -> (usize, usize, usize) {
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        (take(&self.gets), take(&self.scans), take(&self.commits))
    }
    /// Everything that is stored, keys and values.
    pub async fn text(&self) -> String {
        let all = self.inner.scan("", None, 100_000).await.unwrap();
        all.iter().map(|entry| format!("{} {}\n", entry.key, String::from_utf8_lossy(&entry.value))).collect()
    }
}
