//! What holders of key shares do over HTTP: encrypted shares, rekeys with verification, root tokens; and the paths
//! beside them, `sys/raw` and `sys/rotate/config`.
use crate::lessor::Lessor;
use crate::targets::gpg::Holder;
use lessor_client::Request;
use serde_json::{Value, json};
use std::path::Path;

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Unsealed by two shares, with its root token and more configuration; and the shares.
async fn shared(directory: &Path, more: &str) -> (Lessor, Vec<String>) {
    let mut lessor = Lessor::stored(directory, more).await;
    let made = lessor.write("sys/init", json!({ "secret_shares": 2, "secret_threshold": 2 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let shares = texts(&made["keys_base64"]);
    give(&lessor, "sys/unseal", &shares, "").await;
    (lessor, shares)
}

/// Gives shares one after the other; the answer to the last one.
async fn give(lessor: &Lessor, path: &str, shares: &[String], nonce: &str) -> Value {
    let mut answer = Value::Null;
    for share in shares {
        answer = lessor.write(path, json!({ "key": share, "nonce": nonce })).await;
    }
    answer
}

fn nonce<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_and_the_root_token_are_encrypted_for_their_holders() {
    let (anna, berta) = (Holder::new(), Holder::new());
    let directory = tempfile::tempdir().unwrap();
    let mut lessor = Lessor::stored(directory.path(), "").await;
    let wanted = |keys: Vec<String>, token: &str| json!({ "secret_shares": 2, "secret_threshold": 2, "pgp_keys": keys, "root_token_pgp_key": token });
    let one_key = Request::put("sys/init", wanted(vec![anna.public()], ""));
    assert!(lessor.refused(one_key).await.1.contains("count mismatch between number of provided PGP keys"));
    let no_key = Request::put("sys/init", wanted(vec![anna.public(), "bm8ga2V5".into()], ""));
    assert!(lessor.refused(no_key).await.1.contains("PGP key"));
    assert_eq!(lessor.read("sys/init").await["initialized"], false, "what is refused changes nothing");

    let made = lessor.write("sys/init", wanted(vec![anna.public(), berta.public()], &anna.public())).await;
    let messages = texts(&made["keys_base64"]);
    lessor.token = anna.decrypt(made["root_token"].as_str().unwrap());
    let shares = [anna.decrypt(&messages[0]), berta.decrypt(&messages[1])];
    assert_eq!(give(&lessor, "sys/unseal", &shares, "").await["sealed"], false);
    assert_eq!(lessor.read("auth/token/lookup-self").await["data"]["policies"], json!(["root"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_counts_once_its_shares_were_seen_and_leaves_a_backup_of_them() {
    let (holder, directory) = (Holder::new(), tempfile::tempdir().unwrap());
    let (lessor, old) = shared(directory.path(), "").await;
    let in_clear = json!({ "secret_shares": 1, "secret_threshold": 1, "backup": true });
    assert!(lessor.refused(Request::put("sys/rekey/init", in_clear)).await.1.contains("without providing PGP keys"));
    let wanted = json!({
        "secret_shares": 1, "secret_threshold": 1, "pgp_keys": [holder.public()], "backup": true,
        "require_verification": true,
    });
    let begun = lessor.write("sys/rekey/init", wanted.clone()).await;
    let twice = lessor.refused(Request::put("sys/rekey/init", wanted)).await;
    assert_eq!(twice, (400, "rekey already in progress".into()));
    let done = give(&lessor, "sys/rekey/update", &old, nonce(&begun, "nonce")).await;
    assert_eq!((&done["complete"], &done["verification_required"]), (&json!(true), &json!(true)));
    let fingerprint = done["pgp_fingerprints"][0].as_str().unwrap();
    let backup = lessor.read("sys/rekey/backup").await["data"].clone();
    assert_eq!(backup["keys_base64"][fingerprint], done["keys_base64"]);
    let share = holder.decrypt(done["keys_base64"][0].as_str().unwrap());

    // Nobody has shown the new share: the old ones count.
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(give(&lessor, "sys/unseal", &old, "").await["sealed"], false);
    assert_eq!(lessor.read("sys/rekey/init").await["started"], false);

    let wanted = json!({ "secret_shares": 1, "secret_threshold": 1, "require_verification": true });
    let begun = lessor.write("sys/rekey/init", wanted).await;
    let done = give(&lessor, "sys/rekey/update", &old, nonce(&begun, "nonce")).await;
    let verification = nonce(&done, "verification_nonce");
    let foreign = Request::put("sys/rekey/verify", json!({ "key": share, "nonce": verification }));
    assert_eq!(lessor.refused(foreign).await.0, 400);
    let shares = texts(&done["keys_base64"]);
    let seen = lessor.read("sys/rekey/verify").await;
    let seen = give(&lessor, "sys/rekey/verify", &shares, nonce(&seen, "nonce")).await;
    assert_eq!(seen["complete"], true);
    assert_eq!(lessor.read("sys/rekey/init").await["started"], false);
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(give(&lessor, "sys/unseal", &shares, "").await["sealed"], false);
    lessor.send(Request::delete("sys/rekey/backup")).await.unwrap();
    let none = lessor.refused(Request::get("sys/rekey/backup")).await;
    assert_eq!(none, (400, "no backed-up keys found".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_token_is_generated_with_a_one_time_password_or_for_the_holder_of_a_key() {
    let (holder, directory) = (Holder::new(), tempfile::tempdir().unwrap());
    let (mut lessor, shares) = shared(directory.path(), "").await;
    let otp = "0123456789012345678901234567";
    let begun = lessor.write("sys/generate-root/attempt", json!({ "otp": otp })).await;
    assert_eq!((&begun["otp"], &begun["required"]), (&json!(""), &json!(2)), "whose password it is knows it");
    let done = give(&lessor, "sys/generate-root/update", &shares, nonce(&begun, "nonce")).await;
    let hidden = json!({ "encoded_token": done["encoded_token"], "otp": otp });
    let wrong = Request::put("sys/decode-token", json!({ "encoded_token": done["encoded_token"], "otp": "short" }));
    assert_eq!(lessor.refused(wrong).await.0, 400);
    let first = lessor.write("sys/decode-token", hidden).await["data"]["token"].as_str().unwrap().to_owned();

    let begun = lessor.write("sys/generate-root-token/attempt", json!({ "pgp_key": holder.public() })).await;
    let done = give(&lessor, "sys/generate-root-token/update", &shares, nonce(&begun["data"], "nonce")).await;
    let second = holder.decrypt(done["data"]["encoded_token"].as_str().unwrap());
    assert_ne!(first, second);
    for token in [first, second] {
        lessor.token = token;
        let found = lessor.read("auth/token/lookup-self").await["data"].clone();
        assert_eq!((&found["policies"], &found["ttl"]), (&json!(["root"]), &json!(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rekey_and_root_generation_need_a_token_unless_the_configuration_opens_them() {
    let directory = tempfile::tempdir().unwrap();
    let (mut lessor, _) = shared(directory.path(), "enable_unauthenticated_access = [\"rekey\"]").await;
    lessor.token = String::new();
    assert_eq!(lessor.read("sys/rekey/init").await["started"], false);
    for closed in ["sys/generate-root/attempt", "sys/rotate/root/init", "sys/rekey/backup"] {
        assert_eq!(lessor.refused(Request::get(closed)).await.0, 403, "{closed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_shows_and_changes_records_but_neither_keyring_nor_seal() {
    let directory = tempfile::tempdir().unwrap();
    let (lessor, _) = shared(directory.path(), "raw_storage_endpoint = true").await;
    lessor.write("sys/raw/some/record", json!({ "value": "text" })).await;
    assert_eq!(lessor.read("sys/raw/some/record").await["data"]["value"], "text");
    lessor.write("sys/raw/some/bytes", json!({ "value": "AP8=", "encoding": "base64" })).await;
    assert!(lessor.refused(Request::get("sys/raw/some/bytes")).await.1.contains("encoding=base64"));
    let bytes = lessor.send(Request::get("sys/raw/some/bytes").query("encoding", "base64")).await.unwrap();
    assert_eq!(bytes["data"]["value"], "AP8=");
    assert_eq!(lessor.send(Request::list("sys/raw/some")).await.unwrap()["data"]["keys"], json!(["bytes", "record"]));
    lessor.send(Request::delete("sys/raw/some/record")).await.unwrap();
    assert_eq!(lessor.refused(Request::get("sys/raw/some/record")).await.0, 404);
    assert_eq!(lessor.refused(Request::get("sys/raw/core/keyring")).await.0, 400);

    let directory = tempfile::tempdir().unwrap();
    let (without, _) = shared(directory.path(), "").await;
    assert_eq!(without.refused(Request::get("sys/raw/some/record")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_barrier_gets_a_new_key_is_kept_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let lessor = Lessor::initialised(directory.path()).await;
    let default = json!({ "max_operations": 3_865_470_566_u64, "interval": 0, "enabled": true });
    assert_eq!(lessor.read("sys/rotate/config").await["data"], default);
    lessor.write("sys/rotate/config", json!({ "interval": "800h", "max_operations": 2_000_000 })).await;
    for (wrong, text) in [
        (json!({ "max_operations": 10 }), "max_operations must be in the range [1000000,3865470566]"),
        (json!({ "interval": "1h" }), "interval must be greater or equal to 24h0m0s"),
    ] {
        assert_eq!(lessor.refused(Request::put("sys/rotate/config", wrong)).await, (400, text.into()));
    }
    let lessor = lessor.kill_and_restart().await;
    let kept = json!({ "max_operations": 2_000_000, "interval": "800h0m0s", "enabled": true });
    assert_eq!(lessor.read("sys/rotate/config").await["data"], kept);
}
