//! One server at a time.
use crate::etcd::Etcd;
use crate::{shared, stanza};
use lessor_storage::{Batch, StorageKind};
use lessor_storage_etcd::EtcdKind;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_is_refused_until_the_first_has_stopped_or_died() {
    let etcd = shared();
    let stanza = stanza(&etcd).with("lock_timeout", "1s");
    let first = EtcdKind.open(&stanza).await.unwrap();
    first.storage.commit(Batch::new().put("k", "v")).await.unwrap();
    // Longer than the lease lasts: it is renewed.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let error = EtcdKind.open(&stanza).await.err().unwrap().to_string();
    assert!(error.contains(&format!("another server (lessor, process {}", std::process::id())), "{error}");
    first.alone.unwrap().release().await;
    let begun = Instant::now();
    let second = EtcdKind.open(&stanza).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    // As if its process had been killed: nobody gives the right back, and it ends by itself.
    drop(second);
    EtcdKind.open(&stanza.with("lock_timeout", "15s")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_is_held_again_when_etcd_comes_back_and_lost_when_somebody_took_it() {
    let mut etcd = Etcd::start();
    let stanza = stanza(&etcd).with("lock_timeout", "1s");
    let mut server = EtcdKind.open(&stanza).await.unwrap();
    etcd.kill(0);
    tokio::time::sleep(Duration::from_secs(4)).await;
    etcd.resume(0);
    server.storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let error = EtcdKind.open(&stanza).await.err().unwrap().to_string();
    assert!(error.contains("another server"), "{error}");
    // An operator takes the right away and gives it to somebody else.
    let lock = format!("{}lock", stanza.text("path").unwrap());
    let leases = etcd.run(&["lease", "list"]);
    for lease in leases.lines().filter(|line| line.len() == 16) {
        etcd.run(&["lease", "revoke", lease]);
    }
    etcd.run(&["put", &lock, "somebody else"]);
    let lost = tokio::time::timeout(Duration::from_secs(10), server.alone.as_mut().unwrap().lost()).await.unwrap();
    assert!(lost.contains("another server (somebody else) has taken the storage over"), "{lost}");
    server.storage.get("k").await.unwrap_err();
}
