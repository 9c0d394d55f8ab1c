//! Rate limits and limits of leases, in virtual time.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_core::response::Response;
use lessor_engine::Operation::{Delete, Read, Update};
use lessor_engine::Secret;
use lessor_engine::simulation::Simulation;
use lessor_testkit::node::{Node, ROOT, World, ok, request};
use lessor_testkit::sim;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn node() -> (World, Node) {
    let Simulation { factory, setup, .. } = sim::simulation().0;
    let world = World::new(vec![factory]);
    let node = world.initialise().await;
    node.write("sys/mounts/sim", json!({ "type": "sim" })).await;
    for step in &setup {
        ok(&step.path, node.step("sim/", step).await);
    }
    (world, node)
}

async fn from(node: &Node, address: [u8; 4], namespace: &str, path: &str) -> Response {
    let asked = request(Read, path, Value::Null);
    let (token, client) = (Some(Secret::new(ROOT)), Some(address.into()));
    node.send(lessor_core::request::Request { token, client, namespace: namespace.to_owned(), ..asked }).await
}

async fn get(node: &Node, path: &str) -> Response {
    from(node, [10, 0, 0, 1], "", path).await
}

async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_secs(n)).await;
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn error(answer: &Response) -> String {
    answer.body.json().unwrap()["errors"][0].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_too_often_waits_for_the_next_interval_and_others_do_not() {
    let (_, node) = node().await;
    node.write("sys/quotas/rate-limit/slow", json!({ "path": "sim/", "rate": 2, "interval": "10s" })).await;
    for _ in 0..2 {
        assert_ne!(get(&node, "sim/static/app").await.status, 429);
    }
    let refused = get(&node, "sim/static/app").await;
    assert_eq!((refused.status, refused.retry_after), (429, Some(10)));
    assert_eq!(error(&refused), "request path \"sim/static/app\": rate limit quota exceeded");
    assert_ne!(from(&node, [10, 0, 0, 2], "", "sim/static/app").await.status, 429);
    assert_eq!(get(&node, "sys/mounts").await.status, 200, "elsewhere is elsewhere");
    seconds(10).await;
    assert_ne!(get(&node, "sim/static/app").await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_a_token_before_the_limit() {
    let (_, node) = node().await;
    node.write("sys/quotas/rate-limit/slow", json!({ "path": "sim/", "rate": 1, "interval": "1m" })).await;
    let asked = || node.ask_as("nobody", Read, "sim/static/app", Value::Null);
    assert_eq!(asked().await.status, 403);
    assert_eq!(asked().await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_client_stays_out_for_the_block_interval() {
    let (_, node) = node().await;
    let limit = json!({ "path": "sim/", "rate": 1, "interval": "1s", "block_interval": "1m" });
    node.write("sys/quotas/rate-limit/slow", limit).await;
    assert_ne!(get(&node, "sim/static/app").await.status, 429);
    assert_eq!(get(&node, "sim/static/app").await.retry_after, Some(60));
    seconds(30).await;
    let blocked = get(&node, "sim/static/app").await;
    assert_eq!((blocked.status, blocked.retry_after), (429, Some(30)));
    seconds(30).await;
    assert_ne!(get(&node, "sim/static/app").await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn headers_say_where_a_client_stands_when_that_is_switched_on() {
    let (_, node) = node().await;
    node.write("sys/quotas/rate-limit/slow", json!({ "path": "sim/", "rate": 2, "interval": "10s" })).await;
    assert!(get(&node, "sim/static/app").await.headers.is_empty());
    node.write("sys/quotas/config", json!({ "enable_rate_limit_response_headers": true })).await;
    let answer = get(&node, "sim/static/none").await;
    assert_eq!(answer.status, 404);
    for (name, value) in [("x-ratelimit-limit", "2"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "10")] {
        assert_eq!(header(&answer, name), Some(value));
    }
    assert_eq!(header(&get(&node, "sim/static/app").await, "x-ratelimit-remaining"), Some("0"));
    assert!(get(&node, "sys/mounts").await.headers.is_empty());
    assert!(node.read("sys/quotas/config").await["data"]["rate_limit_exempt_paths"].as_array().unwrap().len() > 3);
}

#[tokio::test(start_paused = true)]
async fn exempt_paths_are_never_limited_and_the_closest_rule_decides() {
    let (_, node) = node().await;
    node.write("sys/quotas/rate-limit/all", json!({ "rate": 1, "interval": "1h" })).await;
    node.write("sys/quotas/rate-limit/sim", json!({ "path": "sim/static/*", "rate": 3, "interval": "1h" })).await;
    for _ in 0..3 {
        assert_ne!(get(&node, "sim/static/app").await.status, 429);
    }
    assert_eq!(get(&node, "sim/static/app").await.status, 429);
    assert_eq!(get(&node, "sys/mounts").await.status, 200);
    assert_eq!(get(&node, "sys/mounts").await.status, 429);
    assert_eq!(get(&node, "sys/health").await.status, 200);
    let config = json!({ "rate_limit_exempt_paths": "sys/mounts" });
    // This client (it has no address) asked once already.
    assert_eq!(node.ask(Update, "sys/quotas/config", config.clone()).await.status, 429);
    seconds(3600).await;
    node.write("sys/quotas/config", config).await;
    for _ in 0..3 {
        assert_eq!(get(&node, "sys/mounts").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_global_limit_reaches_into_namespaces_only_where_it_is_inherited() {
    let (_, node) = node().await;
    node.write("sys/namespaces/team", json!({})).await;
    node.write("sys/quotas/rate-limit/all", json!({ "rate": 1, "interval": "1h", "inheritable": false })).await;
    for _ in 0..2 {
        assert_eq!(from(&node, [10, 0, 0, 1], "team/", "sys/mounts").await.status, 200);
    }
    node.write("sys/quotas/rate-limit/team", json!({ "path": "team", "rate": 1, "interval": "1h" })).await;
    assert_eq!(from(&node, [10, 0, 0, 1], "team/", "sys/mounts").await.status, 200);
    assert_eq!(from(&node, [10, 0, 0, 1], "team/", "sys/mounts").await.status, 429);
    let inside = request(Update, "sys/quotas/rate-limit/x", json!({ "rate": 1 }));
    let token = Some(Secret::new(ROOT));
    let namespace = "team/".to_owned();
    let answer =
        node.send(lessor_core::request::Request { token, namespace, client: Some([9; 4].into()), ..inside }).await;
    assert_eq!((answer.status, error(&answer).as_str()), (400, "operation only available in root namespace"));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (_, node) = node().await;
    node.write("sys/quotas/rate-limit/a", json!({ "path": "sim", "rate": 100 })).await;
    for (fields, text) in [
        (json!({ "rate": 0 }), "'rate' is invalid"),
        (json!({ "rate": 1, "path": "nope" }), "invalid mount path \"nope/\""),
        (json!({ "rate": 1, "path": "sim/" }), "quota rule with similar properties exists under the name \"a\""),
        (json!({ "rate": 1, "path": "sim/x", "role": "r" }), "Quotas cannot contain both a path suffix and a role"),
        (json!({ "rate": 1, "path": "sim", "role": "r" }), "Mount path \"sim/\" is not a valid auth method"),
        (json!({ "rate": 1, "path": "auth/token", "role": "r" }), "Mount path \"auth/token/\" does not support use"),
    ] {
        let answer = node.ask(Update, "sys/quotas/rate-limit/b", fields).await;
        assert_eq!(answer.status, 400);
        assert!(error(&answer).starts_with(text), "{}", error(&answer));
    }
    assert_eq!(node.list("sys/quotas/rate-limit/").await, ["a"]);
    let zero = node.ask(Update, "sys/quotas/lease-count/b", json!({ "max_leases": 0 })).await;
    assert_eq!(error(&zero), "'max_leases' is invalid");
}

#[tokio::test(start_paused = true)]
async fn quotas_follow_their_mount_and_end_with_it() {
    let (_, node) = node().await;
    node.write("sys/quotas/rate-limit/a", json!({ "path": "sim/creds/app", "rate": 100 })).await;
    node.write("sys/remount", json!({ "from": "sim", "to": "moved" })).await;
    seconds(1).await;
    assert_eq!(node.read("sys/quotas/rate-limit/a").await["data"]["path"], "moved/creds/app");
    ok("unmount", node.ask(Delete, "sys/mounts/moved", Value::Null).await);
    assert_eq!(node.ask(Read, "sys/quotas/rate-limit/a", Value::Null).await.status, 404);
}

async fn counter(node: &Node, name: &str) -> i64 {
    node.read(&format!("sys/quotas/lease-count/{name}")).await["data"]["counter"].as_i64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn leases_are_counted_through_every_way_they_end_and_through_a_restart() {
    let (world, node) = node().await;
    let before = node.read("sim/creds/app").await;
    node.write("sys/quotas/lease-count/sim", json!({ "path": "sim", "max_leases": 5 })).await;
    assert_eq!(counter(&node, "sim").await, 1, "what stood already counts");
    let second = node.read("sim/creds/app").await;
    let id = |answer: &Value| json!({ "lease_id": answer["lease_id"], "sync": true });
    node.write("sys/leases/revoke", id(&before)).await;
    node.write("sys/leases/revoke", id(&before)).await;
    assert_eq!(counter(&node, "sim").await, 1, "revoking twice ends one lease");
    node.read("sim/creds/app").await;
    node.core.seal().await;
    let node = world.start(world.storage.clone()).await;
    assert_eq!(counter(&node, "sim").await, 2);
    node.write("sys/leases/revoke", id(&second)).await;
    seconds(3700).await;
    assert_eq!(counter(&node, "sim").await, 0, "and so does time");
    let token = ok("token", node.ask(Update, "auth/token/create", json!({ "ttl": "1h" })).await);
    node.write("sys/quotas/lease-count/tokens", json!({ "path": "auth/token", "max_leases": 1 })).await;
    let full = node.ask(Update, "auth/token/create", json!({ "ttl": "1h" })).await;
    assert_eq!(
        (full.status, error(&full).as_str()),
        (429, "request path \"auth/token/create\": lease count quota exceeded")
    );
    node.write("auth/token/revoke", json!({ "token": token["auth"]["client_token"] })).await;
    assert_eq!(counter(&node, "tokens").await, 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_made_than_a_quota_allows_whoever_asks_at_the_same_time() {
    let (_, node) = node().await;
    node.write("sys/quotas/lease-count/tokens", json!({ "path": "auth/token", "max_leases": 3 })).await;
    let asked = (0..20).map(|_| node.ask(Update, "auth/token/create", json!({ "ttl": "1h" })));
    let answers = futures::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 17);
    assert_eq!(counter(&node, "tokens").await, 3);
    ok("of no lease", node.ask(Update, "auth/token/create", json!({ "policies": "root" })).await);
}

/// A node with an AppRole method and two roles; logs in by name.
async fn approles() -> Node {
    let mut world = World::new(Vec::new());
    world.methods = vec![Arc::new(lessor_auth_approle::ApproleFactory)];
    let node = world.initialise().await;
    node.write("sys/auth/approle", json!({ "type": "approle" })).await;
    for role in ["app", "batch"] {
        node.write(&format!("auth/approle/role/{role}"), json!({ "token_ttl": "1h" })).await;
    }
    node
}

async fn log_in(node: &Node, role: &str) -> Response {
    let id = node.read(&format!("auth/approle/role/{role}/role-id")).await["data"]["role_id"].clone();
    let secret = ok("secret", node.ask(Update, &format!("auth/approle/role/{role}/secret-id"), json!({})).await);
    let fields = json!({ "role_id": id, "secret_id": secret["data"]["secret_id"] });
    node.send(request(Update, "auth/approle/login", fields)).await
}

#[tokio::test(start_paused = true)]
async fn a_lease_quota_of_a_role_counts_the_tokens_of_its_logins_and_no_others() {
    let node = approles().await;
    let first = ok("login", log_in(&node, "app").await);
    ok("login", log_in(&node, "batch").await);
    let quota = json!({ "path": "auth/approle", "role": "app", "max_leases": 2 });
    node.write("sys/quotas/lease-count/app", quota).await;
    assert_eq!(counter(&node, "app").await, 1, "what stood already counts");
    ok("login", log_in(&node, "app").await);
    assert_eq!(log_in(&node, "app").await.status, 429);
    ok("another role", log_in(&node, "batch").await);
    node.write("auth/token/revoke", json!({ "token": first["auth"]["client_token"] })).await;
    assert_eq!(counter(&node, "app").await, 1);
    ok("room again", log_in(&node, "app").await);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_of_a_role_knows_the_role_by_its_id() {
    let node = approles().await;
    let limit = json!({ "path": "auth/approle", "role": "app", "rate": 1, "interval": "1h" });
    node.write("sys/quotas/rate-limit/app", limit).await;
    ok("login", log_in(&node, "app").await);
    assert_eq!(log_in(&node, "app").await.status, 429);
    ok("another role", log_in(&node, "batch").await);
}

#[tokio::test(start_paused = true)]
async fn root_is_not_held_back_but_counted() {
    let (_, node) = node().await;
    node.write("sys/quotas/lease-count/sim", json!({ "path": "sim", "max_leases": 1 })).await;
    for _ in 0..2 {
        node.read("sim/creds/app").await;
    }
    assert_eq!(counter(&node, "sim").await, 2);
}
