//! The seal `kmip` with PyKMIP's server.
use crate::lessor::Lessor;
use crate::seal_keepers::{disabled, enabled, fill, migrate, opened, opens_by_itself};
use crate::targets::kmip::Kmip;
use lessor_client::Request;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_a_kmip_server_opens_the_node_and_a_node_waits_for_its_return() {
    let directory = tempfile::tempdir().unwrap();
    let mut kmip = Kmip::start(directory.path());
    let lessor = Lessor::stored(directory.path(), &enabled(&kmip.stanza("client"))).await;
    let (lessor, _) = opens_by_itself(lessor, "kmip").await;
    kmip.stop();
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(lessor.read("sys/seal-status").await["sealed"], true);
    assert_eq!(lessor.refused(Request::get("kv/a")).await.0, 503);
    kmip.resume();
    opened(&lessor, Duration::from_secs(30)).await;
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
    // What was taken out of use encrypts and decrypts no more.
    kmip.revoke_key();
    let lessor = lessor.kill_and_restart().await;
    let said = || std::fs::read_to_string(directory.path().join("output.log")).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while !said().contains("the seal refused: kmip:") {
        assert!(Instant::now() < end, "{}", said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(lessor.read("sys/seal-status").await["sealed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kmip_server_that_does_not_know_the_certificate_seals_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let kmip = Kmip::start(directory.path());
    let lessor = Lessor::stored(directory.path(), &enabled(&kmip.stanza("stranger"))).await;
    let init = Request::put("sys/init", json!({ "recovery_shares": 1, "recovery_threshold": 1 }));
    let (status, error) = lessor.refused(init).await;
    assert!(status == 500 && error.contains("kmip"), "{status} {error}");
    assert_eq!(lessor.read("sys/init").await["initialized"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_moves_to_a_kmip_server_and_away_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let kmip = Kmip::start(directory.path());
    let fixed = Lessor::STATIC.replace("seal \"static\" {", "seal \"static\" { DISABLED\n");
    let mut lessor = Lessor::stored(directory.path(), &enabled(&fixed)).await;
    let shares = fill(&mut lessor).await;
    let lessor = lessor.restart_with(&format!("{}\n{}", enabled(&kmip.stanza("client")), disabled(&fixed))).await;
    migrate(&lessor, &shares).await;
    let lessor = lessor.restart_with(&enabled(&kmip.stanza("client"))).await;
    assert_eq!(opened(&lessor, Duration::from_secs(20)).await["type"], "kmip");
    let lessor = lessor.restart_with(&format!("{}\n{}", enabled(&fixed), disabled(&kmip.stanza("client")))).await;
    migrate(&lessor, &shares).await;
    drop(kmip);
    let lessor = lessor.restart_with(&enabled(&fixed)).await;
    assert_eq!(opened(&lessor, Duration::from_secs(20)).await["type"], "static");
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
}
