//! What `sys/` tells of itself and of its machine.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_core::logs::{Form, Logs};
use lessor_core::response::Response;
use lessor_engine::Operation::{Delete, List, Read, Update};
use lessor_engine::Secret;
use lessor_testkit::node::{Node, ROOT, World, ok, request};
use lessor_testkit::sim;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::Receiver;
use tracing::Level;

fn world() -> World {
    World::new(vec![sim::simulation().0.factory])
}

async fn node() -> Node {
    let node = world().initialise().await;
    node.write("sys/mounts/sim", json!({ "type": "sim" })).await;
    node
}

fn error(answer: &Response) -> (u16, String) {
    let text = answer.body.json().unwrap()["errors"][0].as_str().unwrap_or_default().to_owned();
    (answer.status, text)
}

async fn help(node: &Node, path: &str) -> Response {
    let asked = request(Read, path, Value::Null);
    node.send(lessor_core::request::Request { help: true, token: Some(Secret::new(ROOT)), ..asked }).await
}

#[tokio::test(start_paused = true)]
async fn random_bytes_have_the_length_and_form_that_was_asked_for() {
    let node = node().await;
    let bytes = |answer: Value| answer["data"]["random_bytes"].as_str().unwrap().to_owned();
    assert_eq!(bytes(node.write("sys/tools/random", json!({})).await).len(), 44);
    let first = bytes(node.write("sys/tools/random/8", json!({ "format": "hex" })).await);
    let second = bytes(node.write("sys/tools/random/platform/8", json!({ "format": "hex" })).await);
    assert_eq!((first.len(), second.len()), (16, 16));
    assert_ne!(first, second);
    for (path, fields) in [
        ("sys/tools/random/0", json!({})),
        ("sys/tools/random/131073", json!({})),
        ("sys/tools/random/many", json!({})),
        ("sys/tools/random", json!({ "source": "dice" })),
        ("sys/tools/random", json!({ "format": "octal" })),
    ] {
        assert_eq!(node.ask(Update, path, fields).await.status, 400, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_shows_root_every_path_and_a_stranger_only_what_is_open() {
    let node = node().await;
    let document = node.read("sys/internal/specs/openapi").await;
    assert_eq!(document["openapi"], "3.0.2");
    let mounts = &document["paths"]["/sys/mounts/{path}"];
    assert_eq!(mounts["parameters"][0]["name"], "path");
    let schema = mounts["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
    let schema = &document["components"]["schemas"][schema.rsplit('/').next().unwrap()];
    assert_eq!(schema["properties"]["type"]["type"], "string");
    assert_eq!(document["paths"]["/sys/audit/{path}"]["x-vault-sudo"], true);
    assert!(document["paths"]["/sim/creds/{name}"]["get"].is_object());
    let generic = node.ask(Read, "sys/internal/specs/openapi", json!({ "generic_mount_paths": "true" })).await;
    let generic = ok("generic", generic);
    assert!(generic["paths"]["/{sim_mount_path}/creds/{name}"].is_object());
    let stranger = ok("stranger", node.send(request(Read, "sys/internal/specs/openapi", Value::Null)).await);
    let shown = stranger["paths"].as_object().unwrap();
    assert!(shown.values().all(|path| path["x-vault-unauthenticated"] == true));
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_document_have_names_of_their_own() {
    let node = node().await;
    let document = node.read("sys/internal/specs/openapi").await;
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete"] {
            let Some(id) = item[method]["operationId"].as_str() else { continue };
            let before = seen.insert(id.to_owned(), path);
            assert!(before.is_none_or(|other| other == path), "{id} of {path} and {before:?}");
        }
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn help_tells_of_a_path_of_a_mount_and_of_nothing_else() {
    let node = node().await;
    let answer = ok("path", help(&node, "sys/mounts/x").await);
    let text = answer["help"].as_str().unwrap();
    assert!(text.starts_with("Request:        mounts/x\nMatching Route: ^mounts/(?P<path>.+)$\n\n"), "{text}");
    assert!(text.contains("\n\n## PARAMETERS\n\n") && text.contains("    type (string)\n\n        "));
    assert!(answer["openapi"]["paths"]["/mounts/{path}"].is_object());
    for mount in ["sim", "sim/", "sys"] {
        let text = ok(mount, help(&node, mount).await)["help"].as_str().unwrap().to_owned();
        assert!(text.starts_with("## DESCRIPTION\n\n") && text.contains("\n\n## PATHS\n\n"), "{text}");
    }
    assert_eq!(error(&help(&node, "sys/nope").await).0, 404);
    assert_eq!(error(&help(&node, "nope/x").await).0, 404);
}

#[tokio::test(start_paused = true)]
async fn the_catalog_is_what_the_build_has_and_takes_nothing_else() {
    let node = node().await;
    assert_eq!(node.read("sys/plugins/catalog").await["data"]["secret"], json!(["sim"]));
    assert_eq!(node.list("sys/plugins/catalog/secret/").await, ["sim"]);
    assert_eq!(node.read("sys/plugins/catalog/secret/sim").await["data"]["builtin"], true);
    assert_eq!(node.ask(Read, "sys/plugins/catalog/secret/other", Value::Null).await.status, 404);
    let program = json!({ "command": "x", "sha256": "00".repeat(32) });
    let refused = node.ask(Update, "sys/plugins/catalog/secret/x", program).await;
    assert!(error(&refused).1.contains("runs no programs as plugins"));
    for fields in [json!({ "plugin": "sim" }), json!({ "mounts": "sim/" })] {
        assert!(node.write("sys/plugins/reload/backend", fields).await["data"]["reload_id"].is_string());
    }
    assert_eq!(node.ask(Update, "sys/plugins/reload/backend", json!({ "plugin": "x" })).await.status, 400);
    node.write("sys/plugins/reload/secret/sim", json!({})).await;
}

type Set = (Level, BTreeMap<&'static str, Level>);

#[derive(Debug, Default)]
struct Recorded(Mutex<Option<Set>>);

impl Logs for Recorded {
    fn follow(&self, _: Level, _: Form) -> Receiver<Vec<u8>> {
        tokio::sync::mpsc::channel(1).1
    }
    fn configured(&self) -> Level {
        Level::WARN
    }
    fn set(&self, level: Level, parts: &BTreeMap<&'static str, Level>) {
        *self.0.lock().unwrap() = Some((level, parts.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn levels_of_the_log_change_while_it_runs() {
    let logs = Arc::new(Recorded::default());
    let mut world = world();
    world.settings.logs = Some(logs.clone());
    let node = world.initialise().await;
    assert_eq!(node.read("sys/loggers/core").await["data"], json!({ "core": "warn" }));
    node.write("sys/loggers", json!({ "level": "debug" })).await;
    node.write("sys/loggers/audit", json!({ "level": "ERROR" })).await;
    let last = logs.0.lock().unwrap().clone().unwrap();
    assert_eq!(last, (Level::DEBUG, BTreeMap::from([("lessor_core::audit", Level::ERROR)])));
    assert_eq!(node.read("sys/loggers").await["data"]["audit"], "error");
    ok("reset", node.ask(Delete, "sys/loggers", Value::Null).await);
    assert_eq!(logs.0.lock().unwrap().clone().unwrap(), (Level::WARN, BTreeMap::new()));
    let wrong = node.ask(Update, "sys/loggers", json!({ "level": "zzz" })).await;
    assert_eq!(error(&wrong), (400, "invalid level provided: unknown log level: zzz".to_owned()));
    let wrong = node.ask(Update, "sys/loggers/nope", json!({ "level": "info" })).await;
    assert_eq!(error(&wrong), (400, "logger \"nope\" not found".to_owned()));
    let numbers = node.ask(Update, "sys/loggers", json!({ "level": "3" })).await;
    assert_eq!(numbers.status, 400);
}

#[tokio::test(start_paused = true)]
async fn versions_are_remembered_in_the_order_they_came() {
    let mut world = world();
    world.settings.version = "1.0.0".to_owned();
    world.initialise().await.core.seal().await;
    world.settings.version = "1.1.0".to_owned();
    let node = world.start(world.storage.clone()).await;
    let answer = ok("history", node.ask(List, "sys/version-history/", Value::Null).await);
    assert_eq!(answer["data"]["keys"], json!(["1.0.0", "1.1.0"]));
    assert_eq!(answer["data"]["key_info"]["1.1.0"]["previous_version"], "1.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_request_sees_itself_under_way_and_leaves() {
    let node = node().await;
    let under_way = node.read("sys/in-flight-req").await;
    let under_way = under_way.as_object().unwrap();
    assert_eq!(under_way.len(), 1);
    assert_eq!(under_way.values().next().unwrap()["request_path"], "/v1/sys/in-flight-req");
}

#[tokio::test]
async fn the_machine_and_the_configuration_are_described() {
    let node = node().await;
    let host = node.read("sys/host-info").await["data"].clone();
    assert!(host["memory"]["total"].as_u64().unwrap() > 0 && !host["cpu"].as_array().unwrap().is_empty());
    let config = node.read("sys/config/state/sanitized").await["data"].clone();
    assert_eq!((&config["storage"]["type"], &config["seals"][0]["type"]), (&json!("inmem"), &json!("static")));
    assert_eq!(node.read("sys/ha-status").await["nodes"][0]["active_node"], true);
}

#[tokio::test(start_paused = true)]
async fn what_only_other_editions_have_is_answered_so_that_clients_go_on() {
    let node = node().await;
    let status = ok("replication", node.send(request(Read, "sys/replication/status", Value::Null)).await);
    assert_eq!(status["data"]["dr"]["mode"], "disabled");
    assert_eq!(node.read("sys/seal-backend-status").await["data"]["healthy"], true);
    assert_eq!(error(&node.ask(Read, "sys/license/status", Value::Null).await).0, 404);
    let removed = node.ask(Read, "sys/internal/counters/requests", Value::Null).await;
    assert_eq!(error(&removed), (404, "The functionality has been removed on this path".to_owned()));
    assert_eq!(node.read("sys/internal/counters/tokens").await["data"]["counters"]["service_tokens"]["total"], 1);
    let stranger = node.send(request(Read, "sys/internal/ui/namespaces", Value::Null)).await;
    assert_eq!(stranger.status, 403);
}
