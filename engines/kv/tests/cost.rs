//! How often storage is asked: these requests are the most frequent of all.
mod support;
use async_trait::async_trait;
use lessor_engine::Operation::Update;
use lessor_storage::{Batch, Entry, MemoryStorage, Result, Storage};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::Kv;

#[derive(Default)]
struct Counting {
    inner: MemoryStorage,
    gets: AtomicUsize,
    scans: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Storage for Counting {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key).await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        self.inner.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(batch).await
    }
}

impl Counting {
    fn take(&self) -> (usize, usize, usize) {
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        (take(&self.gets), take(&self.scans), take(&self.commits))
    }
}

#[tokio::test]
async fn a_versioned_read_takes_two_gets_and_a_write_one_commit() {
    let storage = Arc::new(Counting::default());
    let kv = Kv::over(storage.clone(), "2");
    kv.write("data/a", json!({"data": {"k": 1}})).await;
    storage.take();
    kv.read("data/a").await.data();
    assert_eq!(storage.take(), (2, 0, 0));
    kv.ok(Update, "data/a", json!({"data": {"k": 2}})).await.data();
    assert_eq!(storage.take(), (2, 0, 1));
    kv.ok(Update, "data/new", json!({"data": {"k": 2}})).await.data();
    assert_eq!(storage.take(), (2, 0, 1));
}
