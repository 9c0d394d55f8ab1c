//! Version 2, through its paths.
mod support;
use lessor_engine::Operation::{Delete, List, Patch, Read, Scan, Update};
use lessor_mountkit::Alone;
use lessor_storage::MemoryStorage;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use support::{mount, mount_on};

async fn put(kv: &Alone, path: &str, data: Value) -> Value {
    kv.write(&format!("data/{path}"), json!({ "data": data })).await.data()
}

#[tokio::test(start_paused = true)]
async fn every_write_is_a_new_version_and_old_ones_stay_readable() {
    let kv = mount("2");
    let first = put(&kv, "a/b", json!({"k": 1})).await;
    assert_eq!(
        first,
        json!({"created_time": "2026-11-01T00:00:00Z", "custom_metadata": null, "deletion_time": "",
               "destroyed": false, "version": 1})
    );
    assert_eq!(put(&kv, "a/b", json!({"k": 2})).await["version"], 2);
    let latest = kv.read("data/a/b").await.data();
    assert_eq!((&latest["data"]["k"], &latest["metadata"]["version"]), (&json!(2), &json!(2)));
    for version in [json!(1), json!("1")] {
        let old = kv.ok(Read, "data/a/b", json!({ "version": version })).await.data();
        assert_eq!(old["data"], json!({"k": 1}));
    }
    assert_eq!(kv.ok(Read, "data/a/b", json!({"version": -1})).await.data()["metadata"]["version"], 2);
    assert!(kv.ok(Read, "data/a/b", json!({"version": 9})).await.missing().is_none());
    assert!(kv.read("data/none").await.missing().is_none());
    assert!(kv.read("data/").await.missing().is_none());
    let (status, message) = kv.error(Read, "data/a/b", json!({"version": "abc"})).await;
    assert!(status == 400 && message.starts_with("Field validation failed"), "{message}");
}

#[tokio::test]
async fn check_and_set_keeps_lost_updates_out() {
    let kv = mount("2");
    let write = |cas: Value| json!({"data": {"k": "v"}, "options": {"cas": cas}});
    let mismatch = (400, "check-and-set parameter did not match the current version".to_owned());
    assert_eq!(kv.error(Update, "data/a", write(json!(1))).await, mismatch);
    assert_eq!(kv.write("data/a", write(json!(0))).await.data()["version"], 1);
    assert_eq!(kv.error(Update, "data/a", write(json!(0))).await, mismatch);
    assert_eq!(kv.write("data/a", write(json!("1"))).await.data()["version"], 2);
    assert_eq!(
        kv.error(Update, "data/a", write(json!("x"))).await,
        (400, "error parsing check-and-set parameter".to_owned())
    );
    let required = (400, "check-and-set parameter required for this call".to_owned());
    kv.write("metadata/a", json!({"cas_required": "true"})).await;
    assert_eq!(kv.error(Update, "data/a", json!({"data": {}})).await, required);
    kv.write("config", json!({"cas_required": true})).await;
    assert_eq!(kv.error(Update, "data/other", json!({"data": {}})).await, required);
}

