//! How often storage is asked: these requests are the most frequent of all.
mod support;
use lessor_engine::Operation::Update;
use lessor_mountkit::Counting;
use serde_json::json;
use std::sync::Arc;
use support::mount_on;

#[tokio::test]
async fn a_versioned_read_takes_two_gets_and_a_write_one_commit() {
    let storage = Arc::new(Counting::default());
    let kv = mount_on(storage.clone(), "2");
    kv.write("data/a", json!({"data": {"k": 1}})).await;
    storage.take();
    kv.read("data/a").await.data();
    assert_eq!(storage.take(), (2, 0, 0));
    kv.ok(Update, "data/a", json!({"data": {"k": 2}})).await.data();
    assert_eq!(storage.take(), (2, 0, 1));
    kv.ok(Update, "data/new", json!({"data": {"k": 2}})).await.data();
    assert_eq!(storage.take(), (2, 0, 1));
}
