//! nginx and openssl with what was issued.
use super::{content, fetch, mounted, run, save, text};
use crate::lessor::Lessor;
use crate::targets::nginx::Nginx;
use lessor_client::Request;
use serde_json::{Value, json};
use std::path::Path;

async fn issue(lessor: &Lessor, name: &str) -> Value {
    lessor.write("pki/issue/web", json!({ "common_name": name, "ip_sans": "127.0.0.1" })).await["data"].clone()
}

fn keep(directory: &Path, name: &str, issued: &Value) {
    let chain: Vec<&str> = issued["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect();
    save(directory, &format!("{name}.pem"), format!("{}\n{}\n", text(issued, "/certificate"), chain[0]));
    save(directory, &format!("{name}.key"), text(issued, "/private_key"));
}

/// Who nginx greets; `None` where it lets nobody in.
fn greeted(directory: &Path, nginx: &Nginx, who: &str) -> Option<String> {
    let url = format!("https://127.0.0.1:{}/", nginx.port);
    let (cert, key) = (format!("{who}.pem"), format!("{who}.key"));
    let (_, said) = run(directory, "curl", &["-s", "--cacert", "ca.pem", "--cert", &cert, "--key", &key, &url]);
    said.starts_with("hello").then_some(said)
}

#[tokio::test]
async fn nginx_lets_in_who_has_a_certificate_and_refuses_who_had_one() {
    let lessor = Lessor::dev().await;
    mounted(&lessor).await;
    lessor.write("pki/roles/web", json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h" })).await;
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (server, good, bad) =
        (issue(&lessor, "server").await, issue(&lessor, "good").await, issue(&lessor, "bad").await);
    for (name, issued) in [("server", &server), ("good", &good), ("bad", &bad)] {
        keep(dir, name, issued);
    }
    let lists = || [fetch(&lessor, "pki/crl/pem"), fetch(&lessor, "root/crl/pem")].join("\n");
    let authorities = |lessor: &Lessor| [fetch(lessor, "root/ca/pem"), fetch(lessor, "pki/ca/pem")].join("\n");
    save(dir, "ca.pem", authorities(&lessor));
    save(dir, "crl.pem", lists());
    let mut nginx = Nginx::start(dir);
    assert!(greeted(dir, &nginx, "good").unwrap().contains("CN=good"));
    assert!(greeted(dir, &nginx, "bad").unwrap().contains("CN=bad"));
    let serial = text(&bad, "/serial_number");
    lessor.write("pki/revoke", json!({ "serial_number": serial })).await;
    save(dir, "crl.pem", lists());
    nginx.restart();
    assert!(greeted(dir, &nginx, "good").is_some());
    assert!(greeted(dir, &nginx, "bad").is_none(), "a revoked certificate is let in");
    // OCSP over HTTP, asked by openssl both ways.
    save(dir, "issuer.pem", fetch(&lessor, "pki/ca/pem"));
    let url = format!("{}/v1/pki/ocsp", lessor.address);
    for (who, said) in [("good", "good.pem: good"), ("bad", "bad.pem: revoked")] {
        let cert = format!("{who}.pem");
        let arguments =
            ["ocsp", "-issuer", "issuer.pem", "-cert", &cert, "-url", &url, "-CAfile", "ca.pem", "-no_nonce"];
        let answer = content(dir, "openssl", &arguments);
        assert!(answer.contains("Response verify OK") && answer.contains(said), "{answer}");
        content(dir, "openssl", &["ocsp", "-issuer", "issuer.pem", "-cert", &cert, "-reqout", "q.der"]);
        content(
            dir,
            "sh",
            &["-c", &format!("curl -s -f -o a.der {url}/$(base64 -w0 q.der | sed 's,/,%2F,g; s,+,%2B,g')")],
        );
        let arguments = ["ocsp", "-issuer", "issuer.pem", "-cert", &cert, "-respin", "a.der", "-CAfile", "ca.pem"];
        assert!(content(dir, "openssl", &arguments).contains(said));
    }
}

#[tokio::test]
async fn everybody_reads_authorities_and_lists_without_a_token_and_only_when_they_are_new() {
    let lessor = Lessor::dev().await;
    mounted(&lessor).await;
    let id = lessor.read("pki/config/issuers").await["data"]["default"].as_str().unwrap().to_owned();
    for (path, kind) in [
        ("ca", "application/pkix-cert"),
        ("ca/pem", "application/pem-certificate-chain"),
        ("ca_chain", "application/pkix-cert"),
        ("crl", "application/pkix-crl"),
        ("crl/pem", "application/x-pem-file"),
        ("cert/ca/raw", "application/pkix-cert"),
        ("cert/ca/raw/pem", "application/pem-certificate-chain"),
        ("issuer/default/der", "application/pkix-cert"),
        ("issuer/default/pem", "application/pem-certificate-chain"),
        ("issuer/default/crl/der", "application/pkix-crl"),
        ("issuer/default/crl/pem", "application/x-pem-file"),
        (&format!("issuer/{id}/json"), "application/json"),
        ("issuer/default/crl", "application/json"),
        ("cert/crl", "application/json"),
    ] {
        let url = format!("{}/v1/pki/{path}", lessor.address);
        let said =
            content(Path::new("/tmp"), "curl", &["-s", "-o", "/dev/null", "-w", "%{http_code} %{content_type}", &url]);
        assert_eq!(said, format!("200 {kind}"), "{path}");
    }
    let url = format!("{}/v1/pki/ca", lessor.address);
    let future = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT";
    let said = content(Path::new("/tmp"), "curl", &["-s", "-w", "%{http_code}", "-H", future, &url]);
    assert_eq!(said, "304");
    let url = format!("{}/v1/pki/issuers", lessor.address);
    let list = content(Path::new("/tmp"), "curl", &["-s", "-X", "LIST", &url]);
    assert!(list.contains(&id), "{list}");
    let (status, _) = lessor.refused(Request::get("pki/cert/1a:2b:3c")).await;
    assert_eq!(status, 404);
}
