//! Namespaces: everything in one is out of reach of another, and goes with it.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_core::response::Response;
use lessor_engine::Operation::{self, Delete, List, Read, Update};
use lessor_engine::Secret;
use lessor_engine::simulation::Step;
use lessor_testkit::node::{Node, ROOT, World, ok, request};
use lessor_testkit::sim;
use serde_json::{Value, json};

async fn ask(node: &Node, namespace: &str, token: &str, operation: Operation, path: &str, fields: Value) -> Response {
    let mut asked = request(operation, path, fields);
    (asked.namespace, asked.token) = (namespace.to_owned(), Some(Secret::new(token)));
    node.send(asked).await
}

async fn node() -> (Node, Vec<Step>) {
    let (simulation, _) = sim::simulation();
    let node = World::new(vec![simulation.factory]).initialise().await;
    ok("namespace", node.ask(Update, "sys/namespaces/team", json!({})).await);
    (node, simulation.setup)
}

#[tokio::test(start_paused = true)]
async fn a_mount_of_a_namespace_is_reached_by_header_and_by_path() {
    let (node, setup) = node().await;
    ok("mount", ask(&node, "team/", ROOT, Update, "sys/mounts/sim", json!({ "type": "sim" })).await);
    for step in &setup {
        ok(
            &step.path,
            ask(&node, "team/", ROOT, step.operation, &format!("sim/{}", step.path), json!(step.fields)).await,
        );
    }
    let mounts = node.read("sys/mounts").await;
    assert!(mounts["data"].get("sim/").is_none(), "the root does not show it");
    let issued = ok("creds", ask(&node, "", ROOT, Read, "team/sim/creds/app", Value::Null).await);
    let id = issued["lease_id"].as_str().unwrap();
    assert!(id.starts_with("sim/creds/app/") && id.contains('.'), "{id}");
    let lookup = ok("lookup", node.ask(Update, "sys/leases/lookup", json!({ "lease_id": id })).await);
    assert_eq!(lookup["data"]["namespace_path"], "team/");
    assert!(node.list("sys/leases/lookup/sim/").await.is_empty());
    let listed = ask(&node, "team/", ROOT, List, "sys/leases/lookup/sim/creds/app/", Value::Null).await;
    assert_eq!(ok("list", listed)["data"]["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_namespace_is_nobody_outside_of_it() {
    let (node, _) = node().await;
    ok("below", ask(&node, "team/", ROOT, Update, "sys/namespaces/sub", json!({})).await);
    let made = ok("token", ask(&node, "team/", ROOT, Update, "auth/token/create", json!({})).await);
    let token = made["auth"]["client_token"].as_str().unwrap();
    assert!(token.rsplit('.').next().unwrap().len() == 6, "{token}");
    for (namespace, status) in [("team/", 200), ("team/sub/", 200), ("", 403)] {
        let answer = ask(&node, namespace, token, Read, "sys/mounts", Value::Null).await;
        assert_eq!(answer.status, status, "{namespace}");
    }
    assert_eq!(ask(&node, "nope/", ROOT, Read, "sys/mounts", Value::Null).await.status, 404);
    let sealed = ask(&node, "team/", ROOT, Update, "sys/seal", Value::Null).await;
    assert!(sealed.status == 400, "operations of the node are the root's");
}

#[tokio::test(start_paused = true)]
async fn what_is_tuned_of_a_mount_that_every_namespace_has_counts_in_one_and_goes_with_it() {
    let (node, _) = node().await;
    let tuned = json!({ "default_lease_ttl": "1h", "description": "ours" });
    ok("tune", ask(&node, "team/", ROOT, Update, "sys/auth/token/tune", tuned).await);
    let hours = async |namespace: &str| {
        let fields = json!({ "policies": "default" });
        let made = ok("token", ask(&node, namespace, ROOT, Update, "auth/token/create", fields).await);
        made["auth"]["lease_duration"].as_u64().unwrap() / 3600
    };
    assert_eq!((hours("team/").await, hours("").await), (1, 768));
    let shown = ok("list", ask(&node, "team/", ROOT, Read, "sys/auth", Value::Null).await);
    assert_eq!(shown["data"]["token/"]["description"], "ours");
    assert_eq!(shown["data"].as_object().unwrap().len(), 1);
    assert_eq!(node.read("sys/auth").await["data"]["token/"]["description"], "token based credentials");
    ok("delete", node.ask(Delete, "sys/namespaces/team", Value::Null).await);
    ok("namespace", node.ask(Update, "sys/namespaces/team", json!({})).await);
    assert_eq!(hours("team/").await, 768);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_namespace_leaves_nothing_behind() {
    let (node, setup) = node().await;
    ok("mount", ask(&node, "team/", ROOT, Update, "sys/mounts/sim", json!({ "type": "sim" })).await);
    for step in &setup {
        ok(
            &step.path,
            ask(&node, "team/", ROOT, step.operation, &format!("sim/{}", step.path), json!(step.fields)).await,
        );
    }
    ok("creds", ask(&node, "team/", ROOT, Read, "sim/creds/app", Value::Null).await);
    ok(
        "policy",
        ask(
            &node,
            "team/",
            ROOT,
            Update,
            "sys/policies/password/p",
            json!({ "policy": "length = 20 rule \"charset\" { charset = \"abcdefghij\" }" }),
        )
        .await,
    );
    let made = ok("token", ask(&node, "team/", ROOT, Update, "auth/token/create", json!({ "ttl": "1h" })).await);
    ok("delete", node.ask(Delete, "sys/namespaces/team", Value::Null).await);
    let token = made["auth"]["client_token"].as_str().unwrap();
    assert_eq!(ask(&node, "team/", token, Read, "sys/mounts", Value::Null).await.status, 404);
    let active = node.core.active().map_err(|error| error.to_string()).unwrap();
    for prefix in ["lease/", "logical/", "namespace/", "token/path/"] {
        let left = active.storage.scan(prefix, None, 10).await.unwrap();
        assert!(left.is_empty(), "{prefix}: {:?}", left.iter().map(|entry| &entry.key).collect::<Vec<_>>());
    }
    assert!(node.list("sys/namespaces/").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_locked_namespace_answers_nobody_until_it_is_unlocked() {
    let (node, _) = node().await;
    let key = node.write("sys/namespaces/api-lock/lock/team", json!({})).await["data"]["unlock_key"].clone();
    let refused = ask(&node, "team/", ROOT, Read, "sys/mounts", Value::Null).await;
    assert_eq!(refused.status, 503);
    let wrong = node.ask(Update, "sys/namespaces/api-lock/unlock/team", json!({ "unlock_key": "no" })).await;
    assert_eq!(wrong.status, 400);
    node.write("sys/namespaces/api-lock/unlock/team", json!({ "unlock_key": key })).await;
    assert_eq!(ask(&node, "team/", ROOT, Read, "sys/mounts", Value::Null).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_policies_of_its_own_and_they_go_with_it() {
    let node = World::new(Vec::new()).initialise().await;
    let text = |word: &str| json!({ "policy": format!("path \"sys/mounts\" {{ capabilities = [\"{word}\"] }}") });
    let status = async |token: &str| node.ask_as(token, Operation::Read, "team/sys/mounts", Value::Null).await.status;
    for granted in [true, false] {
        node.write("sys/namespaces/team", json!({})).await;
        if granted {
            node.write("team/sys/policies/acl/p", text("read")).await;
        }
        node.write("sys/policies/acl/p", text("deny")).await;
        let body = node.write("team/auth/token/create", json!({ "policies": ["p"] })).await;
        let unknown = json!(["Policy \"p\" does not exist"]);
        assert_eq!(body["warnings"], if granted { Value::Null } else { unknown });
        let token = body["auth"]["client_token"].as_str().unwrap();
        assert_eq!(status(token).await, if granted { 200 } else { 403 });
        let outside = node.ask_as(token, Operation::Read, "sys/mounts", Value::Null).await;
        assert_eq!(outside.status, 403);
        node.ask(Operation::Delete, "sys/namespaces/team", Value::Null).await;
    }
}
