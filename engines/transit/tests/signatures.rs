//! Signatures and HMACs through the paths.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::Update;
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use support::mount;

const TEXT: &str = "cGxhaW50ZXh0";
const CONTEXT: &str = "Y29udGV4dA==";

fn merged(mut one: Value, other: &Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

async fn valid(transit: &Alone, key: &str, body: Value) -> Value {
    transit.write(&format!("verify/{key}"), body).await.data()["valid"].clone()
}

#[tokio::test]
async fn every_kind_signs_and_notices_another_text() {
    let transit = mount();
    for (kind, options) in [
        ("ed25519", json!({})),
        ("ecdsa-p256", json!({})),
        ("ecdsa-p256", json!({ "marshaling_algorithm": "jws", "hash_algorithm": "sha2-512" })),
        ("ecdsa-p384", json!({})),
        ("ecdsa-p521", json!({ "hash_algorithm": "sha2-512" })),
        ("rsa-2048", json!({})),
        ("rsa-2048", json!({ "salt_length": "hash", "hash_algorithm": "sha3-384" })),
        ("rsa-2048", json!({ "salt_length": "7" })),
        ("rsa-2048", json!({ "signature_algorithm": "pkcs1v15", "hash_algorithm": "sha1" })),
    ] {
        transit.write(&format!("keys/{kind}"), json!({ "type": kind })).await;
        let body = merged(json!({ "input": TEXT }), &options);
        let signed = transit.write(&format!("sign/{kind}"), body.clone()).await.data();
        let body = merged(body, &json!({ "signature": signed["signature"] }));
        assert_eq!(valid(&transit, kind, body.clone()).await, true, "{kind} {options}");
        assert_eq!(valid(&transit, kind, merged(body, &json!({ "input": CONTEXT }))).await, false, "{kind}");
    }
}

#[tokio::test]
async fn a_derived_ed25519_key_signs_with_a_key_per_context() {
    let transit = mount();
    transit.write("keys/k", json!({ "type": "ed25519", "derived": true })).await;
    let signed = transit.write("sign/k", json!({ "input": TEXT, "context": CONTEXT })).await.data();
    let shown = transit.ok(lessor_engine::Operation::Read, "keys/k", json!({ "context": CONTEXT })).await.data();
    assert_eq!(signed["public_key"], shown["keys"]["1"]["public_key"]);
    let check = |context: &str| json!({ "input": TEXT, "context": context, "signature": signed["signature"] });
    assert_eq!(valid(&transit, "k", check(CONTEXT)).await, true);
    assert_eq!(valid(&transit, "k", check(TEXT)).await, false);
    assert_eq!(transit.error(Update, "sign/k", json!({ "input": TEXT })).await.0, 400);
}

#[tokio::test]
async fn batches_answer_200_and_tell_per_item() {
    let transit = mount();
    transit.write("keys/k", json!({ "type": "ecdsa-p256" })).await;
    let items = json!([{ "input": TEXT, "reference": "a" }, { "input": "!" }, {}]);
    let reply = transit.reply(Update, "sign/k", json!({ "batch_input": items })).await;
    assert_eq!(reply.status, None);
    let lessor_engine::Outcome::Data(data) = reply.outcome else { panic!("no data") };
    let results = data["batch_results"].clone();
    assert_eq!(results[0]["reference"], "a");
    assert_eq!(results[2], json!({ "key_version": 0, "error": "missing input", "reference": "" }));
    let checks = json!([{ "input": TEXT, "signature": results[0]["signature"] }, { "input": TEXT, "signature": "x" }]);
    let checked = transit.write("verify/k", json!({ "batch_input": checks })).await.data();
    assert_eq!(checked["batch_results"][0], json!({ "valid": true, "reference": "" }));
    assert_eq!(checked["batch_results"][1]["error"], "invalid signature: no prefix");
}

#[tokio::test]
async fn one_kind_of_proof_is_checked_at_a_time() {
    let transit = mount();
    transit.write("keys/k", json!({ "type": "ed25519" })).await;
    for (body, text) in [
        (json!({ "input": TEXT }), "neither a 'signature' nor an 'hmac' were given to verify"),
        (json!({ "input": TEXT, "signature": "a", "hmac": "b" }), "provide one of 'signature' or 'hmac'"),
        (json!({ "batch_input": [{ "input": TEXT }] }), "no batch_input elements have 'signature' or 'hmac'"),
        (
            json!({ "batch_input": [{ "signature": "a" }, { "hmac": "b" }] }),
            "elements of batch_input must all provide 'signature' or all provide 'hmac'",
        ),
        (json!({ "batch_input": [{ "signature": "a" }, {}] }), "some elements of batch_input are missing 'signature'"),
        (json!({ "batch_input": [{ "hmac": "a" }, {}] }), "some elements of batch_input are missing 'hmac'"),
        (json!({ "cmac": "a" }), "cmac is not supported: give a signature or an hmac"),
    ] {
        assert_eq!(transit.error(Update, "verify/k", body).await, (400, text.to_owned()));
    }
}

#[tokio::test]
async fn signatures_of_old_versions_are_valid_until_the_minimum_is_raised() {
    let transit = mount();
    transit.write("keys/k", json!({ "type": "ed25519" })).await;
    let signed = transit.write("sign/k", json!({ "input": TEXT })).await.data();
    let mac = transit.write("hmac/k", json!({ "input": TEXT })).await.data();
    transit.write("keys/k/rotate", json!({})).await;
    assert_eq!(valid(&transit, "k", json!({ "input": TEXT, "signature": signed["signature"] })).await, true);
    assert_eq!(valid(&transit, "k", json!({ "input": TEXT, "hmac": mac["hmac"] })).await, true);
    transit.write("keys/k/config", json!({ "min_decryption_version": 2, "min_encryption_version": 2 })).await;
    for (name, answer, text) in [
        ("signature", signed, "ciphertext or signature version is disallowed by policy (too old)"),
        ("hmac", mac, "cannot verify HMAC: version is too old (disallowed by policy)"),
    ] {
        let body = json!({ "input": TEXT, name: answer[name] });
        assert_eq!(transit.error(Update, "verify/k", body).await, (400, text.to_owned()));
    }
    let old = transit.error(Update, "hmac/k", json!({ "input": TEXT, "key_version": 1 })).await;
    assert_eq!(old, (400, "cannot generate HMAC: version is too old (disallowed by policy)".to_owned()));
}

#[tokio::test]
async fn an_hmac_key_is_the_key_that_was_imported_or_made_and_nothing_else() {
    let transit = mount();
    transit.write("keys/k", json!({ "type": "hmac", "key_size": 64, "exportable": true })).await;
    let exported = transit.read("export/hmac-key/k").await.data();
    assert_eq!(exported["keys"]["1"].as_str().unwrap().len(), 88);
    let mac = transit.write("hmac/k/sha2-512", json!({ "input": TEXT })).await.data()["hmac"].clone();
    assert_eq!(valid(&transit, "k/sha2-512", json!({ "input": TEXT, "hmac": mac })).await, true);
    assert_eq!(valid(&transit, "k", json!({ "input": TEXT, "hmac": mac })).await, false);
    assert_eq!(transit.error(Update, "sign/k", json!({ "input": TEXT })).await.0, 400);
    assert_eq!(transit.error(Update, "encrypt/k", json!({ "plaintext": TEXT })).await.0, 400);
}
