//! Version 1, through its paths.
mod support;
use lessor_engine::Operation::{Delete, List, Patch, Read, Update};
use serde_json::{Value, json};
use support::mount;

#[tokio::test]
async fn a_secret_is_replaced_whole_and_keeps_its_types() {
    let kv = mount("1");
    assert!(kv.write("a/b", json!({"n": 1, "path": "x", "deep": {"list": [1, null]}})).await.is_empty());
    assert_eq!(kv.read("a/b").await.data(), json!({"n": 1, "path": "x", "deep": {"list": [1, null]}}));
    kv.write("a/b", json!({"other": true})).await;
    assert_eq!(kv.read("a/b").await.data(), json!({"other": true}));
    assert!(kv.ok(Delete, "a/b", Value::Null).await.is_empty());
    assert!(kv.read("a/b").await.missing().is_none());
    assert!(kv.ok(Delete, "a/b", Value::Null).await.is_empty());
}

#[tokio::test]
async fn empty_writes_and_folders_are_refused() {
    let kv = mount("1");
    assert_eq!(kv.error(Update, "a", json!({})).await, (400, "missing data fields".to_owned()));
    assert_eq!(
        kv.error(Update, "a/", json!({"k": "v"})).await,
        (400, "cannot write to a path ending in '/'".to_owned())
    );
    assert!(kv.ask(Patch, "a", json!({"k": "v"})).await.is_none(), "version 1 has no patch");
}

#[tokio::test]
async fn lists_show_children_and_folders() {
    let kv = mount("1");
    for path in ["b", "b/c", "b/d/e", "a"] {
        kv.write(path, json!({"k": "v"})).await;
    }
    assert_eq!(kv.list("").await, ["a", "b", "b/"]);
    assert_eq!(kv.list("b/").await, ["c", "d/"]);
    assert_eq!(kv.list("b").await, ["c", "d/"]);
    assert!(kv.list("nothing/").await.is_empty());
    let _ = (List, Read);
}

#[tokio::test]
async fn the_lease_hint_comes_from_the_secret_or_the_mount() {
    let kv = mount("1");
    for (secret, seconds) in [
        (json!({"ttl": "30m"}), 1800),
        (json!({"lease": "3600"}), 3600),
        (json!({"ttl": 60, "lease": "1h"}), 60),
        (json!({"ttl": "soon"}), 2_764_800),
        (json!({"k": "v"}), 2_764_800),
    ] {
        kv.write("a", secret.clone()).await;
        assert_eq!(kv.reply(Read, "a", Value::Null).await.lease_duration, seconds, "{secret}");
    }
}

#[tokio::test]
async fn creating_is_told_from_updating() {
    let kv = mount("1");
    assert!(!kv.exists("a").await);
    kv.write("a", json!({"k": "v"})).await;
    assert!(kv.exists("a").await);
}
