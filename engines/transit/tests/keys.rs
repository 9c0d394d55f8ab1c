//! The life of a key.
mod support;
use lessor_engine::Operation::{Delete, List, Read, Update};
use lessor_storage::{MemoryStorage, Storage};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{mount, mount_on};

#[tokio::test(start_paused = true)]
async fn every_kind_is_made_and_described() {
    let transit = mount();
    for (kind, encrypts, signs, derives) in [
        ("aes128-gcm96", true, false, true),
        ("aes256-gcm96", true, false, true),
        ("chacha20-poly1305", true, false, true),
        ("xchacha20-poly1305", true, false, true),
        ("ed25519", false, true, true),
        ("ecdsa-p256", false, true, false),
        ("ecdsa-p384", false, true, false),
        ("ecdsa-p521", false, true, false),
        ("rsa-2048", true, true, false),
        ("hmac", false, false, false),
    ] {
        let made = transit.write(&format!("keys/{kind}"), json!({ "type": kind })).await.data();
        assert_eq!(made, transit.read(&format!("keys/{kind}")).await.data());
        let flags = ["supports_encryption", "supports_decryption", "supports_signing", "supports_derivation"];
        let flags = flags.map(|name| made[name].as_bool().unwrap());
        assert_eq!(flags, [encrypts, encrypts, signs, derives], "{kind}");
        assert_eq!(made["type"], kind);
        if signs {
            assert_eq!(made["keys"]["1"]["creation_time"], "2026-11-01T00:00:00Z");
        } else {
            assert_eq!(made["keys"]["1"], 1_793_491_200);
        }
    }
    assert_eq!(transit.list("keys").await.len(), 10);
    let page = transit.ok(List, "keys", json!({ "after": "ecdsa-p256", "limit": 2 })).await;
    assert!(matches!(page, lessor_mountkit::Answer::Keys(keys) if keys == ["ecdsa-p384", "ecdsa-p521"]));
}

#[tokio::test]
async fn what_a_key_cannot_be_is_refused_and_makes_nothing() {
    let transit = mount();
    for (body, text) in [
        (json!({ "type": "des" }), "unknown key type des"),
        (json!({ "type": "managed_key" }), "unknown key type managed_key"),
        (json!({ "convergent_encryption": true }), "convergent encryption requires derivation to be enabled"),
        (json!({ "key_size": 64 }), "key_size is not valid for algorithm aes256-gcm96"),
        (json!({ "type": "hmac", "key_size": 31 }), "invalid key_size 31"),
        (json!({ "type": "hmac", "key_size": 513 }), "invalid key_size 513"),
        (json!({ "auto_rotate_period": "59m" }), "auto rotate period must be 0 to disable or at least an hour"),
        (
            json!({ "type": "rsa-2048", "derived": true }),
            "key derivation and convergent encryption not supported for keys of type rsa-2048",
        ),
    ] {
        assert_eq!(transit.error(Update, "keys/k", body).await, (400, text.to_owned()));
    }
    assert!(transit.list("keys").await.is_empty());
}

