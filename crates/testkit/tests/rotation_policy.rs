//! Scheduled rotations whose attempts a policy bounds.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::Operation;
use lessor_testkit::node::{World, ok};
use serde_json::json;
use std::time::Duration;

async fn hours(n: u64) {
    tokio::time::sleep(Duration::from_secs(3600 * n)).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_end_by_the_policy_and_begin_again_when_the_configuration_is_written() {
    let simulation = lessor_engine_database::sim::simulation();
    let world = World::new(vec![simulation.factory]);
    let node = world.initialise().await;
    node.write("sys/mounts/db", json!({ "type": "database" })).await;
    for step in &simulation.setup {
        ok(&step.path, node.step("db/", step).await);
    }
    let refused = node.ask(Operation::Update, "sys/policies/rotation/short", json!({ "max_retry_cycles": 2 })).await;
    assert_eq!(refused.status, 400);
    let policy = json!({ "max_retries_per_cycle": 1, "max_retry_cycles": 2 });
    node.write("sys/policies/rotation/short", policy).await;
    assert_eq!(node.read("sys/policies/rotation/short").await["data"]["max_retries_per_cycle"], 1);
    let timing = json!({ "rotation_period": "1h", "rotation_policy": "short" });
    node.write("db/config/main", timing.clone()).await;
    assert_eq!(node.read("db/config/main").await["data"]["ttl"], 3600);

    simulation.platform.set_down(true);
    hours(12).await;
    assert_eq!(node.read("sys/rotation/orphans").await["data"]["orphans"], json!(["db/config/main"]));
    simulation.platform.set_down(false);
    hours(12).await;
    let config = node.read("db/config/main").await;
    assert!(config["data"].get("last_vault_rotation").is_none(), "{config}");

    node.write("db/config/main", timing).await;
    assert_eq!(node.read("sys/rotation/orphans").await["data"]["orphans"], json!([]));
    hours(2).await;
    assert!(node.read("db/config/main").await["data"].get("last_vault_rotation").is_some());
}
