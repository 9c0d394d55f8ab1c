//! Input that somebody damaged on purpose: every byte of it changed once. It is refused or taken, and nothing breaks.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::Operation::Update;
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use support::{content, data, mount, root, save, text};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Every variant of the bytes with one changed, and those that end early.
fn damaged(der: &[u8]) -> Vec<Vec<u8>> {
    let changed = (0..der.len()).flat_map(|at| {
        [0x01, 0x80, 0xff].map(|bits| {
            let mut bytes = der.to_vec();
            bytes[at] ^= bits;
            bytes
        })
    });
    changed.chain((0..der.len()).map(|end| der[..end].to_vec())).collect()
}

/// The answer is an answer, and no fault of the server's.
async fn survives(pki: &Alone, path: &str, fields: Value) -> bool {
    match pki.ask(Update, path, fields).await.unwrap() {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.status(), 400, "{path}: {error}");
            false
        }
    }
}

#[tokio::test]
async fn damaged_requests_certificates_keys_and_questions_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = mount();
    root(&pki, "root").await;
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "any" })).await;
    let leaf = data(&pki, "issue/r", json!({ "common_name": "a.test", "key_type": "ec" })).await;
    content(
        dir,
        "req -new -newkey ed25519 -nodes -keyout k.pem -subj /CN=a.test -addext subjectAltName=DNS:b.test,IP:10.0.0.1 -outform DER -out r.der",
    );
    let csr = std::fs::read(dir.join("r.der")).unwrap();
    for der in damaged(&csr) {
        let taken = survives(&pki, "sign/r", json!({ "csr": pem("CERTIFICATE REQUEST", &der) })).await;
        assert!(!taken, "a request is taken that its key did not sign");
    }
    save(dir, "leaf.pem", text(&leaf, "certificate"));
    save(dir, "ca.pem", text(&leaf, "issuing_ca"));
    content(dir, "x509 -in leaf.pem -outform DER -out leaf.der");
    for der in damaged(&std::fs::read(dir.join("leaf.der")).unwrap()) {
        survives(&pki, "revoke", json!({ "certificate": pem("CERTIFICATE", &der) })).await;
        survives(&pki, "issuers/import/cert", json!({ "pem_bundle": pem("CERTIFICATE", &der) })).await;
    }
    content(dir, "pkey -in k.pem -outform DER -out k.der");
    for der in damaged(&std::fs::read(dir.join("k.der")).unwrap()) {
        survives(
            &pki,
            "keys/import",
            json!({ "pem_bundle": format!("{}{}", pem("PRIVATE KEY", &der), " ".repeat(80)) }),
        )
        .await;
    }
    content(dir, "ocsp -issuer ca.pem -cert leaf.pem -reqout q.der");
    for der in damaged(&std::fs::read(dir.join("q.der")).unwrap()) {
        let reply = pki.reply(Update, "ocsp", json!({ "raw_body": STANDARD.encode(der) })).await;
        assert!(matches!(reply.status, None | Some(400)), "{:?}", reply.status);
    }
}

#[tokio::test]
async fn names_with_what_other_places_understand_differently_are_not_let_through() {
    let pki = mount();
    root(&pki, "root").await;
    let role = json!({ "allowed_domains": "example.com", "allow_subdomains": true, "allow_bare_domains": true, "key_type": "ec" });
    data(&pki, "roles/r", role).await;
    for name in [
        "a.example.com\0.evil.org",
        "evil.org\0.example.com",
        "a.example.com/evil",
        "a.example.com,evil.org",
        "a..example.com",
        ".example.com",
        "a.example.com.evil.org",
        "a.example.com evil.org",
        "evil.org\n.example.com",
        "*.*.example.com",
        "a.*.example.com",
        "evil.org@example.com@evil.org",
        "xn--\u{0}.example.com",
        "-a.example.com",
        "a-.example.com",
        "\u{202e}moc.example.com",
        &format!("{}.example.com", "a".repeat(64)),
        &format!("{}example.com", "a.".repeat(130)),
    ] {
        let taken = survives(&pki, "issue/r", json!({ "common_name": name })).await;
        assert!(!taken, "{name:?} is let through");
        let sans = json!({ "common_name": "a.example.com", "alt_names": name });
        // A comma parts two names there, of which the second is none of the role's.
        assert!(!survives(&pki, "issue/r", sans).await, "{name:?} is let through as an alternative name");
    }
}
