//! Seals that unseal by themselves, with those who really keep keys; and the way from one seal to another.
use crate::lessor::Lessor;
use crate::targets::aws::Aws;
use crate::targets::kms::{Peer, SoftHsm, aws_key};
use lessor_client::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub fn enabled(stanza: &str) -> String {
    stanza.replace("DISABLED", "")
}

pub fn disabled(stanza: &str) -> String {
    stanza.replace("DISABLED", "disabled = \"true\"")
}

/// Two recovery key shares, and something to read back.
pub async fn fill(lessor: &mut Lessor) -> Vec<String> {
    let made = lessor.write("sys/init", json!({ "recovery_shares": 2, "recovery_threshold": 2 })).await;
    assert_eq!(made["keys"], json!([]));
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;
    keys(&made, "recovery_keys_base64")
}

pub fn keys(made: &Value, name: &str) -> Vec<String> {
    made[name].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

pub async fn opened(lessor: &Lessor, within: Duration) -> Value {
    let end = Instant::now() + within;
    loop {
        let status = lessor.read("sys/seal-status").await;
        if status["sealed"] == false {
            return status;
        }
        assert!(Instant::now() < end, "still sealed: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Initialised, killed and started again, it opens without anybody's help, and says how.
pub async fn opens_by_itself(mut lessor: Lessor, kind: &str) -> (Lessor, Vec<String>) {
    let shares = fill(&mut lessor).await;
    let lessor = lessor.kill_and_restart().await;
    let status = opened(&lessor, Duration::from_secs(20)).await;
    assert_eq!((&status["type"], &status["recovery_seal"]), (&json!(kind), &json!(true)));
    assert_eq!((&status["t"], &status["n"], &status["migration"]), (&json!(2), &json!(2), &json!(false)));
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
    (lessor, shares)
}

pub async fn migrate(lessor: &Lessor, shares: &[String]) {
    let plain = Request::put("sys/unseal", json!({ "key": shares[0] }));
    assert!(lessor.refused(plain).await.1.contains("seal migration is pending"));
    assert_eq!(lessor.read("sys/seal-status").await["migration"], true);
    for share in shares {
        lessor.write("sys/unseal", json!({ "key": share, "migrate": true })).await;
    }
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_aws_kms_opens_the_node() {
    let (aws, directory) = (Aws::moto(), tempfile::tempdir().unwrap());
    let lessor = Lessor::stored(directory.path(), &enabled(&aws_key(&aws))).await;
    opens_by_itself(lessor, "awskms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_an_hsm_opens_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = SoftHsm::new(directory.path());
    for (key, more) in [("aes", ""), ("rsa", "mechanism = \"CKM_RSA_PKCS_OAEP\"\n rsa_oaep_hash = \"sha1\"")] {
        let place = directory.path().join(key);
        std::fs::create_dir(&place).unwrap();
        let environment = vec![("SOFTHSM2_CONF".to_owned(), hsm.conf.clone())];
        let lessor = Lessor::stored_in(&place, &enabled(&SoftHsm::stanza(key, more)), environment).await;
        opens_by_itself(lessor, "pkcs11").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_keeper_of_the_key_is_away_the_node_stays_sealed_and_opens_on_its_return() {
    let (peer, directory) = (Peer::start(), tempfile::tempdir().unwrap());
    let lessor = Lessor::stored(directory.path(), &enabled(&peer.stanza())).await;
    let (lessor, _) = opens_by_itself(lessor, "transit").await;
    peer.rotate_key();
    drop(lessor.read("kv/a").await);
    peer.freeze(true);
    // It answers while its keeper is silent.
    let restarted = tokio::time::timeout(Duration::from_secs(29), lessor.kill_and_restart()).await;
    let lessor = restarted.expect("the server waits for the keeper of its key");
    assert_eq!(lessor.read("sys/seal-status").await["sealed"], true);
    assert_eq!(lessor.refused(Request::get("kv/a")).await.0, 503);
    peer.freeze(false);
    opened(&lessor, Duration::from_secs(40)).await;
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_moves_from_key_shares_to_one_keeper_to_another_and_back() {
    let (peer, aws, directory) = (Peer::start(), Aws::moto(), tempfile::tempdir().unwrap());
    let (transit, kms) = (peer.stanza(), aws_key(&aws));
    let mut lessor = Lessor::stored(directory.path(), "").await;
    let made = lessor.write("sys/init", json!({ "secret_shares": 2, "secret_threshold": 2 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let shares = keys(&made, "keys_base64");
    for share in &shares {
        lessor.write("sys/unseal", json!({ "key": share })).await;
    }
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;

    let lessor = lessor.restart_with(&enabled(&transit)).await;
    migrate(&lessor, &shares).await;
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(opened(&lessor, Duration::from_secs(20)).await["type"], "transit");

    let lessor = lessor.restart_with(&format!("{}\n{}", enabled(&kms), disabled(&transit))).await;
    migrate(&lessor, &shares).await;
    drop(peer);
    let lessor = lessor.restart_with(&enabled(&kms)).await;
    assert_eq!(opened(&lessor, Duration::from_secs(20)).await["type"], "awskms");

    let lessor = lessor.restart_with(&disabled(&kms)).await;
    migrate(&lessor, &shares).await;
    drop(aws);
    let lessor = lessor.restart_with("").await;
    for share in &shares {
        lessor.write("sys/unseal", json!({ "key": share })).await;
    }
    let status = opened(&lessor, Duration::from_secs(1)).await;
    assert_eq!((&status["type"], &status["recovery_seal"]), (&json!("shamir"), &json!(false)));
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_key_shares_are_replaced_and_make_root_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let mut lessor = Lessor::stored(directory.path(), Lessor::STATIC).await;
    let old = fill(&mut lessor).await;
    let wanted = json!({ "secret_shares": 1, "secret_threshold": 1, "require_verification": true });
    let begun = lessor.write("sys/rekey-recovery-key/init", wanted).await;
    let mut done = Value::Null;
    for share in &old {
        let given = json!({ "key": share, "nonce": begun["nonce"] });
        done = lessor.write("sys/rekey-recovery-key/update", given).await;
    }
    let new = keys(&done, "keys_base64").remove(0);
    let seen = json!({ "key": new, "nonce": done["verification_nonce"] });
    assert_eq!(lessor.write("sys/rekey-recovery-key/verify", seen).await["complete"], true);

    let begun = lessor.write("sys/generate-root/attempt", json!({})).await;
    assert_eq!((&begun["required"], &begun["otp_length"]), (&json!(1), &json!(28)));
    let wrong = Request::put("sys/generate-root/update", json!({ "key": old[0], "nonce": begun["nonce"] }));
    assert!(lessor.refused(wrong).await.1.contains("root generation aborted"));
    let given = json!({ "key": new, "nonce": begun["nonce"] });
    let hidden = lessor.write("sys/generate-root/update", given).await["encoded_token"].clone();
    let decoded = lessor.write("sys/decode-token", json!({ "encoded_token": hidden, "otp": begun["otp"] })).await;
    lessor.token = decoded["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(lessor.read("auth/token/lookup-self").await["data"]["policies"], json!(["root"]));
}
