//! How often storage is asked: issuing is what a mount does all day.
mod support;
use lessor_mountkit::Counting;
use serde_json::json;
use std::sync::Arc;
use support::{data, mount_on, root};

#[tokio::test]
async fn a_certificate_takes_two_gets_and_one_commit_and_none_where_it_is_not_stored() {
    let storage = Arc::new(Counting::default());
    let pki = mount_on(storage.clone());
    root(&pki, "root").await;
    data(&pki, "roles/stored", json!({ "allow_any_name": true, "key_type": "ec" })).await;
    data(&pki, "roles/not", json!({ "allow_any_name": true, "key_type": "ec", "no_store": true })).await;
    for (role, cost) in [("stored", (2, 0, 1)), ("not", (2, 0, 0))] {
        data(&pki, &format!("issue/{role}"), json!({ "common_name": "a.test" })).await;
        storage.take();
        data(&pki, &format!("issue/{role}"), json!({ "common_name": "a.test" })).await;
        assert_eq!(storage.take(), cost, "{role}");
    }
}

#[tokio::test]
async fn a_private_key_is_stored_of_authorities_only() {
    let storage = Arc::new(Counting::default());
    let pki = mount_on(storage.clone());
    root(&pki, "root").await;
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "private_key_format": "pkcs8" })).await;
    let made =
        data(&pki, "issue/r", json!({ "common_name": "a.test", "format": "der", "private_key_format": "pkcs8" })).await;
    let key = made["private_key"].as_str().unwrap_or_default();
    assert!(key.len() > 100 && !storage.text().await.contains(&key[40..100]));
}
