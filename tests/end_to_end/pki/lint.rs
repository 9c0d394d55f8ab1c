//! What is issued against the standards, rule by rule: pkilint has nothing to say against it.
use super::{content, fetch, run, save, text};
use crate::lessor::Lessor;
use crate::targets::tool;
use serde_json::{Value, json};
use std::path::Path;

/// Findings of warnings and worse.
fn findings(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let program = tool("pkilint-0.13", program);
    let (_, said) = run(dir, program.to_str().unwrap(), &[&["lint", "-s", "WARNING"], arguments].concat());
    said.trim().to_owned()
}

async fn below(lessor: &Lessor, kind: &str) -> (String, Value) {
    let name = |what: &str| json!({ "common_name": format!("{what} {kind}"), "country": "CH", "organization": "Lessor", "key_type": kind });
    let mut fields = name("Root");
    fields["ttl"] = json!("8760h");
    fields["issuer_name"] = json!(kind);
    lessor.write("pki/root/generate/internal", fields).await;
    let csr = lessor.write("pki/intermediate/generate/internal", name("Issuing")).await;
    let mut fields = name("Issuing");
    fields["csr"] = csr["data"]["csr"].clone();
    fields["ttl"] = json!("4000h");
    fields["max_path_length"] = json!(0);
    fields["permitted_dns_domains"] = json!("example.com");
    let signed = lessor.write(&format!("pki/issuer/{kind}/sign-intermediate"), fields).await["data"].clone();
    let done = lessor.write("pki/intermediate/set-signed", json!({ "certificate": signed["certificate"] })).await;
    (text(&done, "/data/imported_issuers/0").to_owned(), signed)
}

#[tokio::test]
async fn certificates_lists_and_answers_keep_every_rule_of_their_standards() {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/pki", json!({ "type": "pki", "config": { "max_lease_ttl": "87600h" } })).await;
    lessor
        .write(
            "pki/config/cluster",
            json!({ "path": "https://l.example.com/v1/pki", "aia_path": "http://aia.example.com" }),
        )
        .await;
    let urls = json!({
        "enable_templating": true,
        "issuing_certificates": "{{cluster_aia_path}}/issuer/{{issuer_id}}/der",
        "crl_distribution_points": "{{cluster_aia_path}}/issuer/{{issuer_id}}/crl/der",
        "ocsp_servers": "{{cluster_aia_path}}/ocsp",
        "delta_crl_distribution_points": "{{cluster_aia_path}}/issuer/{{issuer_id}}/crl/delta/der",
    });
    lessor.write("pki/config/urls", urls).await;
    lessor.write("pki/config/crl", json!({ "auto_rebuild": true, "enable_delta": true })).await;
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    for kind in ["rsa", "ec", "ed25519"] {
        let (issuer, signed) = below(&lessor, kind).await;
        let role = json!({ "allow_any_name": true, "key_type": kind, "ttl": "100h", "issuer_ref": issuer, "policy_identifiers": ["1.3.6.1.4.1.7.8"], "key_usage": "DigitalSignature" });
        lessor.write("pki/roles/r", role).await;
        let leaf =
            lessor.write("pki/issue/r", json!({ "common_name": "a.example.com", "alt_names": "b.example.com" })).await;
        let gone = lessor.write("pki/issue/r", json!({ "common_name": "a.example.com" })).await;
        lessor.read("pki/crl/rotate").await;
        lessor.write("pki/revoke", json!({ "serial_number": gone["data"]["serial_number"] })).await;
        lessor.read("pki/crl/rotate-delta").await;
        save(dir, "root.pem", text(&signed, "/issuing_ca"));
        save(dir, "int.pem", text(&signed, "/certificate"));
        save(dir, "leaf.pem", text(&leaf, "/data/certificate"));
        save(dir, "crl.pem", fetch(&lessor, &format!("pki/issuer/{issuer}/crl/pem")));
        save(dir, "delta.pem", fetch(&lessor, &format!("pki/issuer/{issuer}/crl/delta/pem")));
        content(dir, "openssl", &["ocsp", "-issuer", "int.pem", "-cert", "leaf.pem", "-reqout", "q.der"]);
        let url = format!("{}/v1/pki/ocsp", lessor.address);
        let header = "Content-Type: application/ocsp-request";
        content(dir, "curl", &["-s", "-f", "--data-binary", "@q.der", "-H", header, "-o", "a.der", &url]);
        for file in ["root.pem", "int.pem", "leaf.pem"] {
            assert_eq!(findings(dir, "lint_pkix_cert", &[file]), "", "{kind} {file}");
        }
        for pair in [["root.pem", "int.pem"], ["int.pem", "leaf.pem"]] {
            assert_eq!(findings(dir, "lint_pkix_signer_signee_cert_chain", &pair), "", "{kind} {pair:?}");
        }
        for file in ["crl.pem", "delta.pem"] {
            assert_eq!(findings(dir, "lint_crl", &["-t", "CRL", "-p", "PKIX", file]), "", "{kind} {file}");
        }
        assert_eq!(findings(dir, "lint_ocsp_response", &["a.der"]), "", "{kind}");
    }
}
