//! Leased certificates end with their lease.
use super::{fetch, mounted, text};
use crate::lessor::Lessor;
use lessor_client::Request;
use serde_json::{Value, json};

async fn revoked(lessor: &Lessor) -> Vec<String> {
    match lessor.send(Request::list("pki/certs/revoked")).await {
        Ok(answer) => {
            let keys = answer["data"]["keys"].as_array().unwrap();
            keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
        }
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_leased_certificate_is_revoked_with_its_lease_and_its_token() {
    let directory = tempfile::tempdir().unwrap();
    let lessor = Lessor::initialised(directory.path()).await;
    mounted(&lessor).await;
    let role = json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h", "generate_lease": true });
    lessor.write("pki/roles/leased", role).await;
    let issue = || async { lessor.write("pki/issue/leased", json!({ "common_name": "a.test" })).await };
    let first = issue().await;
    assert_eq!((first["renewable"].clone(), first["lease_duration"].as_u64().unwrap() > 3590), (json!(false), true));
    let id = text(&first, "/lease_id");
    assert!(id.starts_with("pki/issue/leased/"), "{id}");
    assert!(!text(&first, "/data/private_key").is_empty());
    let (status, why) = lessor.refused(Request::put("sys/leases/renew", json!({ "lease_id": id }))).await;
    assert!(status == 400 && why.contains("not renewable"), "{why}");
    lessor.write("sys/leases/revoke", json!({ "lease_id": id, "sync": true })).await;
    assert_eq!(revoked(&lessor).await, [text(&first, "/data/serial_number")]);
    // The lease of a certificate that is not stored any more ends too.
    let second = issue().await;
    lessor.write("pki/revoke", json!({ "serial_number": second["data"]["serial_number"] })).await;
    lessor.write("sys/leases/revoke", json!({ "lease_id": second["lease_id"], "sync": true })).await;
    assert_eq!(revoked(&lessor).await.len(), 2);
    // Sixteen at once, and none gets lost by a restart.
    let many: Vec<Value> = futures_of(&lessor, 16).await;
    let lessor = lessor.kill_and_restart().await;
    lessor.write("sys/leases/revoke-prefix/pki/issue/leased", json!({ "sync": true })).await;
    let all = revoked(&lessor).await;
    for one in &many {
        assert!(all.iter().any(|serial| serial == text(one, "/data/serial_number")));
    }
    assert!(fetch(&lessor, "pki/crl/pem").contains("BEGIN X509 CRL"));
}

async fn futures_of(lessor: &Lessor, count: usize) -> Vec<Value> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let client = lessor.client();
        tasks.spawn(async move {
            let request = Request::put("pki/issue/leased", json!({ "common_name": "a.test" }));
            client.send(request).await.unwrap().json.unwrap()
        });
    }
    tasks.join_all().await
}
