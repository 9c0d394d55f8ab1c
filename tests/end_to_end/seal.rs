//! Sealed, unsealed, restarted.
use crate::lessor::Lessor;
use lessor_client::Request;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn key_shares_unseal_and_data_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut lessor = Lessor::stored(directory.path(), "").await;
    assert_eq!(lessor.cli(&["operator", "init", "-status"]).0, 2);
    assert_eq!(lessor.refused(Request::get("sys/health")).await.0, 501);
    let made = lessor.write("sys/init", json!({ "secret_shares": 3, "secret_threshold": 2 })).await;
    let shares: Vec<&str> = made["keys_base64"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let again = Request::put("sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 }));
    assert_eq!(lessor.refused(again).await, (400, "Vault is already initialized".into()));
    assert_eq!(lessor.refused(Request::get("sys/mounts")).await, (503, "Vault is sealed".into()));
    for share in &shares[..2] {
        lessor.cli(&["operator", "unseal", share]);
    }
    assert_eq!(lessor.cli(&["status"]).0, 0);
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;

    let lessor = lessor.kill_and_restart().await;
    let (code, text) = lessor.cli(&["status"]);
    assert!(code == 2 && text.contains("0/2"), "{text}");
    lessor.cli(&["operator", "unseal", shares[0]]);
    lessor.cli(&["operator", "unseal", shares[2]]);
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
    assert_eq!(lessor.cli(&["operator", "seal"]).0, 0);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(lessor.refused(Request::get("kv/a")).await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rekey_only_the_new_shares_unseal() {
    let directory = tempfile::tempdir().unwrap();
    let mut lessor = Lessor::stored(directory.path(), "").await;
    let made = lessor.write("sys/init", json!({ "secret_shares": 2, "secret_threshold": 2 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let share = |answer: &serde_json::Value, at: usize| answer["keys_base64"][at].as_str().unwrap().to_owned();
    for at in 0..2 {
        lessor.cli(&["operator", "unseal", &share(&made, at)]);
    }
    let (_, begun) = lessor.cli(&["operator", "rekey", "-init", "-format=json", "-key-shares=1", "-key-threshold=1"]);
    let begun: serde_json::Value = serde_json::from_str(&begun).unwrap();
    let nonce = format!("-nonce={}", begun["nonce"].as_str().unwrap());
    let wrong = Request::put("sys/rekey/update", json!({ "key": share(&made, 0), "nonce": "another" }));
    assert!(lessor.refused(wrong).await.1.contains("incorrect nonce supplied"));
    let (code, text) = lessor.cli(&["operator", "rekey", &nonce, &share(&made, 0)]);
    assert!(code == 0 && text.contains("1/2"), "{text}");
    let (code, text) = lessor.cli(&["operator", "rekey", "-format=json", &nonce, &share(&made, 1)]);
    assert_eq!(code, 0, "{text}");
    let new: serde_json::Value = serde_json::from_str(&text).unwrap();
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("sys/rotate", json!({})).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;
    // The old shares count until the answer with the new ones has left.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;

    let lessor = lessor.kill_and_restart().await;
    let old = Request::put("sys/unseal", json!({ "key": share(&made, 0) }));
    assert_eq!(lessor.refused(old).await.0, 400, "one old share of two is more than the one new share that is needed");
    assert_eq!(lessor.cli(&["operator", "unseal", &share(&new, 0)]).0, 0);
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_static_seal_opens_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let lessor = Lessor::initialised(directory.path()).await;
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_header_of_the_field_is_understood() {
    let lessor = Lessor::dev().await;
    lessor.write("secret/data/a", json!({ "data": { "x": 1 } })).await;
    let curl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("curl");
        command
            .args(["-s", "-w", " %{http_code}"])
            .args(arguments)
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap()
    };
    let url = |path: &str| format!("{}/v1/{path}", lessor.address);
    let token = "X-Vault-Token: root";
    let listed = curl(&["-X", "LIST", "-H", token, &url("secret/metadata")]);
    assert!(listed.contains("\"keys\":[\"a\"]") && listed.ends_with(" 200"), "{listed}");
    assert!(curl(&["-H", "Authorization: Bearer root", &url("secret/metadata/?list=true")]).ends_with(" 200"));
    assert!(curl(&[&url("secret/data/a")]).ends_with(" 403"));
    assert!(curl(&["-H", token, "-d", "{bad", &url("secret/data/a")]).ends_with(" 400"));
    assert!(curl(&["-H", token, "-d", "{\"data\":{\"y\":2}}", &url("secret/data/b")]).ends_with(" 200"));
    assert!(curl(&["-X", "TRACE", &url("sys/health")]).ends_with(" 405"));
    assert!(curl(&["-I", &url("sys/health")]).contains("strict-transport-security"));
    assert!(curl(&["-H", token, &format!("{}/v2/x", lessor.address)]).ends_with(" 404"));
    let patch = curl(&["-X", "PATCH", "-H", token, "-d", "{\"data\":{\"z\":3}}", &url("secret/data/a")]);
    assert!(patch.ends_with(" 415"), "{patch}");
}
