//! Storage for work that another node takes over when this one is taken for dead.
use async_trait::async_trait;
use lessor_storage::{Batch, Entry, Expect, Result, Storage, Version};
use std::sync::Arc;

/// Adds to every commit that the node's record is still there.
pub(super) struct Fenced {
    below: Arc<dyn Storage>,
    node: String,
}

impl Fenced {
    /// `node` is the key of the node's record.
    pub fn new(below: Arc<dyn Storage>, node: String) -> Self {
        Self { below, node }
    }
}

#[async_trait]
impl Storage for Fenced {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.below.get(key).await
    }
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        self.below.version(key).await
    }
    async fn versions(&self, keys: &[&str]) -> Result<Vec<Option<Version>>> {
        self.below.versions(keys).await
    }
    fn is_shared(&self) -> bool {
        self.below.is_shared()
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.below.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        self.below.commit(batch.expect(&self.node, Expect::Present)).await
    }
}