#[tokio::test]
async fn data_must_be_given_and_be_an_object_or_null() {
    let kv = mount("2");
    assert_eq!(kv.error(Update, "data/a", json!({"k": "v"})).await, (400, "no data provided".to_owned()));
    let (status, message) = kv.error(Update, "data/a", json!({"data": "text"})).await;
    assert!(status == 400 && message.contains("expected type 'map[string]interface {}'"), "{message}");
    assert!(message.contains("error converting input for field \"data\""), "{message}");
    assert_eq!(put(&kv, "a", json!({})).await["version"], 1);
    assert_eq!(put(&kv, "a", Value::Null).await["version"], 2);
    assert_eq!(kv.read("data/a").await.data()["data"], Value::Null);
    let patch = kv.error(Patch, "data/a", json!({"data": {"k": 1}})).await;
    assert_eq!(patch, (500, "resource does not exist".to_owned()));
    assert_eq!(kv.error(Update, "data/a/", json!({"data": {}})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn deleted_versions_are_missing_with_their_metadata_until_undeleted() {
    let kv = mount("2");
    put(&kv, "a", json!({"k": 1})).await;
    assert!(kv.ok(Delete, "data/a", Value::Null).await.is_empty());
    let gone = kv.read("data/a").await.missing().expect("an envelope");
    assert_eq!(gone["data"], Value::Null);
    assert_eq!(gone["metadata"]["deletion_time"], "2026-11-01T00:00:00Z");
    let patched = kv.ok(Patch, "data/a", json!({"data": {"x": 1}})).await.missing().expect("an envelope");
    assert_eq!(patched["version"], 1);
    assert!(kv.write("undelete/a", json!({"versions": ["1"]})).await.is_empty());
    assert_eq!(kv.read("data/a").await.data()["data"], json!({"k": 1}));
    assert!(kv.write("delete/a", json!({"versions": "1,7"})).await.is_empty());
    assert!(kv.read("data/a").await.missing().is_some());
    // A deleted version still counts for check-and-set.
    let write = json!({"data": {}, "options": {"cas": 1}});
    assert_eq!(kv.write("data/a", write).await.data()["version"], 2);
    assert!(kv.ok(Delete, "data/none", Value::Null).await.is_empty());
}

#[tokio::test]
async fn destroyed_versions_never_come_back() {
    let kv = mount("2");
    put(&kv, "a", json!({"k": 1})).await;
    assert!(kv.write("destroy/a", json!({"versions": [1]})).await.is_empty());
    assert!(kv.write("undelete/a", json!({"versions": [1]})).await.is_empty());
    let gone = kv.read("data/a").await.missing().expect("an envelope");
    assert_eq!(gone["metadata"]["destroyed"], true);
    for (path, none) in [("delete/a", "No version"), ("undelete/a", "No version"), ("destroy/a", "no version")] {
        assert_eq!(kv.error(Update, path, json!({})).await, (400, format!("{none} number provided")));
        let (status, message) = kv.error(Update, path, json!({"versions": ["x"]})).await;
        assert!(status == 400 && message.contains("versions"), "{message}");
    }
    assert!(kv.write("destroy/none", json!({"versions": [1]})).await.is_empty());
}

#[tokio::test]
async fn old_versions_are_pruned_on_write() {
    let kv = mount("2");
    for n in 1..=12 {
        put(&kv, "a", json!({ "n": n })).await;
    }
    let meta = kv.read("metadata/a").await.data();
    assert_eq!((&meta["oldest_version"], &meta["current_version"]), (&json!(3), &json!(12)));
    assert_eq!(meta["versions"].as_object().unwrap().len(), 10);
    kv.write("metadata/a", json!({"max_versions": "2"})).await;
    put(&kv, "a", json!({"n": 13})).await;
    let meta = kv.read("metadata/a").await.data();
    assert_eq!(meta["versions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["12", "13"]);
    assert!(kv.ok(Read, "data/a", json!({"version": 11})).await.missing().is_none());
    assert_eq!(kv.error(Update, "metadata/a", json!({"max_versions": -1})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn versions_expire_when_the_shorter_setting_says() {
    let kv = mount("2");
    kv.write("config", json!({"delete_version_after": "1h30m", "max_versions": 5})).await;
    let config = kv.read("config").await.data();
    assert_eq!((&config["delete_version_after"], &config["max_versions"]), (&json!("1h30m0s"), &json!(5)));
    kv.write("metadata/a", json!({"delete_version_after": "1h"})).await;
    assert_eq!(put(&kv, "a", json!({"k": 1})).await["deletion_time"], "2026-11-01T01:00:00Z");
    assert_eq!(kv.read("data/a").await.data()["metadata"]["deletion_time"], "2026-11-01T01:00:00Z");
    tokio::time::advance(Duration::from_secs(3601)).await;
    assert!(kv.read("data/a").await.missing().is_some());
    kv.write("undelete/a", json!({"versions": [1]})).await;
    assert_eq!(kv.read("data/a").await.data()["metadata"]["deletion_time"], "");
    let (status, message) = kv.error(Update, "config", json!({"delete_version_after": "-1"})).await;
    assert!(status == 400 && message.contains("cannot provide negative value '-1'"), "{message}");
}

#[tokio::test]
async fn patches_merge_into_the_latest_version() {
    let kv = mount("2");
    assert_eq!(kv.reply(Patch, "data/a", json!({"data": {"k": 1}})).await.status, Some(404));
    put(&kv, "a", json!({"keep": 1, "drop": 2, "deep": {"x": 1}})).await;
    let patch = json!({"data": {"drop": null, "deep": {"y": 2}}, "options": {"cas": 1}});
    assert_eq!(kv.ok(Patch, "data/a", patch.clone()).await.data()["version"], 2);
    assert_eq!(kv.read("data/a").await.data()["data"], json!({"keep": 1, "deep": {"x": 1, "y": 2}}));
    assert_eq!(kv.error(Patch, "data/a", patch).await.0, 400);
}

#[tokio::test]
async fn metadata_is_made_merged_and_checked() {
    let kv = mount("2");
    assert!(kv.write("metadata/a", json!({})).await.is_empty());
    assert!(kv.read("metadata/a").await.missing().is_none(), "an empty write makes nothing");
    assert_eq!(kv.reply(Patch, "metadata/a", json!({"max_versions": 1})).await.status, Some(404));
    kv.write("metadata/a", json!({"custom_metadata": {"owner": "me", "n": 7}})).await;
    assert!(kv.read("data/a").await.missing().is_none(), "no version yet");
    assert_eq!(kv.read("metadata/a").await.data()["custom_metadata"], json!({"n": "7", "owner": "me"}));
    assert_eq!(put(&kv, "a", json!({})).await["custom_metadata"]["owner"], "me");
    kv.ok(Patch, "metadata/a", json!({"custom_metadata": {"n": null, "x": "y"}, "max_versions": 3})).await;
    let meta = kv.read("metadata/a").await.data();
    assert_eq!((&meta["custom_metadata"], &meta["max_versions"]), (&json!({"owner": "me", "x": "y"}), &json!(3)));
    kv.ok(Patch, "metadata/a", json!({"custom_metadata": null})).await;
    assert_eq!(kv.read("metadata/a").await.data()["custom_metadata"], Value::Null);

    let many: serde_json::Map<String, Value> = (0..65).map(|n| (n.to_string(), json!("v"))).collect();
    for bad in [json!({"a": {"b": "c"}}), json!({"k".repeat(129): "v"}), json!({"k": "v".repeat(513)}), json!(many)] {
        let (status, message) = kv.error(Update, "metadata/a", json!({ "custom_metadata": bad })).await;
        assert!(status == 400 && message.contains("custom_metadata validation failed: "), "{message}");
    }
    assert_eq!(kv.error(Update, "metadata/a", json!({"custom_metadata": "text"})).await.0, 400);
}

#[tokio::test]
async fn removing_metadata_removes_everything() {
    let storage = MemoryStorage::new();
    let kv = mount_on(Arc::new(storage.clone()), "2");
    put(&kv, "a", json!({"k": 1})).await;
    put(&kv, "a", json!({"k": 2})).await;
    assert!(kv.ok(Delete, "metadata/a", Value::Null).await.is_empty());
    assert!(kv.read("metadata/a").await.missing().is_none());
    assert!(lessor_storage::Storage::scan(&storage, "", None, 10).await.unwrap().is_empty());
    assert!(kv.ok(Delete, "metadata/a", Value::Null).await.is_empty());
    assert_eq!(put(&kv, "a", json!({"k": 3})).await["version"], 1);
}

#[tokio::test]
async fn lists_and_subkeys_show_structure_only() {
    let kv = mount("2");
    put(&kv, "a", json!({"x": {"y": {"z": 1}}, "w": [1]})).await;
    put(&kv, "a/b", json!({})).await;
    assert_eq!(kv.list("metadata/").await, ["a", "a/"]);
    assert_eq!(kv.list("metadata/a").await, ["b"]);
    assert!(kv.list("metadata/none/").await.is_empty());
    assert!(kv.ask(List, "data/", Value::Null).await.is_none(), "data cannot be listed");
    let detailed = kv.ok(List, "detailed-metadata/", Value::Null).await.data();
    assert_eq!(detailed["keys"], json!(["a", "a/"]));
    assert_eq!(detailed["key_info"]["a"]["current_version"], 1);

    let subkeys = kv.read("subkeys/a").await.data();
    assert_eq!(subkeys["subkeys"], json!({"x": {"y": {"z": null}}, "w": null}));
    assert_eq!(subkeys["metadata"]["version"], 1);
    let shallow = kv.ok(Read, "subkeys/a", json!({"depth": 1})).await.data();
    assert_eq!(shallow["subkeys"], json!({"x": null, "w": null}));
    kv.ok(Delete, "data/a", Value::Null).await;
    assert_eq!(kv.read("subkeys/a").await.missing().unwrap()["subkeys"], Value::Null);
}

#[tokio::test]
async fn clients_of_version_1_are_told() {
    let kv = mount("2");
    for (operation, command) in [(Read, "get"), (Update, "put"), (List, "list"), (Delete, "delete")] {
        let reply = kv.reply(operation, "foo/bar", json!({"k": "v"})).await;
        assert!(matches!(reply.outcome, lessor_engine::Outcome::Missing(None)));
        assert!(reply.warnings[0].starts_with("Invalid path for a versioned K/V secrets engine."));
        assert!(reply.warnings[0].contains(&format!("vault kv {command}")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mount_of_version_1_keeps_its_secrets_as_version_2() {
    let storage = MemoryStorage::new();
    let old = mount_on(Arc::new(storage.clone()), "1");
    old.write("a/b", json!({"k": 1})).await;
    old.write("c", json!({"k": 3})).await;
    let kv = mount_on(Arc::new(storage), "2");
    assert_eq!(kv.list("metadata/").await, ["a/", "c"]);
    assert!(kv.exists("data/a/b").await);
    let read = kv.read("data/a/b").await.data();
    assert_eq!((&read["data"], &read["metadata"]["version"]), (&json!({"k": 1}), &json!(1)));
    assert_eq!(put(&kv, "a/b", json!({"k": 2})).await["version"], 2);
    assert_eq!(kv.ok(Read, "data/a/b", json!({"version": 1})).await.data()["data"], json!({"k": 1}));
    kv.ok(Delete, "metadata/c", Value::Null).await;
    assert!(kv.read("data/c").await.missing().is_none());
    assert_eq!(kv.list("metadata/").await, ["a/"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_one_path_all_get_their_version() {
    let kv = Arc::new(mount("2"));
    let writers = (0..50).map(|n| {
        let kv = Arc::clone(&kv);
        tokio::spawn(async move { put(&kv, "a", json!({ "n": n })).await["version"].as_u64().unwrap() })
    });
    let mut versions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        versions.push(writer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_scan_lists_everything_below_higher_names_first() {
    for (version, path) in [("1", ""), ("2", "metadata/")] {
        let kv = mount(version);
        for name in ["a/b", "a/c", "a/e/f", "d"] {
            match version {
                "1" => kv.write(name, json!({"k": "v"})).await,
                _ => kv.write(&format!("data/{name}"), json!({"data": {"k": "v"}})).await,
            };
        }
        let scanned = kv.ok(Scan, path, json!({})).await.data();
        assert_eq!(scanned["keys"], json!(["d", "a/b", "a/c", "a/e/f"]), "version {version}");
        let below = kv.ok(Scan, &format!("{path}a"), json!({})).await.data();
        assert_eq!(below["keys"], json!(["b", "c", "e/f"]), "version {version}");
        assert_eq!(kv.ok(Scan, &format!("{path}none"), json!({})).await.data(), json!({}));
    }
    let kv = mount("2");
    kv.write("data/a/b", json!({"data": {"k": "v"}})).await;
    let detailed = kv.ok(Scan, "detailed-metadata/", json!({})).await.data();
    assert_eq!(detailed["key_info"]["a/b"]["current_version"], 1);
}
