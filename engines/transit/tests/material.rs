//! Key material on its way in and out.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::{Read, Update};
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use support::mount;

const TEXT: &str = "cGxhaW50ZXh0";

async fn backup(transit: &Alone, name: &str) -> Value {
    transit.read(&format!("backup/{name}")).await.data()["backup"].clone()
}

async fn portable(transit: &Alone, name: &str, kind: &str) {
    let body = json!({ "type": kind, "exportable": true, "allow_plaintext_backup": true });
    transit.write(&format!("keys/{name}"), body).await;
}

#[tokio::test]
async fn a_backup_needs_both_permissions() {
    let transit = mount();
    transit.write("keys/k", json!({})).await;
    let refused = transit.error(Read, "backup/k", Value::Null).await;
    assert_eq!(refused, (400, "exporting is disallowed on the policy".to_owned()));
    transit.write("keys/k/config", json!({ "exportable": true })).await;
    let refused = transit.error(Read, "backup/k", Value::Null).await;
    assert_eq!(refused, (400, "plaintext backup is disallowed on the policy".to_owned()));
    assert_eq!(transit.error(Read, "backup/none", Value::Null).await, (400, "key \"none\" not found".to_owned()));
}

#[tokio::test]
async fn a_restored_key_replaces_another_only_by_force() {
    let transit = mount();
    portable(&transit, "k", "ecdsa-p256").await;
    let saved = backup(&transit, "k").await;
    let signed = transit.write("sign/k", json!({ "input": TEXT })).await.data()["signature"].clone();
    transit.write("keys/k/rotate", json!({})).await;
    let refused = transit.error(Update, "restore", json!({ "backup": saved })).await;
    assert_eq!(refused, (400, "key \"k\" already exists".to_owned()));
    transit.write("restore", json!({ "backup": saved, "force": true })).await;
    let key = transit.read("keys/k").await.data();
    assert_eq!((&key["latest_version"], &key["restore_info"]["version"]), (&json!(1), &json!(1)));
    transit.write("restore/copy", json!({ "backup": saved })).await;
    let check = json!({ "input": TEXT, "signature": signed });
    assert_eq!(transit.write("verify/copy", check).await.data()["valid"], true);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_makes_nothing() {
    let transit = mount();
    portable(&transit, "k", "aes256-gcm96").await;
    let saved = backup(&transit, "k").await.as_str().unwrap().to_owned();
    for bad in ["", "!", "AAAA", &saved[..saved.len() / 2], "e30="] {
        assert_eq!(transit.error(Update, "restore/x", json!({ "backup": bad })).await.0, 400, "{bad:.20}");
    }
    for name in ["a/b", "-x", "ä"] {
        let refused = transit.error(Update, "restore", json!({ "backup": saved, "name": name })).await;
        assert_eq!(refused.0, 400, "{name}");
    }
    assert_eq!(transit.list("keys").await, ["k"]);
}

#[tokio::test]
async fn exports_have_the_forms_of_their_kinds() {
    let transit = mount();
    for (kind, what, format, start) in [
        ("aes128-gcm96", "encryption-key", "", ""),
        ("ed25519", "signing-key", "pem", "-----BEGIN PRIVATE KEY-----"),
        ("ecdsa-p384", "signing-key", "", "-----BEGIN EC PRIVATE KEY-----"),
        ("ecdsa-p521", "signing-key", "pem", "-----BEGIN PRIVATE KEY-----"),
        ("ecdsa-p256", "public-key", "", "-----BEGIN PUBLIC KEY-----"),
        ("rsa-2048", "encryption-key", "", "-----BEGIN RSA PRIVATE KEY-----"),
        ("rsa-2048", "signing-key", "der", "MII"),
    ] {
        portable(&transit, kind, kind).await;
        let path = format!("export/{what}/{kind}/latest");
        let exported = transit.ok(Read, &path, json!({ "format": format })).await.data();
        let text = exported["keys"]["1"].as_str().unwrap();
        assert!(text.starts_with(start) && !text.is_empty(), "{path}: {text:.40}");
    }
    transit.write("keys/closed", json!({ "type": "ed25519" })).await;
    let refused = transit.error(Read, "export/signing-key/closed", Value::Null).await;
    assert_eq!(refused, (400, "private key material is not exportable".to_owned()));
    transit.read("export/public-key/closed").await.data();
    assert_eq!(transit.error(Read, "export/cmac-key/closed", Value::Null).await.0, 400);
    assert!(transit.read("export/signing-key/none").await.missing().is_none());
}

#[tokio::test]
async fn a_key_wrapped_for_another_mount_is_imported_there() {
    let (from, to) = (mount(), mount());
    let public = to.read("wrapping_key").await.data()["public_key"].clone();
    assert_eq!(to.read("wrapping_key").await.data()["public_key"], public, "it stays the same");
    from.write("keys/wrap/import", json!({ "type": "rsa-4096", "public_key": public })).await;
    for kind in ["aes256-gcm96", "ed25519", "ecdsa-p521", "rsa-2048", "hmac"] {
        portable(&from, kind, kind).await;
        let wrapped = from.read(&format!("byok-export/wrap/{kind}")).await.data()["keys"]["1"].clone();
        let body = json!({ "type": kind, "ciphertext": wrapped, "exportable": true });
        to.write(&format!("keys/{kind}/import"), body.clone()).await;
        let what = if kind == "hmac" { "hmac-key" } else { "public-key" };
        if !kind.starts_with("aes") {
            let path = format!("export/{what}/{kind}");
            assert_eq!(from.read(&path).await.data(), to.read(&path).await.data(), "{kind}");
        }
        assert_eq!(to.error(Update, &format!("keys/{kind}/import"), body.clone()).await.0, 400, "only once");
        let rotated = to.error(Update, &format!("keys/{kind}/rotate"), json!({})).await;
        assert_eq!(rotated, (400, format!("imported key {kind} does not allow rotation within Vault")));
        let wrong = json!({ "type": "ecdsa-p384", "ciphertext": body["ciphertext"] });
        assert_eq!(to.error(Update, "keys/wrong/import", wrong).await.0, 400, "{kind} is no ecdsa-p384");
    }
    let sealed = from.write("encrypt/aes256-gcm96", json!({ "plaintext": TEXT })).await.data()["ciphertext"].clone();
    let opened = to.write("decrypt/aes256-gcm96", json!({ "ciphertext": sealed })).await.data();
    assert_eq!(opened["plaintext"], TEXT);
}

#[tokio::test]
async fn imports_that_make_no_sense_are_refused() {
    let transit = mount();
    for body in [
        json!({}),
        json!({ "ciphertext": "AAAA" }),
        json!({ "ciphertext": "!" }),
        json!({ "ciphertext": "AAAA", "public_key": "x" }),
        json!({ "ciphertext": "AAAA", "hash_function": "MD5" }),
        json!({ "ciphertext": "AAAA", "convergent_encryption": false }),
        json!({ "ciphertext": "AAAA", "auto_rotate_period": "2h" }),
        json!({ "public_key": "x", "type": "ed25519" }),
        json!({ "public_key": "x" }),
        json!({ "ciphertext": "AAAA", "type": "des" }),
    ] {
        assert_eq!(transit.error(Update, "keys/k/import", body.clone()).await.0, 400, "{body}");
    }
    transit.write("keys/own", json!({})).await;
    let refused = transit.error(Update, "keys/own/import_version", json!({ "ciphertext": "AAAA" })).await;
    assert_eq!(refused, (400, "the import_version endpoint can only be used with an imported key".to_owned()));
    assert_eq!(transit.list("keys").await, ["own"]);
}

#[tokio::test]
async fn a_certificate_request_is_signed_by_the_key_and_carries_the_templates_subject() {
    let transit = mount();
    for kind in ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048"] {
        portable(&transit, kind, kind).await;
        let made = transit.write(&format!("keys/{kind}/csr"), json!({})).await.data();
        let csr = made["csr"].as_str().unwrap();
        assert!(csr.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{kind}");
        let again = transit.write(&format!("keys/{kind}/csr"), json!({ "csr": csr })).await.data();
        assert!(again["csr"].as_str().unwrap().len() >= csr.len() - 4);
    }
    transit.write("keys/aes", json!({})).await;
    for (path, body, text) in [
        ("keys/aes/csr", json!({}), "key type 'aes256-gcm96' does not support signing"),
        ("keys/none/csr", json!({}), "key with provided name 'none' not found"),
        ("keys/ed25519/csr", json!({ "csr": "x" }), "could not decode PEM CSR"),
        ("keys/ed25519/csr", json!({ "version": 9 }), "could not create the csr: no such key version"),
        (
            "keys/ed25519/set-certificate",
            json!({ "certificate_chain": "x" }),
            "could not decode a PEM block in the certificate chain",
        ),
    ] {
        assert_eq!(transit.error(Update, path, body).await, (400, text.to_owned()), "{path}");
    }
}
