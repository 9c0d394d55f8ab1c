//! Commits a second, for docs/decisions: `cargo test --release -p lessor-storage-etcd -- --ignored --nocapture figures`.
use crate::etcd::Etcd;
use crate::stanza;
use lessor_storage::{Storage, conformance::commits_per_second};
use lessor_storage_etcd::EtcdStorage;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and proves nothing"]
async fn figures() {
    for members in [1, 3] {
        let etcd = Etcd::start_with(members, &[]);
        let storage: Arc<dyn Storage> = Arc::new(EtcdStorage::open(&stanza(&etcd)).await.unwrap());
        for writers in [1, 16, 64] {
            let figure = commits_per_second(&storage, writers, Duration::from_secs(5)).await.unwrap();
            println!("{members} members, {writers} writers: {figure} commits/s");
        }
    }
}