#[tokio::test]
async fn an_existing_key_is_left_alone() {
    let transit = mount();
    transit.write("keys/k", json!({})).await;
    let reply = transit.reply(Update, "keys/k", json!({ "type": "ed25519", "exportable": true })).await;
    assert_eq!(reply.warnings, ["key k already existed"]);
    let key = transit.read("keys/k").await.data();
    assert_eq!((&key["type"], &key["exportable"]), (&json!("aes256-gcm96"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_rotations_lose_no_version() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    // Two nodes over one storage.
    let nodes = [Arc::new(mount_on(storage.clone())), Arc::new(mount_on(storage))];
    nodes[0].write("keys/k", json!({})).await;
    let rotations = (0..40).map(|at: usize| {
        let node = Arc::clone(&nodes[at % 2]);
        tokio::spawn(async move { node.write("keys/k/rotate", json!({})).await.data()["latest_version"].clone() })
    });
    for rotation in rotations.collect::<Vec<_>>() {
        rotation.await.unwrap();
    }
    for node in &nodes {
        let key = node.read("keys/k").await.data();
        assert_eq!((&key["latest_version"], key["keys"].as_object().unwrap().len()), (&json!(41), 41));
    }
}

#[tokio::test]
async fn a_node_notices_what_another_one_changed() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let (here, there) = (mount_on(storage.clone()), mount_on(storage));
    here.write("keys/k", json!({})).await;
    here.write("encrypt/k", json!({ "plaintext": "AAAA" })).await;
    there.write("keys/k/rotate", json!({})).await;
    let sealed = here.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data();
    assert_eq!(sealed["key_version"], 2);
    there.write("keys/k/config", json!({ "deletion_allowed": true })).await;
    there.ok(Delete, "keys/k", Value::Null).await;
    assert!(here.read("keys/k").await.missing().is_none());
    assert_eq!(here.error(Update, "decrypt/k", json!({ "ciphertext": sealed["ciphertext"] })).await.0, 400);
}

#[tokio::test]
async fn only_what_may_be_deleted_is() {
    let transit = mount();
    transit.write("keys/k", json!({})).await;
    let refused = transit.error(Delete, "keys/k", Value::Null).await;
    assert_eq!(refused, (400, "error deleting policy k: deletion is not allowed for this key".to_owned()));
    transit.write("keys/k/config", json!({ "deletion_allowed": true })).await;
    assert!(transit.ok(Delete, "keys/k", Value::Null).await.is_empty());
    let refused = transit.error(Delete, "keys/k", Value::Null).await;
    assert_eq!(refused, (400, "error deleting policy k: could not delete key; not found".to_owned()));
}

#[tokio::test]
async fn export_and_backup_cannot_be_forbidden_again() {
    let transit = mount();
    transit.write("keys/k", json!({ "exportable": true, "allow_plaintext_backup": true })).await;
    let config = json!({ "exportable": false, "allow_plaintext_backup": false });
    let key = transit.write("keys/k/config", config).await.data();
    assert_eq!((&key["exportable"], &key["allow_plaintext_backup"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn trimmed_versions_are_gone() {
    let transit = mount();
    transit.write("keys/k", json!({})).await;
    let old = transit.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data()["ciphertext"].clone();
    transit.write("keys/k/rotate", json!({})).await;
    let trim = |least: i64| json!({ "min_available_version": least });
    assert_eq!(transit.error(Update, "keys/k/trim", trim(2)).await.0, 400);
    transit.write("keys/k/config", json!({ "min_decryption_version": 2, "min_encryption_version": 2 })).await;
    assert_eq!(transit.error(Update, "keys/k/trim", trim(3)).await.0, 400);
    let key = transit.write("keys/k/trim", trim(2)).await.data();
    assert_eq!(key["min_available_version"], 2);
    assert_eq!(transit.error(Update, "keys/k/trim", trim(1)).await.0, 400);
    assert_eq!(transit.error(Update, "keys/k/config", json!({ "min_decryption_version": 1 })).await.0, 400);
    assert_eq!(transit.error(Update, "decrypt/k", json!({ "ciphertext": old })).await.0, 400);
    transit.write("keys/k/rotate", json!({})).await;
    assert_eq!(transit.read("keys/k").await.data()["latest_version"], 3);
}

#[tokio::test]
async fn a_key_put_aside_does_nothing_until_it_is_taken_back() {
    let transit = mount();
    let body = json!({ "type": "rsa-2048", "exportable": true, "allow_plaintext_backup": true });
    transit.write("keys/k", body).await;
    assert_eq!(transit.ok(Delete, "keys/k/soft-delete", Value::Null).await.data()["soft_deleted"], true);
    let refused = (400, "refusing to use soft-deleted key".to_owned());
    for (operation, path, body) in [
        (Update, "encrypt/k", json!({ "plaintext": "AAAA" })),
        (Update, "decrypt/k", json!({ "ciphertext": "vault:v1:AAAA" })),
        (Update, "sign/k", json!({ "input": "AAAA" })),
        (Update, "verify/k", json!({ "input": "AAAA", "signature": "vault:v1:AAAA" })),
        (Update, "hmac/k", json!({ "input": "AAAA" })),
        (Update, "keys/k/rotate", json!({})),
        (Read, "export/signing-key/k", Value::Null),
        (Read, "backup/k", Value::Null),
        (Update, "keys/k/csr", json!({})),
    ] {
        assert_eq!(transit.error(operation, path, body).await, refused, "{path}");
    }
    transit.write("keys/k/soft-delete-restore", json!({})).await;
    transit.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data();
}

#[tokio::test(start_paused = true)]
async fn keys_are_rotated_by_themselves_when_their_period_is_over() {
    let transit = mount();
    let reply = transit.reply(Update, "keys/k", json!({ "auto_rotate_period": "24h" })).await;
    assert_eq!(reply.reschedule, ["k"]);
    let (rotating, cx) = (transit.rotating(), transit.context());
    let due = rotating.next(&cx, "k").await.unwrap().unwrap();
    assert_eq!(due.to_string(), "2026-11-02T00:00:00Z");
    tokio::time::advance(Duration::from_secs(86_400)).await;
    let rotation = rotating.plan(&cx, "k").await.unwrap();
    assert!(rotating.settle(&cx, &rotation).await.unwrap() == lessor_engine::Works::Old);
    // Somebody rotates by hand between plan and commit: both versions stay.
    transit.write("keys/k/rotate", json!({})).await;
    cx.view.commit(rotating.commit(&cx, &rotation).await.unwrap()).await.unwrap();
    assert_eq!(transit.read("keys/k").await.data()["latest_version"], 3);
    assert_eq!(rotating.next(&cx, "k").await.unwrap().unwrap().to_string(), "2026-11-03T00:00:00Z");
    transit.write("keys/k/config", json!({ "auto_rotate_period": 0 })).await;
    assert!(rotating.next(&cx, "k").await.unwrap().is_none());
    assert!(rotating.next(&cx, "none").await.unwrap().is_none());
}

#[tokio::test]
async fn settings_are_kept_and_checked() {
    let transit = mount();
    assert_eq!(transit.read("cache-config").await.data(), json!({ "size": 0 }));
    assert_eq!(transit.error(Update, "cache-config", json!({ "size": 9 })).await.0, 400);
    transit.write("cache-config", json!({ "size": 10 })).await;
    assert_eq!(transit.read("cache-config").await.data(), json!({ "size": 10 }));
    // More keys than fit still work.
    for at in 0..30 {
        transit.write(&format!("encrypt/k{at}"), json!({ "plaintext": "AAAA" })).await.data();
    }
    for at in 0..30 {
        transit.write(&format!("encrypt/k{at}"), json!({ "plaintext": "AAAA" })).await.data();
    }
    assert_eq!(transit.list("keys").await.len(), 30);
}
