//! A mount in memory, and openssl to judge what comes out of it.
#![allow(dead_code, reason = "not every test file needs all of it")]
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::{Operation, Outcome};
use lessor_mountkit::Alone;
use lessor_storage::{MemoryStorage, Storage};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A mount on storage of its own, at the machine's time: openssl has no other.
pub fn mount() -> Alone {
    mount_on(Arc::new(MemoryStorage::new()))
}

pub fn mount_on(storage: Arc<dyn Storage>) -> Alone {
    let mut alone = Alone::new(&lessor_engine_pki::PkiFactory, "pki/", &[], storage);
    alone.cx.clock = Arc::new(lessor_engine::SystemClock);
    let mut of = (*alone.cx.mount).clone();
    of.max_ttl = std::time::Duration::from_secs(20 * 365 * 86_400);
    alone.cx.mount = Arc::new(of);
    alone
}

pub async fn data(pki: &Alone, path: &str, fields: Value) -> Value {
    pki.write(path, fields).await.data()
}

/// A root with an EC key.
pub async fn root(pki: &Alone, name: &str) -> Value {
    let fields = json!({ "common_name": name, "issuer_name": name, "key_type": "ec", "ttl": "87600h" });
    data(pki, "root/generate/internal", fields).await
}

pub async fn raw(pki: &Alone, path: &str) -> (u16, Vec<u8>) {
    let reply = pki.reply(Operation::Read, path, Value::Null).await;
    match reply.outcome {
        Outcome::Raw(raw) => (reply.status.unwrap_or(200), raw.bytes),
        _ => panic!("{path}: not raw"),
    }
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Runs openssl; its output, whether it is content.
pub fn openssl(directory: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").current_dir(directory).args(arguments.split_whitespace()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs openssl, which has to be content.
pub fn content(directory: &Path, arguments: &str) -> String {
    let (fine, text) = openssl(directory, arguments);
    assert!(fine, "openssl {arguments}: {text}");
    text
}

pub fn save(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(directory.join(name), content).unwrap();
}
