//! Backup and restore, on memory storage and in virtual time.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_core::request::Request;
use lessor_core::response::{Body, Response};
use lessor_engine::Operation::{self, Read, Update};
use lessor_engine::Secret;
use lessor_engine::simulation::{Platform, Simulation};
use lessor_storage::{Batch, FaultHook, Hook, MemoryStorage, Moment, Outcome, Storage};
use lessor_testkit::node::{Node, ROOT, World, ok, request};
use lessor_testkit::sim::{self, Cloud};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

async fn node() -> (World, Node, Arc<Cloud>) {
    let (Simulation { factory, setup, .. }, cloud) = sim::simulation();
    let world = World::new(vec![factory]);
    let node = world.initialise().await;
    node.write("sys/mounts/sim", json!({ "type": "sim" })).await;
    for step in &setup {
        ok(&step.path, node.step("sim/", step).await);
    }
    (world, node, cloud)
}

async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_secs(n)).await;
}

async fn taken(node: &Node) -> Vec<u8> {
    let answer = node.ask(Read, "sys/storage/raft/snapshot", Value::Null).await;
    let Body::Stream(mut stream) = answer.body else { panic!("no stream") };
    let mut bytes = Vec::new();
    while let Some(piece) = stream.pieces.recv().await {
        bytes.extend(piece);
    }
    bytes
}

fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn restoring(path: &str, bytes: &[u8]) -> Request {
    Request { token: Some(Secret::new(ROOT)), upload: Some(file(bytes)), ..request(Update, path, Value::Null) }
}

async fn restored(node: &Node, bytes: &[u8]) -> Response {
    node.send(restoring("sys/storage/raft/snapshot", bytes)).await
}

async fn is_mounted(node: &Node, path: &str) -> bool {
    node.ask(Operation::Read, "sys/mounts", Value::Null).await.body.into_value()["data"][path].is_object()
}

fn error(answer: Response) -> (u16, String) {
    let body = answer.body.into_value();
    (answer.status, body["errors"][0].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_restored_storage_is_as_it_was_and_leaves_the_leases_alone_until_told_otherwise() {
    let (_, node, cloud) = node().await;
    let lease = node.read("sim/creds/app").await;
    let bytes = taken(&node).await;
    node.write("sys/mounts/later", json!({ "type": "sim" })).await;
    let unknown = node.read("sim/creds/app").await;
    assert_eq!(restored(&node, &bytes).await.status, 204);
    assert!(is_mounted(&node, "sim/").await && !is_mounted(&node, "later/").await);
    node.write("sys/leases/lookup", json!({ "lease_id": lease["lease_id"] })).await;
    let gone = node.ask(Update, "sys/leases/lookup", json!({ "lease_id": unknown["lease_id"] })).await;
    assert_eq!(gone.status, 400);
    assert_eq!(cloud.live().len(), 2, "the credential that the backup does not know is there for `reconcile`");
    let report = node.write("sys/reconcile/sim", json!({})).await;
    assert_eq!(report["data"]["orphans"].as_array().unwrap().len(), 1);
    node.write("sys/leases/resume", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_revoked_after_a_restore_before_an_operator_says_so() {
    let (world, node, cloud) = node().await;
    node.read("sim/creds/app").await;
    let bytes = taken(&node).await;
    assert_eq!(restored(&node, &bytes).await.status, 204);
    seconds(4000).await;
    assert_eq!(cloud.live().len(), 1);
    node.core.seal().await;
    let node = world.start(world.storage.clone()).await;
    seconds(4000).await;
    assert_eq!(cloud.live().len(), 1, "not even after another start");
    node.write("sys/leases/resume", json!({})).await;
    seconds(5).await;
    assert_eq!(cloud.live().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_refused_and_changes_nothing() {
    let (_, node, _) = node().await;
    let bytes = taken(&node).await;
    node.write("sys/mounts/later", json!({ "type": "sim" })).await;
    for wrong in [b"nonsense".as_slice(), &bytes[..bytes.len() / 2], &[]] {
        let (status, text) = error(restored(&node, wrong).await);
        assert_eq!(status, 400);
        assert!(text.contains("no snapshot of Lessor, or it is damaged"), "{text}");
    }
    let (status, text) = error(node.ask(Update, "sys/storage/raft/snapshot", json!({})).await);
    assert_eq!((status, text.as_str()), (400, "the body of the request has to be a snapshot"));
    assert!(is_mounted(&node, "later/").await);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_other_keys_is_restored_by_force_alone_and_opens_with_its_own() {
    let bytes = taken(&node().await.1).await;
    let (_, node, _) = node().await;
    let refused = restored(&node, &bytes).await;
    let (status, text) = error(refused);
    assert_eq!(status, 400);
    assert!(text.contains("made with other keys"), "{text}");
    assert!(is_mounted(&node, "sim/").await);
    let forced = node.send(restoring("sys/storage/raft/snapshot-force", &bytes)).await;
    assert_eq!(forced.status, 204);
    assert!(node.core.active().is_err(), "it is sealed until somebody comes with the keys of the snapshot");
}

/// Another disk with the same on it.
async fn copy(disk: &MemoryStorage) -> MemoryStorage {
    let (copy, mut snapshot) = (MemoryStorage::new(), disk.snapshot().await.unwrap());
    let all = snapshot.page().await.unwrap();
    copy.commit(all.into_iter().fold(Batch::new(), |batch, entry| batch.put(entry.key, entry.value))).await.unwrap();
    copy
}

#[tokio::test(start_paused = true)]
async fn a_crash_anywhere_in_a_restore_leaves_the_old_storage_or_the_new_one() {
    let (world, node, _) = node().await;
    let bytes = taken(&node).await;
    node.write("sys/mounts/later", json!({ "type": "sim" })).await;
    node.core.seal().await;
    let (mut points, mut old) = (0, 0);
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let disk = copy(&world.storage).await;
            let counting = Arc::new(FaultHook::counting());
            let node = world.start(Arc::new(disk.with_hook(Arc::clone(&counting) as Arc<dyn Hook>))).await;
            node.core.seal().await;
            let hook = Arc::new(FaultHook::at(counting.calls() + call, moment, Outcome::Freeze));
            let node = world.start(Arc::new(disk.with_hook(Arc::clone(&hook) as Arc<dyn Hook>))).await;
            let file = bytes.clone();
            let asked = tokio::spawn(async move { restored(&node, &file).await.status });
            let over = tokio::time::timeout(Duration::from_secs(600), asked).await;
            let node = world.start(Arc::new(disk.without_hook())).await;
            let (sim, later) = (is_mounted(&node, "sim/").await, is_mounted(&node, "later/").await);
            assert!(sim, "{moment:?} call {call}: neither the old nor the new storage");
            node.read("sim/creds/app").await;
            (points, old) = (points + 1, old + usize::from(later));
            if matches!(over, Ok(Ok(204))) {
                assert!(!later);
                break;
            }
        }
    }
    println!("{points} crash points, {old} of them left the storage as it was");
    assert!(points > 20 && old > 2 && old < points);
}
