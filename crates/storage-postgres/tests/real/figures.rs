//! Commits a second, for docs/decisions: `cargo test --release -p lessor-storage-postgres -- --ignored --nocapture figures`.
use crate::postgres::Postgres;
use crate::root;
use lessor_storage::{Storage, conformance::commits_per_second};
use lessor_storage_postgres::PostgresStorage;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and proves nothing"]
async fn figures() {
    let postgres = Postgres::start_with(|_| vec!["fsync=on".to_owned()]);
    for parallel in ["8", "24", "64"] {
        let storage = PostgresStorage::open(&root(&postgres).with("max_parallel", parallel)).await.unwrap();
        let storage: Arc<dyn Storage> = Arc::new(storage);
        for writers in [1, 16, 64] {
            let figure = commits_per_second(&storage, writers, Duration::from_secs(5)).await.unwrap();
            println!("{parallel} connections, {writers} writers: {figure} commits/s");
        }
    }
}
