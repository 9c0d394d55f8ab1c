//! One server at a time.
use crate::postgres::Postgres;
use crate::{root, shared};
use lessor_storage::{Batch, StorageKind};
use lessor_storage_postgres::PostgresKind;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_is_refused_until_the_first_has_stopped() {
    let postgres = shared();
    let stanza = root(&postgres);
    let first = PostgresKind.open(&stanza).await.unwrap();
    first.storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let error = PostgresKind.open(&stanza).await.err().unwrap().to_string();
    assert!(error.contains(&format!("another server (lessor, process {}", std::process::id())), "{error}");
    // Another table is another storage.
    PostgresKind.open(&root(&postgres)).await.unwrap();
    first.alone.unwrap().release().await;
    let begun = Instant::now();
    let second = PostgresKind.open(&stanza).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert!(second.storage.get("k").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_is_held_again_when_the_database_comes_back() {
    let mut postgres = Postgres::start();
    let stanza = root(&postgres);
    let mut server = PostgresKind.open(&stanza).await.unwrap();
    postgres.kill();
    tokio::time::sleep(Duration::from_secs(3)).await;
    postgres.resume();
    server.storage.commit(Batch::new().put("k", "v")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let error = PostgresKind.open(&stanza).await.err().unwrap().to_string();
    assert!(error.contains("another server"), "{error}");
    let lost = tokio::time::timeout(Duration::from_millis(100), server.alone.as_mut().unwrap().lost()).await;
    assert!(lost.is_err(), "the right was given up");
}
