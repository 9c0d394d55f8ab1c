//! Encrypting and decrypting through the paths.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::{Read, Update};
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use support::mount;

const TEXT: &str = "cGxhaW50ZXh0";
const CONTEXT: &str = "Y29udGV4dA==";

async fn sealed(transit: &Alone, path: &str, body: Value) -> String {
    transit.write(path, body).await.data()["ciphertext"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn encrypting_makes_a_missing_key_unless_that_is_switched_off() {
    let transit = mount();
    assert!(!transit.exists("encrypt/k").await);
    let first = transit.write("encrypt/k", json!({ "plaintext": TEXT })).await.data();
    assert!(first["ciphertext"].as_str().unwrap().starts_with("vault:v1:"));
    assert_eq!(first["key_version"], 1);
    assert!(transit.exists("encrypt/k").await);
    assert_eq!(transit.read("keys/k").await.data()["type"], "aes256-gcm96");
    transit.write("config/keys", json!({ "disable_upsert": true })).await;
    let refused = transit.error(Update, "encrypt/other", json!({ "plaintext": TEXT })).await;
    assert_eq!(refused, (400, "encryption key not found".to_owned()));
    assert!(transit.read("keys/other").await.missing().is_none());
}

#[tokio::test]
async fn nothing_is_made_for_what_cannot_be_encrypted() {
    let transit = mount();
    for body in [
        json!({}),
        json!({ "plaintext": "!" }),
        json!({ "plaintext": TEXT, "type": "des" }),
        json!({ "plaintext": TEXT, "type": "ecdsa-p256" }),
        json!({ "plaintext": TEXT, "convergent_encryption": true }),
        json!({ "batch_input": [{ "plaintext": "!" }] }),
    ] {
        assert_eq!(transit.error(Update, "encrypt/k", body.clone()).await.0, 400, "{body}");
    }
    assert!(transit.read("keys/k").await.missing().is_none());
}

#[tokio::test]
async fn old_versions_decrypt_until_the_minimum_is_raised_and_rewrap_moves_on() {
    let transit = mount();
    let old = sealed(&transit, "encrypt/k", json!({ "plaintext": TEXT })).await;
    transit.write("keys/k/rotate", json!({})).await;
    let new = sealed(&transit, "rewrap/k", json!({ "ciphertext": old })).await;
    assert!(new.starts_with("vault:v2:"));
    for ciphertext in [&old, &new] {
        let opened = transit.write("decrypt/k", json!({ "ciphertext": ciphertext })).await.data();
        assert_eq!(opened["plaintext"], TEXT);
    }
    transit.write("keys/k/config", json!({ "min_decryption_version": 2 })).await;
    let refused = transit.error(Update, "decrypt/k", json!({ "ciphertext": old })).await;
    let text = "ciphertext or signature version is disallowed by policy (too old)";
    assert_eq!(refused, (400, text.to_owned()));
    // Lowering it again brings the version back: nothing was destroyed.
    transit.write("keys/k/config", json!({ "min_decryption_version": 1 })).await;
    transit.write("decrypt/k", json!({ "ciphertext": old })).await.data();
}

#[tokio::test]
async fn versions_below_the_minimum_do_not_encrypt() {
    let transit = mount();
    transit.write("keys/k", json!({})).await;
    transit.write("keys/k/rotate", json!({})).await;
    transit.write("keys/k/config", json!({ "min_encryption_version": 2 })).await;
    let asked = |version: i64| json!({ "plaintext": TEXT, "key_version": version });
    assert_eq!(transit.write("encrypt/k", asked(2)).await.data()["key_version"], 2);
    for (version, reason) in [
        (1, "less than the minimum encryption key version"),
        (3, "higher than the latest key version"),
        (-1, "negative"),
    ] {
        let text = format!("requested version for encryption is {reason}");
        assert_eq!(transit.error(Update, "encrypt/k", asked(version)).await, (400, text));
    }
}

#[tokio::test]
async fn convergent_encryption_repeats_itself_per_context_only() {
    let transit = mount();
    for kind in ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"] {
        let key = json!({ "type": kind, "derived": true, "convergent_encryption": true });
        transit.write(&format!("keys/{kind}"), key).await;
        let path = format!("encrypt/{kind}");
        let with = |context: &str| json!({ "plaintext": TEXT, "context": context });
        let first = sealed(&transit, &path, with(CONTEXT)).await;
        assert_eq!(first, sealed(&transit, &path, with(CONTEXT)).await, "{kind}");
        assert_ne!(first, sealed(&transit, &path, with(TEXT)).await, "{kind}");
        let opened =
            transit.write(&format!("decrypt/{kind}"), json!({ "ciphertext": first, "context": CONTEXT })).await;
        assert_eq!(opened.data()["plaintext"], TEXT);
        let nonce = json!({ "plaintext": TEXT, "context": CONTEXT, "nonce": "AAAAAAAAAAAAAAAA" });
        let refused = transit.error(Update, &path, nonce).await;
        assert_eq!(refused, (400, "nonce provided when not allowed".to_owned()));
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_tells_which_items_failed() {
    let transit = mount();
    let items = json!([{ "plaintext": TEXT, "reference": "a" }, { "plaintext": "!" }, { "plaintext": "" }]);
    let reply = transit.reply(Update, "encrypt/k", json!({ "batch_input": items })).await;
    assert_eq!(reply.status, Some(400));
    let lessor_engine::Outcome::Data(data) = reply.outcome else { panic!("no data") };
    let results = data["batch_results"].as_array().unwrap().clone();
    assert_eq!(results[0]["reference"], "a");
    assert_eq!(results[1], json!({ "error": "illegal base64 data at input byte 0", "reference": "" }));
    assert!(results[2]["ciphertext"].is_string());
    for (code, status) in [(json!(207), 207), (json!(9999), 400)] {
        let body = json!({ "batch_input": items, "partial_failure_response_code": code });
        assert_eq!(transit.reply(Update, "encrypt/k", body).await.status, Some(status));
    }
    let all_fail = json!({ "batch_input": [{ "plaintext": "!" }], "partial_failure_response_code": 207 });
    assert_eq!(transit.reply(Update, "encrypt/k", all_fail).await.status, Some(400));
    let sealed: Vec<Value> = results.iter().filter(|item| item["ciphertext"].is_string()).cloned().collect();
    let opened = transit.write("decrypt/k", json!({ "batch_input": sealed })).await.data();
    assert_eq!(opened["batch_results"][0], json!({ "plaintext": TEXT, "reference": "a" }));
}

#[tokio::test]
async fn a_batch_with_contexts_for_some_is_refused_whole() {
    let transit = mount();
    let items = json!([{ "plaintext": TEXT, "context": CONTEXT }, { "plaintext": TEXT }]);
    let refused = transit.error(Update, "encrypt/k", json!({ "batch_input": items })).await;
    assert_eq!(refused, (400, "context should be set either in all the request blocks or in none".to_owned()));
    assert_eq!(transit.error(Update, "encrypt/k", json!({ "batch_input": [] })).await.0, 400);
    assert_eq!(transit.error(Update, "encrypt/k", json!({ "batch_input": { "a": 1 } })).await.0, 400);
}

#[tokio::test]
async fn data_keys_come_in_three_lengths_and_in_clear_only_when_asked() {
    let transit = mount();
    transit.write("keys/k", json!({})).await;
    for (bits, length) in [(128, 24), (256, 44), (512, 88)] {
        let made = transit.write("datakey/plaintext/k", json!({ "bits": bits })).await.data();
        assert_eq!(made["plaintext"].as_str().unwrap().len(), length);
        let opened = transit.write("decrypt/k", json!({ "ciphertext": made["ciphertext"] })).await.data();
        assert_eq!(opened["plaintext"], made["plaintext"]);
    }
    assert!(transit.write("datakey/wrapped/k", json!({})).await.data().get("plaintext").is_none());
    assert_eq!(transit.error(Update, "datakey/wrapped/k", json!({ "bits": 100 })).await.0, 400);
    assert_eq!(transit.error(Update, "datakey/odd/k", json!({})).await.0, 400);
}

#[tokio::test]
async fn associated_data_has_to_come_back() {
    let transit = mount();
    let bound = sealed(&transit, "encrypt/k", json!({ "plaintext": TEXT, "associated_data": CONTEXT })).await;
    let opened = transit.write("decrypt/k", json!({ "ciphertext": bound, "associated_data": CONTEXT })).await;
    assert_eq!(opened.data()["plaintext"], TEXT);
    let refused = transit.error(Update, "decrypt/k", json!({ "ciphertext": bound })).await;
    assert_eq!(refused, (400, "cipher: message authentication failed".to_owned()));
}

#[tokio::test]
async fn random_bytes_and_digests_need_no_key() {
    let transit = mount();
    for (path, length) in [("random", 44), ("random/16", 24), ("random/all/3", 4)] {
        let made = transit.write(path, json!({})).await.data();
        assert_eq!(made["random_bytes"].as_str().unwrap().len(), length, "{path}");
    }
    assert_eq!(transit.error(Update, "random/0", json!({})).await.0, 400);
    assert_eq!(transit.error(Update, "random/131073", json!({})).await.0, 400);
    let sum = transit.write("hash/sha2-256", json!({ "input": "YWJj" })).await.data();
    assert_eq!(sum["sum"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(transit.error(Update, "hash/sha1", json!({ "input": "YWJj" })).await.0, 400);
    assert!(transit.ask(Read, "random", Value::Null).await.is_none());
}
