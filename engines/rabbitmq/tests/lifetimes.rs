//! How long users live, by the role, by the mount's configuration, or by the mount.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::Operation::Read;
use lessor_engine::{Issue, Outcome, Terms};
use lessor_mountkit::Alone;
use lessor_storage::MemoryStorage;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn mount() -> Alone {
    let mq = Alone::new(lessor_engine_rabbitmq::factory().as_ref(), "mq/", &[], Arc::new(MemoryStorage::new()));
    let config = json!({
        "connection_uri": "http://127.0.0.1:1", "username": "u", "password": "p", "verify_connection": false,
    });
    mq.write("config/connection", config).await;
    mq
}

async fn issue(mq: &Alone, role: &str) -> Issue {
    match mq.reply(Read, &format!("creds/{role}"), Value::Null).await.outcome {
        Outcome::Issue(issue) => *issue,
        _ => panic!("no issue"),
    }
}

fn seconds(terms: &Terms) -> (Option<u64>, Option<u64>) {
    (terms.default_ttl.map(|ttl| ttl.as_secs()), terms.max_ttl.map(|ttl| ttl.as_secs()))
}

#[tokio::test]
async fn what_a_role_says_counts_before_what_the_mount_says() {
    let mq = mount().await;
    mq.write("config/lease", json!({ "ttl": "1h", "max_ttl": "10h" })).await;
    for (role, fields, expected) in [
        ("neither", json!({ "tags": "x" }), (Some(3600), Some(36_000))),
        ("ttl", json!({ "tags": "x", "ttl": "5m" }), (Some(300), Some(36_000))),
        ("both", json!({ "tags": "x", "ttl": "5m", "max_ttl": "10m" }), (Some(300), Some(600))),
    ] {
        mq.write(&format!("roles/{role}"), fields).await;
        assert_eq!(seconds(&issue(&mq, role).await.terms), expected, "{role}");
    }
    assert_eq!(
        mq.read("roles/both").await.data(),
        json!({ "tags": "x", "vhosts": {}, "vhost_topics": {}, "ttl": 300, "max_ttl": 600 })
    );
    assert_eq!(mq.read("roles/neither").await.data(), json!({ "tags": "x", "vhosts": {}, "vhost_topics": {} }));
}

#[tokio::test]
async fn renewals_go_by_what_the_role_says_then_and_by_the_mount_once_it_is_gone() {
    let mq = mount().await;
    mq.write("config/lease", json!({ "ttl": "1h" })).await;
    mq.write("roles/r", json!({ "tags": "x", "ttl": "5m" })).await;
    let grant = issue(&mq, "r").await.grant;
    let dynamic = mq.backend.dynamic.clone().unwrap();
    let renewed = || async { seconds(&dynamic.terms(&mq.cx, &grant).await.unwrap()).0 };
    assert_eq!(renewed().await, Some(300));
    mq.write("roles/r", json!({ "tags": "x", "ttl": "7m" })).await;
    assert_eq!(renewed().await, Some(420));
    mq.delete("roles/r").await;
    assert_eq!(renewed().await, Some(3600));
}

#[tokio::test]
async fn lifetimes_that_cannot_be_are_refused_and_those_that_the_mount_cuts_are_warned_of() {
    let mq = mount().await;
    let wrong = json!({ "tags": "x", "ttl": "2h", "max_ttl": "1h" });
    for path in ["roles/r", "config/lease"] {
        let (status, why) = mq.refused(path, wrong.clone()).await;
        assert!(status == 400 && why.contains("max_ttl"), "{path}: {status} {why}");
    }
    let longer = (mq.cx.mount.max_ttl + Duration::from_secs(1)).as_secs();
    let reply = mq.reply(lessor_engine::Operation::Update, "roles/r", json!({ "tags": "x", "max_ttl": longer })).await;
    assert!(reply.warnings[0].contains("max_lease_ttl"), "{:?}", reply.warnings);
}
