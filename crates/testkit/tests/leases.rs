//! The life of a lease, seen by a caller and on the platform.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::Operation;
use lessor_engine::simulation::{Platform, Simulation};
use lessor_testkit::node::{Node, World, ok};
use lessor_testkit::sim::{self, Cloud};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn node() -> (World, Node, Arc<Cloud>) {
    let (simulation, cloud) = sim::simulation();
    let Simulation { factory, setup, .. } = simulation;
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

fn id(answer: &Value) -> String {
    answer["lease_id"].as_str().unwrap().to_owned()
}

fn error(answer: lessor_core::response::Response) -> (u16, String) {
    let body = answer.body.into_value();
    (answer.status, body["errors"][0].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_credential_lives_as_long_as_its_lease() {
    let (_, node, cloud) = node().await;
    let answer = node.read("sim/creds/app").await;
    assert_eq!((answer["lease_duration"].as_u64(), answer["renewable"].as_bool()), (Some(3600), Some(true)));
    assert!(id(&answer).starts_with("sim/creds/app/"));
    assert!(cloud.accepts(answer["data"].as_object().unwrap()));
    seconds(3599).await;
    assert_eq!(cloud.live().len(), 1);
    seconds(2).await;
    assert_eq!(cloud.live().len(), 0);
    let gone = node.ask(Operation::Update, "sys/leases/lookup", json!({ "lease_id": id(&answer) })).await;
    assert_eq!(error(gone), (400, "invalid lease".into()));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_counts_from_now_and_stops_at_the_maximum_of_the_role() {
    let (_, node, cloud) = node().await;
    let lease = id(&node.read("sim/creds/app").await);
    seconds(3000).await;
    let renewed = node.write("sys/leases/renew", json!({ "lease_id": lease, "increment": "2h" })).await;
    assert_eq!((renewed["lease_duration"].as_u64(), id(&renewed)), (Some(7200), lease.clone()));
    assert_eq!(renewed["data"], Value::Null);
    let shorter = node.write("sys/leases/renew", json!({ "lease_id": lease, "increment": "100" })).await;
    assert_eq!(shorter["lease_duration"], 100);
    let capped = node.write("sys/leases/renew", json!({ "lease_id": lease, "increment": "48h" })).await;
    assert_eq!(capped["lease_duration"], 24 * 3600 - 3000);
    assert!(capped["warnings"][0].as_str().unwrap().contains("exceeded the effective max_ttl"));
    seconds(24 * 3600).await;
    assert_eq!(cloud.live().len(), 0);
    let late = node.ask(Operation::Update, "sys/leases/renew", json!({ "lease_id": lease })).await;
    assert_eq!(error(late), (400, "lease not found".into()));
}

#[tokio::test(start_paused = true)]
async fn an_outage_delays_revocation_and_the_return_of_the_target_ends_everything_at_once() {
    let (_, node, cloud) = node().await;
    for _ in 0..700 {
        node.read("sim/creds/app").await;
    }
    cloud.set_down(true);
    seconds(3600 + 1200).await;
    assert_eq!(cloud.live().len(), 700);
    let tries = cloud.calls("revoke");
    assert!(tries < 30, "a dead target was asked {tries} times");
    let count = node.ask(Operation::Read, "sys/leases/count", json!({ "type": "irrevocable" })).await;
    assert_eq!(count.body.into_value()["data"]["lease_count"], 700);
    cloud.set_down(false);
    seconds(5).await;
    assert_eq!(cloud.live().len(), 0);
    let count = node.ask(Operation::Read, "sys/leases/count", json!({ "type": "irrevocable" })).await;
    assert_eq!(count.body.into_value()["data"]["lease_count"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_delays_no_other_one() {
    let (_, node, cloud) = node().await;
    node.write("sim/roles/other", json!({ "ttl": "30m", "target": "other" })).await;
    let stuck = node.read("sim/creds/other").await["data"]["username"].as_str().unwrap().to_owned();
    cloud.refuse(&stuck, true);
    node.read("sim/creds/app").await;
    seconds(3601).await;
    assert_eq!(cloud.live(), [stuck]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_revocation_is_listed_after_six_attempts_and_tried_for_ever() {
    let (_, node, cloud) = node().await;
    let answer = node.read("sim/creds/app").await;
    let name = answer["data"]["username"].as_str().unwrap().to_owned();
    cloud.refuse(&name, true);
    seconds(3600 + 3600).await;
    let listed = node.ask(Operation::Read, "sys/leases", json!({ "type": "irrevocable" })).await.body.into_value();
    assert_eq!(listed["data"]["leases"][0]["lease_id"], answer["lease_id"]);
    assert_eq!(listed["data"]["leases"][0]["error"], "out of retries: the platform refuses");
    let renew = node.ask(Operation::Update, "sys/leases/renew", json!({ "lease_id": id(&answer) })).await;
    assert_eq!(error(renew).1, "lease is expired and has failed previous revocation attempts");
    seconds(30 * 86_400).await;
    assert_eq!(cloud.live(), std::slice::from_ref(&name));
    cloud.refuse(&name, false);
    seconds(2 * 3600).await;
    assert_eq!(cloud.live().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_leaves_no_credential() {
    let (_, node, cloud) = node().await;
    for polls in 0..60 {
        let asking = node.read("sim/creds/app");
        // Polls so often, then drops the request, as a closed connection does.
        let mut asking = Box::pin(asking);
        for _ in 0..polls {
            if futures::poll!(&mut asking).is_ready() {
                return;
            }
            tokio::task::yield_now().await;
        }
        drop(asking);
        seconds(2).await;
        assert_eq!(cloud.live().len(), 0, "dropped after {polls} polls");
    }
    panic!("the request never ended");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_token_ends_its_children_and_all_their_leases() {
    let (_, node, cloud) = node().await;
    let child = |token: String| {
        let node = node.clone();
        async move {
            let made = node
                .ask_as(&token, Operation::Update, "auth/token/create", json!({ "policies": "root", "ttl": "2h" }))
                .await;
            ok("create", made)["auth"]["client_token"].as_str().unwrap().to_owned()
        }
    };
    let first = child("root".into()).await;
    let second = child(first.clone()).await;
    for token in [&first, &second] {
        ok("creds", node.ask_as(token, Operation::Read, "sim/creds/app", json!({})).await);
    }
    node.write("auth/token/revoke", json!({ "token": first })).await;
    let refused = node.ask_as(&second, Operation::Read, "sim/creds/app", json!({})).await;
    assert_eq!(error(refused), (403, "permission denied".into()));
    seconds(1).await;
    assert_eq!(cloud.live().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_runs_out_takes_its_leases_along() {
    let (_, node, cloud) = node().await;
    let made = node.write("auth/token/create", json!({ "policies": ["root"], "ttl": "10m" })).await;
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    ok("creds", node.ask_as(&token, Operation::Read, "sim/creds/app", json!({})).await);
    seconds(601).await;
    assert_eq!(cloud.live().len(), 0);
    assert_eq!(node.list("auth/token/accessors").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unmounting_waits_for_the_platform_and_can_be_repeated() {
    let (_, node, cloud) = node().await;
    node.read("sim/creds/app").await;
    cloud.set_down(true);
    let failed = node.ask(Operation::Delete, "sys/mounts/sim", json!({})).await;
    let (status, text) = error(failed);
    assert!(status == 400 && text.starts_with("failed to revoke \"sim/creds/app/"), "{status} {text}");
    let tainted = node.ask(Operation::Read, "sim/creds/app", json!({})).await;
    assert_eq!(tainted.status, 404);
    cloud.set_down(false);
    ok("unmount", node.ask(Operation::Delete, "sys/mounts/sim", json!({})).await);
    assert_eq!(cloud.live().len(), 0);
    assert!(node.list("sys/leases/lookup/").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn reconcile_finds_and_removes_what_does_not_match() {
    let (_, node, cloud) = node().await;
    let kept = node.read("sim/creds/app").await;
    let lost = node.read("sim/creds/app").await;
    cloud.uproot(lost["data"]["username"].as_str().unwrap());
    cloud.plant("orphan");
    let report = node.write("sys/reconcile/sim", json!({})).await;
    assert_eq!(report["data"]["orphans"], json!([{ "target": "cloud", "name": "orphan" }]));
    assert_eq!(report["data"]["missing"][0]["lease_id"], lost["lease_id"]);
    assert_eq!(cloud.live().len(), 2);
    node.write("sys/reconcile/sim", json!({ "remove": true })).await;
    seconds(1).await;
    assert_eq!(cloud.live(), [kept["data"]["username"].as_str().unwrap()]);
    assert_eq!(node.list("sys/leases/lookup/sim/creds/app").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_start_revokes_nothing_until_it_is_resumed() {
    let (mut world, node, cloud) = node().await;
    node.read("sim/creds/app").await;
    node.core.seal().await;
    seconds(7200).await;
    world.settings.paused = true;
    let node = world.start(world.storage.clone()).await;
    seconds(3600).await;
    assert_eq!(cloud.live().len(), 1);
    node.write("sys/leases/resume", json!({})).await;
    seconds(1).await;
    assert_eq!(cloud.live().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_behind_the_answer_is_done_before_the_next_listing_shows_it() {
    let (_, node, cloud) = node().await;
    let lease = id(&node.read("sim/creds/app").await);
    let answer = node.ask(Operation::Update, "sys/leases/revoke", json!({ "lease_id": lease, "sync": false })).await;
    assert_eq!(answer.status, 202);
    assert!(node.list("sys/leases/lookup/sim/creds/app").await.is_empty());
    seconds(1).await;
    assert_eq!(cloud.live().len(), 0);
    let again = node.ask(Operation::Update, "sys/leases/revoke", json!({ "lease_id": lease, "sync": true })).await;
    assert_eq!(again.status, 204);
}

#[tokio::test(start_paused = true)]
async fn no_request_is_served_that_no_audit_device_took() {
    let (_, node, _) = node().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.log");
    node.write("sys/audit/file", json!({ "type": "file", "options": { "file_path": file } })).await;
    node.write("sim/config", json!({ "root": "top-secret" })).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.lines().count() >= 2 && !text.contains("top-secret"), "{text}");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));

    node.write(
        "sys/audit/full",
        json!({ "type": "file", "options": { "file_path": "/dev/full", "skip_test": "true" } }),
    )
    .await;
    ok("one device is enough", node.ask(Operation::Read, "sys/mounts", json!({})).await);
    node.ask(Operation::Delete, "sys/audit/file", json!({})).await;
    let refused = node.ask(Operation::Read, "sys/mounts", json!({})).await;
    assert_eq!(refused.status, 500);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_wrongly_changes_nothing_and_says_why() {
    let (_, node, cloud) = node().await;
    for (operation, path, fields, status, text) in [
        (Operation::Read, "nope/x", json!({}), 404, "no handler for route \"nope/x\". route entry not found."),
        (Operation::Read, "sim/nope", json!({}), 404, "1 error occurred:\n\t* unsupported path\n\n"),
        (Operation::Delete, "sim/creds/app", json!({}), 405, "1 error occurred:\n\t* unsupported operation\n\n"),
        (Operation::Read, "sim/creds/none", json!({}), 400, "unknown role"),
        (Operation::Update, "sys/mounts/sim", json!({ "type": "sim" }), 400, "path is already in use at sim/"),
        (Operation::Update, "sys/mounts/sim/sub", json!({ "type": "sim" }), 400, "path is already in use at sim/"),
        (Operation::Update, "sys/mounts/x", json!({ "type": "none" }), 400, "plugin not found in the catalog: none"),
        (Operation::Update, "sys/mounts/sys/x", json!({ "type": "sim" }), 400, "cannot mount \"sys/x/\""),
        (Operation::Update, "sys/leases/renew", json!({}), 400, "lease_id must be specified"),
    ] {
        assert_eq!(error(node.ask(operation, path, fields).await), (status, text.to_owned()), "{path}");
    }
    let bad = node.ask(Operation::Update, "sim/roles/bad", json!({ "ttl": "soon" })).await;
    assert!(error(bad).1.contains("Field validation failed: error converting input for field \"ttl\""));
    assert_eq!(error(node.ask_as("nobody", Operation::Read, "sys/mounts", json!({})).await).0, 403);
    assert_eq!(cloud.live().len(), 0);
}
