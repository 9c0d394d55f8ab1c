//! The suite that every engine passes, unchanged; and once more where each call goes to another of two clients.
use crate::etcd::Etcd;
use crate::{shared, stanza};
use async_trait::async_trait;
use lessor_storage::{Batch, Entry, Result, Snapshot, Storage, Version};
use lessor_storage_etcd::EtcdStorage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Nodes on one path, used in turn.
struct Nodes {
    nodes: Vec<EtcdStorage>,
    turn: AtomicUsize,
    _server: Arc<Etcd>,
}

impl Nodes {
    fn next(&self) -> &EtcdStorage {
        &self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len()]
    }
}

#[async_trait]
impl Storage for Nodes {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.next().get(key).await
    }
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        self.next().version(key).await
    }
    async fn versions(&self, keys: &[&str]) -> Result<Vec<Option<Version>>> {
        self.next().versions(keys).await
    }
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.next().snapshot().await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.next().scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        self.next().commit(batch).await
    }
}

async fn open(count: usize) -> Arc<dyn Storage> {
    let server = shared();
    let stanza = stanza(&server);
    // All of them mark the path at once.
    let opened = futures::future::join_all((0..count).map(|_| EtcdStorage::open(&stanza))).await;
    let nodes = opened.into_iter().map(Result::unwrap).collect();
    Arc::new(Nodes { nodes, turn: AtomicUsize::new(0), _server: server })
}

mod one_client {
    lessor_storage::storage_conformance!(|| super::open(1));
}

mod two_clients {
    lessor_storage::storage_conformance!(|| super::open(2));
}
