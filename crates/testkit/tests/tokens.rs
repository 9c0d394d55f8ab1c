//! Tokens of every kind, their roles, wrapped answers and cubbyholes.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_core::response::Response;
use lessor_engine::Operation::{Delete, List, Read, Update};
use lessor_engine::Secret;
use lessor_testkit::node::{Node, ROOT, World, ok, request};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn node() -> Node {
    World::new(Vec::new()).initialise().await
}

async fn create(node: &Node, fields: Value) -> Value {
    node.write("auth/token/create", fields).await["auth"].clone()
}

fn text(auth: &Value) -> &str {
    auth["client_token"].as_str().unwrap()
}

fn error(answer: &Response) -> String {
    answer.body.json().unwrap()["errors"].to_string()
}

#[tokio::test(start_paused = true)]
async fn a_batch_token_is_stored_nowhere_and_dies_with_its_parent() {
    let node = node().await;
    let parent = create(&node, json!({ "policies": "default", "ttl": "1h" })).await;
    let asked = node.ask_as(text(&parent), Update, "auth/token/create", json!({ "type": "batch" })).await;
    assert_eq!(asked.status, 403, "the default policy makes no tokens");
    let batch = create(&node, json!({ "type": "batch", "policies": "default", "ttl": "1m" })).await;
    assert!(text(&batch).starts_with("hvb.") && batch["accessor"] == "" && batch["token_type"] == "batch");
    let shown = ok("lookup", node.ask_as(text(&batch), Read, "auth/token/lookup-self", Value::Null).await);
    assert_eq!((&shown["data"]["type"], &shown["data"]["renewable"]), (&json!("batch"), &json!(false)));
    let renewed = node.ask_as(text(&batch), Update, "auth/token/renew-self", Value::Null).await;
    assert!(error(&renewed).contains("batch tokens cannot be renewed"));
    let revoked = node.ask(Update, "auth/token/revoke", json!({ "token": text(&batch) })).await;
    assert!(error(&revoked).contains("batch tokens cannot be revoked"));
    let hole = node.ask_as(text(&batch), Update, "cubbyhole/a", json!({ "x": 1 })).await;
    assert_ne!(hole.status, 204);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(node.ask_as(text(&batch), Read, "auth/token/lookup-self", Value::Null).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn what_batch_tokens_cannot_have_is_refused_by_name() {
    let node = node().await;
    for (fields, part) in [
        (json!({ "type": "batch", "policies": "p", "num_uses": 2 }), "num_uses"),
        (json!({ "type": "batch", "policies": "p", "period": "1h" }), "period"),
        (json!({ "type": "batch", "policies": "p", "explicit_max_ttl": "1h" }), "explicit_max_ttl"),
        (json!({ "type": "batch" }), "batch tokens cannot be root tokens"),
        (json!({ "type": "zzz" }), "invalid 'token_type' value"),
    ] {
        let answer = node.ask(Update, "auth/token/create", fields).await;
        assert!(answer.status == 400 && error(&answer).contains(part), "{}", error(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_role_decides_policies_kind_and_limits() {
    let node = node().await;
    node.write(
        "auth/token/roles/App",
        json!({ "allowed_policies": ["p1", "p2"], "allowed_policies_glob": "x-*", "disallowed_policies": "p9",
                "orphan": true, "path_suffix": "v1.0", "token_explicit_max_ttl": 3600, "renewable": false }),
    )
    .await;
    let read = node.read("auth/token/roles/app").await["data"].clone();
    assert_eq!((&read["name"], &read["token_type"]), (&json!("app"), &json!("default-service")));
    assert!(read.get("token_ttl").is_none() && read["explicit_max_ttl"] == 3600);
    let made = node.write("auth/token/create/app", json!({ "explicit_max_ttl": "30m" })).await;
    assert_eq!(made["auth"]["policies"], json!(["default", "p1", "p2"]));
    assert_eq!((&made["auth"]["orphan"], &made["auth"]["renewable"]), (&json!(true), &json!(false)));
    assert!(made["warnings"][0].as_str().unwrap().contains("using the lesser value of 1800 seconds"));
    let lookup = node.write("auth/token/lookup", json!({ "token": text(&made["auth"]) })).await;
    assert_eq!(
        (&lookup["data"]["path"], &lookup["data"]["role"]),
        (&json!("auth/token/create/app/v1.0"), &json!("app"))
    );
    let refused = node.ask(Update, "auth/token/create/app", json!({ "policies": "p3" })).await;
    assert!(error(&refused).contains("must be subset of the role's allowed policies"), "{}", error(&refused));
    assert_eq!(node.ask(Update, "auth/token/create/app", json!({ "policies": "x-1" })).await.status, 200);
    assert!(error(&node.ask(Update, "auth/token/create/nope", json!({})).await).contains("unknown role nope"));
    node.ask(Update, "sys/leases/revoke-prefix/auth/token/create/app/v1.0", json!({ "sync": true })).await;
    let gone = node.ask(Update, "auth/token/lookup", json!({ "token": text(&made["auth"]) })).await;
    assert_eq!(gone.status, 403);
}

#[tokio::test(start_paused = true)]
async fn tokens_stand_among_the_leases_of_auth_and_cannot_be_renewed_there() {
    let node = node().await;
    create(&node, json!({ "policies": "default", "ttl": "1h" })).await;
    assert_eq!(node.list("sys/leases/lookup/").await, ["auth/"]);
    let ids = node.list("sys/leases/lookup/auth/token/create/").await;
    assert_eq!(ids.len(), 1);
    let lease = format!("auth/token/create/{}", ids[0]);
    assert_eq!(node.write("sys/leases/lookup", json!({ "lease_id": lease })).await["data"]["id"], lease.as_str());
    let renewed = node.ask(Update, "sys/leases/renew", json!({ "lease_id": lease })).await;
    assert!(error(&renewed).contains("tokens cannot be renewed through this endpoint"));
    node.ask(Update, "sys/leases/revoke", json!({ "lease_id": lease })).await;
    assert!(node.list("sys/leases/lookup/auth/token/create/").await.is_empty());
}

async fn wrapped(node: &Node, path: &str, fields: Value) -> Value {
    let mut asked = request(Update, path, fields);
    (asked.token, asked.wrap_ttl) = (Some(Secret::new(ROOT)), Some(Duration::from_secs(60)));
    ok(path, node.send(asked).await)
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_answer_is_given_once() {
    let node = node().await;
    let answer = wrapped(&node, "auth/token/create", json!({ "policies": "default" })).await;
    let info = &answer["wrap_info"];
    assert_eq!((&answer["request_id"], &answer["auth"], &info["ttl"]), (&json!(""), &Value::Null, &json!(60)));
    assert_eq!(info["creation_path"], "auth/token/create");
    assert!(info["wrapped_accessor"].is_string());
    let token = info["token"].as_str().unwrap();
    let mut lookup = request(Update, "sys/wrapping/lookup", json!({ "token": token }));
    lookup.token = None;
    assert_eq!(ok("lookup", node.send(lookup).await)["data"]["creation_ttl"], 60);
    let first = ok("unwrap", node.ask_as(token, Update, "sys/wrapping/unwrap", Value::Null).await);
    assert!(first["auth"]["client_token"].is_string());
    let again = node.ask_as(token, Update, "sys/wrapping/unwrap", Value::Null).await;
    assert!(again.status == 400 && error(&again).contains("wrapping token is not valid or does not exist"));
    let other = node.ask(Update, "sys/wrapping/unwrap", json!({ "token": token })).await;
    assert_eq!(other.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_signed_wrapping_token_opens_once_and_one_that_was_touched_never() {
    let node = node().await;
    let mut asked = request(Update, "auth/token/create", json!({ "policies": "default" }));
    (asked.token, asked.wrap_ttl) = (Some(Secret::new(ROOT)), Some(Duration::from_secs(60)));
    asked.headers.push(("x-vault-wrap-format".to_owned(), "jwt".to_owned()));
    let answer = ok("wrap", node.send(asked).await);
    let token = answer["wrap_info"]["token"].as_str().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!((&claims["type"], &claims["addr"]), (&json!("wrapping"), &json!("http://127.0.0.1:8200")));
    assert_eq!(claims["accessor"], answer["wrap_info"]["wrapped_accessor"]);
    let lookup = |token: &str| request(Update, "sys/wrapping/lookup", json!({ "token": token }));
    assert_eq!(ok("lookup", node.send(lookup(token)).await)["data"]["creation_ttl"], 60);
    let key = node.read("sys/wrapping/pubkey").await;
    assert_eq!(key["data"]["jwt_curve"], "p521");
    // The same claims under another signature are somebody else's word.
    let forged = format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([7; 132]));
    assert_eq!(node.send(lookup(&forged)).await.status, 400);
    assert_eq!(node.ask_as(&forged, Update, "sys/wrapping/unwrap", Value::Null).await.status, 400);
    let first = ok("unwrap", node.ask_as(token, Update, "sys/wrapping/unwrap", Value::Null).await);
    assert!(first["auth"]["client_token"].is_string());
    assert_eq!(node.ask_as(token, Update, "sys/wrapping/unwrap", Value::Null).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_secret_id_is_told_by_its_own_accessor() {
    let mut world = World::new(Vec::new());
    world.methods = vec![Arc::new(lessor_auth_approle::ApproleFactory)];
    let node = world.initialise().await;
    node.write("sys/auth/approle", json!({ "type": "approle" })).await;
    node.write("auth/approle/role/app", json!({ "policies": "default" })).await;
    let answer = wrapped(&node, "auth/approle/role/app/secret-id", json!({})).await;
    let info = &answer["wrap_info"];
    assert_eq!(info["creation_path"], "auth/approle/role/app/secret-id");
    let given = node.write("sys/wrapping/unwrap", json!({ "token": info["token"] })).await;
    assert_eq!(given["data"]["secret_id_accessor"], info["wrapped_accessor"]);
    assert!(info["wrapped_accessor"].is_string(), "{info}");
}

#[tokio::test(start_paused = true)]
async fn a_token_role_makes_tokens_of_the_entities_it_lists_and_of_no_others() {
    let node = node().await;
    node.write("auth/token/roles/r", json!({ "allowed_entity_aliases": ["Bob", "x-*"], "orphan": true })).await;
    node.write("auth/token/roles/none", json!({})).await;
    let make = |alias: &str| json!({ "entity_alias": alias, "policies": "default", "ttl": "1h" });
    let first = node.write("auth/token/create/r", make("BOB")).await["auth"].clone();
    let entity = first["entity_id"].as_str().unwrap().to_owned();
    let again = node.write("auth/token/create/r", make("bob")).await["auth"]["entity_id"].clone();
    assert_eq!(again, entity.as_str());
    let mut batch = make("X-1");
    batch["type"] = json!("batch");
    let batch = node.write("auth/token/create/r", batch).await["auth"].clone();
    assert_ne!(batch["entity_id"], entity.as_str());
    let alias = node.read(&format!("identity/entity/id/{entity}")).await["data"]["aliases"][0].clone();
    assert_eq!((&alias["name"], &alias["mount_path"]), (&json!("BOB"), &json!("auth/token/")));
    let refused = async |path: &str| {
        let answer = node.ask(Update, path, make("carl")).await;
        (answer.status, error(&answer))
    };
    let wrong = (400, r#"["invalid 'entity_alias' value"]"#.to_owned());
    assert_eq!((refused("auth/token/create/r").await, refused("auth/token/create/none").await), (wrong.clone(), wrong));
    let (status, why) = refused("auth/token/create").await;
    assert!(status == 400 && why.contains("only allowed in combination with token role"), "{why}");
    node.write(&format!("identity/entity/id/{entity}"), json!({ "disabled": true })).await;
    let answer = node.ask(Update, "auth/token/create/r", make("bob")).await;
    assert_eq!((answer.status, error(&answer)), (403, r#"["entity from given entity alias is disabled"]"#.to_owned()));
    assert_eq!(node.ask_as(text(&first), Read, "auth/token/lookup-self", Value::Null).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_answer_can_be_fetched_by_somebody_else_or_moved() {
    let node = node().await;
    let answer = wrapped(&node, "sys/wrapping/wrap", json!({ "a": "b" })).await;
    let moved = node.write("sys/wrapping/rewrap", json!({ "token": answer["wrap_info"]["token"] })).await;
    let old = node.ask(Update, "sys/wrapping/unwrap", json!({ "token": answer["wrap_info"]["token"] })).await;
    assert_eq!(old.status, 400);
    let token = moved["wrap_info"]["token"].as_str().unwrap();
    let given = node.write("sys/wrapping/unwrap", json!({ "token": token })).await;
    assert_eq!(given["data"], json!({ "a": "b" }));
    let bare = node.ask(Update, "sys/wrapping/wrap", json!({ "a": "b" })).await;
    assert!(error(&bare).contains("endpoint requires response wrapping"));
}

#[tokio::test(start_paused = true)]
async fn a_cubbyhole_belongs_to_its_token_and_ends_with_it() {
    let node = node().await;
    node.write("cubbyhole/a/b", json!({ "x": 1 })).await;
    let other = create(&node, json!({ "ttl": "1h" })).await;
    assert_eq!(node.ask_as(text(&other), Read, "cubbyhole/a/b", Value::Null).await.status, 404);
    ok("write", node.ask_as(text(&other), Update, "cubbyhole/mine", json!({ "y": 2 })).await);
    let keys = ok("list", node.ask_as(text(&other), List, "cubbyhole/", Value::Null).await);
    assert_eq!(keys["data"]["keys"], json!(["mine"]));
    assert_eq!(node.read("cubbyhole/a/b").await["data"], json!({ "x": 1 }));
    node.write("auth/token/revoke", json!({ "token": text(&other) })).await;
    let active = node.core.active().map_err(|error| error.to_string()).unwrap();
    let left = active.storage.scan("cubbyhole/", None, 10).await.unwrap();
    assert_eq!(left.len(), 1, "only the root token's own is left");
}

#[tokio::test(start_paused = true)]
async fn wrapped_answers_lie_among_the_leases_of_what_was_asked_and_end_with_it() {
    let (simulation, _) = lessor_testkit::sim::simulation();
    let node = World::new(vec![simulation.factory]).initialise().await;
    node.write("sys/mounts/sim", json!({ "type": "sim" })).await;
    for step in &simulation.setup {
        ok(&step.path, node.step("sim/", step).await);
    }
    let look = async |answer: &Value| {
        let of = json!({ "token": answer["wrap_info"]["token"] });
        node.ask(Update, "sys/wrapping/lookup", of).await.status
    };
    let read = async |path: &str| {
        let mut asked = request(Read, path, Value::Null);
        (asked.token, asked.wrap_ttl) = (Some(Secret::new(ROOT)), Some(Duration::from_secs(60)));
        ok(path, node.send(asked).await)
    };
    let answer = wrapped(&node, "sys/wrapping/wrap", json!({ "a": 1 })).await;
    assert_eq!(node.list("sys/leases/lookup/").await, ["sys/"]);
    let listed = node.list("sys/leases/lookup/sys/wrapping/wrap/").await;
    assert_eq!(listed.len(), 1);
    let id = format!("sys/wrapping/wrap/{}", listed[0]);
    assert_eq!(node.write("sys/leases/lookup", json!({ "lease_id": id })).await["data"]["renewable"], false);
    ok("revoke", node.ask(Update, "sys/leases/revoke-prefix/sys/wrapping", Value::Null).await);
    assert_eq!(look(&answer).await, 400);
    assert!(node.list("sys/leases/lookup/sys/").await.is_empty());
    let (kept, gone) = (read("sys/mounts/sim").await, read("sim/creds/app").await);
    assert_eq!((look(&kept).await, look(&gone).await), (200, 200));
    ok("unmount", node.ask(Delete, "sys/mounts/sim", Value::Null).await);
    assert_eq!((look(&kept).await, look(&gone).await), (200, 400));
}

#[tokio::test(start_paused = true)]
async fn wrapped_answers_of_a_namespace_are_listed_and_ended_in_that_namespace_alone() {
    let node = node().await;
    node.write("sys/namespaces/team", json!({})).await;
    let mut asked = request(Read, "sys/mounts", Value::Null);
    (asked.token, asked.wrap_ttl) = (Some(Secret::new(ROOT)), Some(Duration::from_secs(60)));
    asked.namespace = "team/".to_owned();
    let answer = ok("wrap", node.send(asked).await);
    assert!(node.list("sys/leases/lookup/").await.is_empty());
    assert!(node.list("sys/leases/lookup/team/").await.is_empty());
    let inside = async |operation, path: &str| {
        let mut asked = request(operation, path, Value::Null);
        (asked.token, asked.namespace) = (Some(Secret::new(ROOT)), "team/".to_owned());
        node.send(asked).await
    };
    let listed = ok("list", inside(List, "sys/leases/lookup/").await);
    assert_eq!(listed["data"]["keys"], json!(["sys/"]));
    node.ask(Update, "sys/leases/revoke-prefix/team/sys", Value::Null).await;
    let look = json!({ "token": answer["wrap_info"]["token"] });
    assert_eq!(node.ask(Update, "sys/wrapping/lookup", look.clone()).await.status, 200);
    ok("revoke", inside(Update, "sys/leases/revoke-prefix/sys").await);
    assert_eq!(node.ask(Update, "sys/wrapping/lookup", look).await.status, 400);
}
