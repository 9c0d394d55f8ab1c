//! Storage fails at every single call of the workflows, on either side of it; a fresh node then finds nothing half done.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::{List, Read, Update};
use lessor_engine::{Grant, Outcome as Answered};
use lessor_mountkit::{Alone, Answer};
use lessor_storage::{FaultHook, MemoryStorage, Moment, Outcome, Storage};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use support::{content, mount_on, raw, save, text};

/// What the caller was told.
#[derive(Default)]
struct Told {
    issued: Vec<String>,
    revoked: Vec<String>,
    /// The plan of a leased certificate, and whether it was handed out.
    grant: Option<(Grant, bool)>,
}

async fn ask(pki: &Alone, path: &str, fields: Value) -> Option<Value> {
    let reply = pki.ask(Update, path, fields).await.unwrap().ok()?;
    match reply.outcome {
        Answered::Data(map) => Some(Value::Object(map)),
        Answered::Empty => Some(Value::Null),
        _ => None,
    }
}

async fn workflow(pki: &Alone) -> Told {
    let mut told = Told::default();
    ask(pki, "root/generate/internal", json!({ "common_name": "a", "key_type": "ec", "ttl": "100h" })).await;
    ask(pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h" })).await;
    ask(pki, "roles/l", json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h", "generate_lease": true })).await;
    for _ in 0..2 {
        if let Some(leaf) = ask(pki, "issue/r", json!({ "common_name": "a.test" })).await {
            told.issued.push(text(&leaf, "serial_number").to_owned());
        }
    }
    if let Some(serial) = told.issued.first()
        && ask(pki, "revoke", json!({ "serial_number": serial })).await.is_some()
    {
        told.revoked.push(serial.clone());
    }
    if let Some(Ok(reply)) = pki.ask(Update, "issue/l", json!({ "common_name": "l.test" })).await
        && let Answered::Issue(issue) = reply.outcome
    {
        let made = pki.backend.dynamic.as_ref().unwrap().create(&pki.cx, &issue.grant).await.is_ok();
        told.grant = Some((issue.grant, made));
    }
    ask(pki, "root/rotate/internal", json!({ "common_name": "b", "key_type": "ec", "ttl": "100h" })).await;
    let _ = pki.ask(Read, "crl/rotate", Value::Null).await.unwrap();
    told
}

async fn names(pki: &Alone, path: &str) -> BTreeSet<String> {
    match pki.ok(List, path, Value::Null).await {
        Answer::Keys(keys) => keys.into_iter().collect(),
        other => {
            let value = other.value();
            let keys = value["keys"].as_array().cloned().unwrap_or_default();
            keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
        }
    }
}

/// What a fresh node finds, and that it can go on.
async fn check(storage: &MemoryStorage, told: &Told, at: &str) {
    let pki = mount_on(Arc::new(storage.without_hook()));
    let (issuers, keys) = (names(&pki, "issuers").await, names(&pki, "keys").await);
    assert_eq!(issuers.len(), keys.len(), "{at}: a key without its issuer");
    for issuer in &issuers {
        let shown = pki.read(&format!("issuer/{issuer}")).await.data();
        assert!(keys.contains(text(&shown, "key_id")), "{at}: an issuer without its key");
    }
    let certs = names(&pki, "certs").await;
    assert!(
        told.issued.iter().all(|serial| certs.contains(serial)),
        "{at}: a certificate was handed out and not stored"
    );
    if let Some((grant, _)) = &told.grant {
        // Core revokes what was not handed out, as often as it takes.
        for _ in 0..2 {
            pki.backend.dynamic.as_ref().unwrap().revoke(&pki.cx, grant).await.unwrap();
        }
    }
    let Some(first) = told.issued.first().filter(|_| !issuers.is_empty()) else { return };
    pki.write("revoke", json!({ "serial_number": first })).await;
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), "crl.pem", raw(&pki, "crl/pem").await.1);
    let list = content(directory.path(), "crl -in crl.pem -noout -text").to_lowercase();
    for serial in names(&pki, "certs/revoked").await {
        assert!(list.contains(&serial.replace(':', "")), "{at}: {serial} is revoked and not on the list");
    }
}

#[tokio::test]
async fn nothing_is_half_done_wherever_storage_fails() {
    let counting = Arc::new(FaultHook::counting());
    let hook: Arc<dyn lessor_storage::Hook> = counting.clone();
    let told = workflow(&mount_on(Arc::new(MemoryStorage::new().with_hook(hook)))).await;
    assert_eq!((told.issued.len(), told.revoked.len(), told.grant.unwrap().1), (2, 1, true));
    let calls = counting.calls();
    assert!(calls > 20, "{calls}");
    for call in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            let storage = MemoryStorage::new();
            let hook: Arc<dyn lessor_storage::Hook> = Arc::new(FaultHook::at(call, moment, Outcome::Fail));
            let hooked: Arc<dyn Storage> = Arc::new(storage.with_hook(hook));
            let told = workflow(&mount_on(hooked)).await;
            check(&storage, &told, &format!("call {call} {moment:?}")).await;
        }
    }
}
