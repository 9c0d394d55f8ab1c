//! Scheduled rotation on a whole node, in virtual time.
use lessor_testkit::node::{Node, World};
use serde_json::{Value, json};
use std::time::Duration;

async fn latest(node: &Node) -> Value {
    node.read("transit/keys/k").await["data"]["latest_version"].clone()
}

async fn pass(hours: u64) {
    // In steps, so that what is due in between happens in between.
    for _ in 0..hours * 60 {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_gets_a_version_per_period_until_the_period_is_taken_away() {
    let world = World::new(vec![lessor_engine_transit::factory()]);
    let node = world.initialise().await;
    node.write("sys/mounts/transit", json!({ "type": "transit" })).await;
    node.write("transit/keys/k", json!({ "auto_rotate_period": "2h" })).await;
    assert_eq!(latest(&node).await, 1);
    pass(5).await;
    assert_eq!(latest(&node).await, 3);
    // A rotation by hand starts the period anew.
    node.write("transit/keys/k/rotate", json!({})).await;
    pass(1).await;
    assert_eq!(latest(&node).await, 4);
    node.write("transit/keys/k/config", json!({ "auto_rotate_period": 0 })).await;
    pass(6).await;
    assert_eq!(latest(&node).await, 4);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_survives_the_node_and_ends_with_the_key() {
    let world = World::new(vec![lessor_engine_transit::factory()]);
    let node = world.initialise().await;
    node.write("sys/mounts/transit", json!({ "type": "transit" })).await;
    node.write("transit/keys/k", json!({ "auto_rotate_period": "2h" })).await;
    node.core.seal().await;
    pass(3).await;
    let node = world.start(world.storage.clone()).await;
    pass(1).await;
    assert_eq!(latest(&node).await, 2);
    node.write("transit/keys/k/config", json!({ "deletion_allowed": true })).await;
    let gone = node.ask(lessor_engine::Operation::Delete, "transit/keys/k", Value::Null).await;
    assert_eq!(gone.status, 204);
    node.write("transit/keys/k", json!({})).await;
    pass(6).await;
    assert_eq!(latest(&node).await, 1);
}
