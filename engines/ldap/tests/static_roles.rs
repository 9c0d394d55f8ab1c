//! Static roles as far as no directory is asked.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::Operation::{Read, Update};
use lessor_mountkit::Alone;
use lessor_storage::MemoryStorage;
use serde_json::json;
use std::sync::Arc;

async fn mount() -> Alone {
    let ldap = Alone::new(lessor_engine_ldap::factory().as_ref(), "ldap/", &[], Arc::new(MemoryStorage::new()));
    ldap.write("config", json!({ "binddn": "cn=lessor", "bindpass": "x", "skip_static_role_import_rotation": true }))
        .await;
    for name in ["a", "team/b"] {
        ldap.write(&format!("static-role/{name}"), json!({ "username": name, "rotation_period": "1h" })).await;
    }
    ldap
}

#[tokio::test]
async fn names_are_listed_like_folders_and_below_them() {
    let ldap = mount().await;
    assert_eq!(ldap.list("static-role").await, ["a", "team/"]);
    assert_eq!(ldap.list("static-role/team").await, ["b"]);
}

#[tokio::test]
async fn there_is_never_anything_to_migrate() {
    let ldap = mount().await;
    let totals = json!({ "total_role_count": 2, "total_successfully_migrated": 2, "total_remaining": 0 });
    assert_eq!(ldap.ok(Read, "static-migration", json!({ "include_role_names": false })).await.data(), totals);
    let mut named = totals;
    named["migrated"] = json!(["a", "team/b"]);
    named["unmigrated"] = json!([]);
    assert_eq!(ldap.ok(Update, "static-migration", json!({ "include_role_names": true })).await.data(), named);
    assert!(ldap.ok(Update, "static-migration/stop", json!({})).await.is_empty());
}
