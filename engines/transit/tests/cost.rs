//! How often storage is asked: encrypting and decrypting are what a mount does all day.
mod support;
use async_trait::async_trait;
use lessor_storage::{Batch, Entry, MemoryStorage, Result, Storage};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::Transit;

#[derive(Default)]
struct Counting {
    inner: MemoryStorage,
    gets: AtomicUsize,
    others: AtomicUsize,
}

#[async_trait]
impl Storage for Counting {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key).await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.inner.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(batch).await
    }
}

impl Counting {
    fn take(&self) -> (usize, usize) {
        (self.gets.swap(0, Ordering::SeqCst), self.others.swap(0, Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_known_key_is_used_with_one_get_and_no_write() {
    let storage = Arc::new(Counting::default());
    let transit = Transit::over(storage.clone());
    let sealed = transit.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data();
    storage.take();
    transit.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data();
    assert_eq!(storage.take(), (1, 0));
    transit.write("decrypt/k", json!({ "ciphertext": sealed["ciphertext"] })).await.data();
    assert_eq!(storage.take(), (1, 0));
    // Whether it is a creation is asked beforehand.
    assert!(transit.exists("encrypt/k").await);
    assert_eq!(storage.take(), (1, 0));
}
