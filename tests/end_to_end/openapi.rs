//! The OpenAPI document of every engine and auth method, as it is written down in `openapi/`. `UPDATE_GOLDEN=1` writes
//! it anew.
use crate::lessor::Lessor;
use lessor_client::Request;
use serde_json::{Map, Value, json};
use std::path::Path;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/end_to_end/openapi")
}

/// The part of a document below one mount, with the schemas it refers to.
fn part(document: &Value, mount: &str) -> Value {
    let paths = document["paths"].as_object().unwrap();
    let paths: Map<String, Value> = paths
        .iter()
        .filter(|(path, _)| path.starts_with(mount))
        .map(|(path, item)| (path.clone(), item.clone()))
        .collect();
    let text = Value::Object(paths.clone()).to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let used = schemas.iter().filter(|(name, _)| text.contains(&format!("#/components/schemas/{name}\"")));
    let used: Map<String, Value> = used.map(|(name, schema)| (name.clone(), schema.clone())).collect();
    json!({ "paths": paths, "components": { "schemas": used } })
}

#[tokio::test]
async fn documents_of_all_engines_and_methods_are_those_written_down() {
    let lessor = Lessor::dev().await;
    let catalog = lessor.send(Request::get("sys/plugins/catalog")).await.unwrap();
    let names = |kind: &str| -> Vec<String> {
        let names = catalog["data"][kind].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let mut mounts: Vec<(String, String)> =
        ["sys", "cubbyhole", "identity"].map(|name| (name.to_owned(), format!("/{name}/"))).to_vec();
    mounts.push(("auth-token".to_owned(), "/auth/token/".to_owned()));
    for (kind, below, prefix) in [("secret", "sys/mounts", ""), ("auth", "sys/auth", "auth/")] {
        for name in names(kind) {
            lessor.write(&format!("{below}/golden-{name}"), json!({ "type": name })).await;
            let file = if kind == "auth" { format!("auth-{name}") } else { name.clone() };
            mounts.push((file, format!("/{prefix}golden-{name}/")));
        }
    }
    let document = lessor.send(Request::get("sys/internal/specs/openapi")).await.unwrap();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut stale, mut ids) = (Vec::new(), std::collections::BTreeSet::new());
    for (file, mount) in mounts {
        let part = part(&document, &mount);
        assert!(!part["paths"].as_object().unwrap().is_empty(), "{mount} has no paths");
        // One name for two operations would describe an engine by the auth method of its name.
        let operations =
            part["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        for id in operations.filter_map(|operation| operation.get("operationId")?.as_str()) {
            assert!(ids.insert(id.to_owned()), "{mount}: {id} is another operation's name, too");
        }
        let text = serde_json::to_string_pretty(&part).unwrap() + "\n";
        let path = folder().join(format!("{file}.json"));
        if update {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(file);
        }
    }
    assert!(stale.is_empty(), "write them anew with UPDATE_GOLDEN=1 and look at what changed: {stale:?}");
}
