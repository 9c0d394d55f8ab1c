//! The peer's own `pki` commands against Lessor: they make authorities, compare them and judge a mount's health.
use super::mounted;
use crate::lessor::Lessor;
use crate::targets::tool;
use serde_json::json;
use std::process::Command;

fn bao(lessor: &Lessor, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(tool("bao-2.7.2", "bao"))
        .args(arguments)
        .envs([("BAO_ADDR", lessor.address.as_str()), ("BAO_TOKEN", "root"), ("HOME", "/nonexistent")])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn the_peers_commands_for_authorities_work() {
    let lessor = Lessor::dev().await;
    mounted(&lessor).await;
    for mount in ["child", "grandchild"] {
        lessor.write(&format!("sys/mounts/{mount}"), json!({ "type": "pki" })).await;
    }
    let fields = ["common_name=Child", "key_type=ec", "ttl=400h"];
    let issue = ["pki", "issue", "-issuer_name=child", "/root/issuer/default", "/child/"];
    let (code, said) = bao(&lessor, &[issue.as_slice(), &fields].concat());
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
    let (code, said) = bao(&lessor, &reissue);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = bao(&lessor, &["pki", "verify-sign", "/root/issuer/default", "/child/issuer/child"]);
    assert!(code == Some(0) && said.matches("true").count() == 5, "{said}");
    let (code, said) = bao(&lessor, &["pki", "list-intermediates", "/root/issuer/default"]);
    assert!(code == Some(0) && said.matches("true").count() >= 5, "{said}");
    let (code, said) = bao(&lessor, &["pki", "health-check", "-return-indicator=permission", "pki"]);
    assert_eq!(code, Some(0), "{said}");
    for check in
        ["ca_validity_period", "crl_validity_period", "tidy_last_run", "enable_acme_issuance", "too_many_certs"]
    {
        assert!(said.contains(check), "{check}: {said}");
    }
    assert!(said.contains("CRL's validity") && said.contains("is OK"), "{said}");
}
