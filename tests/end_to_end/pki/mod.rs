//! Certificates in use: nginx lets in who has one and refuses who had one, ACME clients by others get and revoke theirs, and the
//! peer answers the same requests.
mod acme;
mod commands;
mod leases;
mod lint;
mod schedule;
mod tls;

use crate::lessor::Lessor;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A mount with a root and an intermediate that issues, both EC.
pub async fn mounted(lessor: &Lessor) {
    for (path, ttl) in [("root", "87600h"), ("pki", "43800h")] {
        lessor.write(&format!("sys/mounts/{path}"), json!({ "type": "pki", "config": { "max_lease_ttl": ttl } })).await;
    }
    let fields = json!({ "common_name": "Test Root", "key_type": "ec", "ttl": "87600h" });
    lessor.write("root/root/generate/internal", fields).await;
    let fields = json!({ "common_name": "Test Issuing", "key_type": "ec" });
    let csr = lessor.write("pki/intermediate/generate/internal", fields).await;
    let fields = json!({ "csr": csr["data"]["csr"], "ttl": "43800h", "format": "pem_bundle" });
    let signed = lessor.write("root/root/sign-intermediate", fields).await;
    lessor.write("pki/intermediate/set-signed", json!({ "certificate": signed["data"]["certificate"] })).await;
}

pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

pub fn save(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(directory.join(name), content).unwrap();
}

/// Runs a program; whether it is content, and what it said.
pub fn run(directory: &Path, program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).current_dir(directory).args(arguments).env("HOME", directory).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is not here ({error}): run tests/install.sh"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The same for what has to go well.
pub fn content(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let (fine, said) = run(directory, program, arguments);
    assert!(fine, "{program} {arguments:?}: {said}");
    said
}

/// What is served without an envelope.
pub fn fetch(lessor: &Lessor, path: &str) -> String {
    let output = Command::new("curl").args(["-s", "-f", &format!("{}/v1/{path}", lessor.address)]).output().unwrap();
    assert!(output.status.success(), "{path}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
