//! The `pki` commands of the peer's program and of Lessor's against Lessor: they make authorities, compare them and judge
//! a mount's health.
use super::mounted;
use crate::lessor::{Lessor, PROGRAM};
use crate::targets::tool;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(program: &Path, lessor: &Lessor, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program)
        .args(arguments)
        .envs([("BAO_ADDR", lessor.address.as_str()), ("BAO_TOKEN", "root"), ("HOME", "/nonexistent")])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn the_peers_commands_for_authorities_work() {
    let said = authorities(&tool("bao-2.7.2", "bao")).await;
    assert!(said.contains("CRL's validity") && said.contains("is OK"), "{said}");
}

#[tokio::test]
async fn the_same_commands_of_lessor_work() {
    let said = authorities(&PathBuf::from(PROGRAM)).await;
    assert!(said.contains("The root is valid until") || said.contains("The intermediate is valid until"), "{said}");
}

/// Goes through the commands, and returns what the health check said.
async fn authorities(program: &Path) -> String {
    let lessor = Lessor::dev().await;
    mounted(&lessor).await;
    for mount in ["child", "grandchild"] {
        lessor.write(&format!("sys/mounts/{mount}"), json!({ "type": "pki" })).await;
    }
    let fields = ["common_name=Child", "key_type=ec", "ttl=400h"];
    let issue = ["pki", "issue", "-issuer_name=child", "/root/issuer/default", "/child/"];
    let (code, said) = run(program, &lessor, &[issue.as_slice(), &fields].concat());
    assert!(code == Some(0) && said.contains("BEGIN CERTIFICATE"), "{said}");
    let reissue = [
        "pki",
        "reissue",
        "-issuer_name=again",
        "/root/issuer/default",
        "/child/issuer/child",
        "/grandchild/",
        "key_type=ec",
    ];
    let (code, said) = run(program, &lessor, &reissue);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(program, &lessor, &["pki", "verify-sign", "/root/issuer/default", "/child/issuer/child"]);
    assert!(code == Some(0) && said.matches("true").count() == 5, "{said}");
    let (code, said) = run(program, &lessor, &["pki", "list-intermediates", "/root/issuer/default"]);
    assert!(code == Some(0) && said.matches("true").count() >= 5, "{said}");
    let (code, said) = run(program, &lessor, &["pki", "health-check", "-return-indicator=permission", "pki"]);
    assert_eq!(code, Some(0), "{said}");
    for check in
        ["ca_validity_period", "crl_validity_period", "tidy_last_run", "enable_acme_issuance", "too_many_certs"]
    {
        assert!(said.contains(check), "{check}: {said}");
    }
    said
}
