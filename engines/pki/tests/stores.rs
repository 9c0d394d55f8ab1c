//! Answers as PKCS#12 and JKS stores, read by programs of others.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use base64::Engine as _;
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use support::{content, data, mount, openssl, root, save, text};

/// pyjks, and pyca/cryptography, which brings an OpenSSL of its own that knows PBMAC1: `tests/install.sh` puts them aside.
fn python(directory: &Path, script: &str, arguments: &[&str]) -> (bool, String) {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(std::path::PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"));
    let program = cache.join("lessor-targets/keystores-1/bin/python");
    assert!(program.exists(), "{} is installed by `make test`", program.display());
    let output = Command::new(program).current_dir(directory).args(["-c", script]).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
}

/// Opens `store` with the password, and says what is in it: kind of key, whether it is the first certificate's, how many
/// certificates follow.
const PKCS12: &str = "
import sys
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
store = load_pkcs12(open('store', 'rb').read(), sys.argv[1].encode())
def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
if store.key is None:
    print('no key', len(store.additional_certs))
else:
    fits = spki(store.key.public_key()) == spki(store.cert.certificate.public_key())
    print('its key' if fits else 'another key', len(store.additional_certs))
";

/// The same of a JKS store. A key's entry is decrypted by the password, and its public half has to be the certificate's.
const JKS: &str = "
import sys, jks
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
store = jks.KeyStore.load('store', sys.argv[1])
def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
for alias, entry in sorted(store.private_keys.items()):
    chain = [x509.load_der_x509_certificate(der) for kind, der in entry.cert_chain]
    key = load_der_private_key(entry.pkey_pkcs8, None)
    fits = spki(key.public_key()) == spki(chain[0].public_key())
    print(alias, 'its key' if fits else 'another key', len(chain) - 1)
for alias, entry in sorted(store.certs.items()):
    print(alias, x509.load_der_x509_certificate(entry.cert).subject.rfc4514_string())
";

async fn with_roles() -> Alone {
    let pki = mount();
    root(&pki, "root").await;
    for kind in ["rsa", "ec", "ed25519"] {
        data(&pki, &format!("roles/{kind}"), json!({ "allow_any_name": true, "key_type": kind })).await;
    }
    pki
}

/// Saves the store of an answer as `store`.
fn keep(directory: &Path, answer: &Value) {
    let store = base64::engine::general_purpose::STANDARD.decode(text(answer, "certificate")).unwrap();
    save(directory, "store", store);
}

#[tokio::test]
async fn pkcs12_stores_open_with_their_password_only_and_hold_key_and_chain() {
    let pki = with_roles().await;
    let directory = tempfile::tempdir().unwrap();
    for (kind, encoder) in [("rsa", "modern2023"), ("ec", "modern2026"), ("ed25519", "modern2023"), ("rsa", "")] {
        let fields = json!({
            "common_name": "a.test", "format": "pkcs12_bundle", "pkcs12_encoder": encoder, "pkcs12_password": "päss word",
        });
        let answer = data(&pki, &format!("issue/{kind}"), fields).await;
        assert_eq!(answer.get("private_key"), None, "the key is in the store and nowhere else");
        assert_eq!(text(&answer, "private_key_type"), kind);
        assert!(text(&answer, "issuing_ca").starts_with("-----BEGIN CERTIFICATE"));
        assert_eq!(answer["ca_chain"].as_array().unwrap().len(), 1);
        keep(directory.path(), &answer);
        assert_eq!(
            python(directory.path(), PKCS12, &["päss word"]),
            (true, "its key 1".to_owned()),
            "{kind} {encoder}"
        );
        let (opened, why) = python(directory.path(), PKCS12, &["changeit"]);
        assert!(!opened && why.contains("Invalid password"), "{kind} {encoder}: {why}");
    }
}

#[tokio::test]
async fn openssl_opens_the_stores_of_both_encoders() {
    let pki = with_roles().await;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    // OpenSSL knows PBMAC1 from 3.4 on; before, it reads such a store without looking at its MAC.
    for (encoder, more) in [("modern2023", ""), ("modern2026", "-nomacver")] {
        let fields = json!({ "common_name": "a.test", "format": "pkcs12_bundle", "pkcs12_encoder": encoder });
        keep(at, &data(&pki, "issue/ec", fields).await);
        let shown = content(at, &format!("pkcs12 -info -in store -passin pass:changeit -nodes {more}"));
        assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2, "{shown}");
        assert_eq!(shown.matches("BEGIN PRIVATE KEY").count(), 1, "{shown}");
        assert_eq!(
            shown.matches("PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256").count(),
            2,
            "{shown}"
        );
        save(at, "key", content(at, &format!("pkcs12 -in store -passin pass:changeit -nodes -nocerts {more}")));
        save(at, "leaf", content(at, &format!("pkcs12 -in store -passin pass:changeit -nokeys -clcerts {more}")));
        assert_eq!(content(at, "pkey -in key -pubout"), content(at, "x509 -in leaf -noout -pubkey"));
        assert!(!openssl(at, &format!("pkcs12 -in store -passin pass:wrong -nodes {more}")).0);
    }
}

#[tokio::test]
async fn a_pkcs12_store_that_was_changed_is_refused_by_its_readers() {
    let pki = with_roles().await;
    let directory = tempfile::tempdir().unwrap();
    // What follows the MAC's last byte: the salt, and the count where it is not one.
    for (encoder, behind) in [("modern2023", 2 + 16 + 4), ("modern2026", 2 + 8)] {
        let fields = json!({ "common_name": "a.test", "format": "pkcs12_bundle", "pkcs12_encoder": encoder });
        keep(directory.path(), &data(&pki, "issue/ec", fields).await);
        assert!(python(directory.path(), PKCS12, &["changeit"]).0, "{encoder}");
        let mut store = std::fs::read(directory.path().join("store")).unwrap();
        let last = store.len() - behind - 1;
        store[last] ^= 1;
        save(directory.path(), "store", store);
        let (opened, why) = python(directory.path(), PKCS12, &["changeit"]);
        assert!(!opened && why.contains("Invalid password"), "{encoder}: {why}");
    }
}

#[tokio::test]
async fn jks_stores_hold_the_key_under_its_alias_behind_the_password() {
    let pki = with_roles().await;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for kind in ["rsa", "ec", "ed25519"] {
        let fields = json!({
            "common_name": "a.test", "format": "jks_bundle", "jks_password": "se cret", "jks_private_key_alias": "Web-1",
        });
        let answer = data(&pki, &format!("issue/{kind}"), fields).await;
        assert_eq!(answer.get("private_key"), None);
        keep(at, &answer);
        assert_eq!(python(at, JKS, &["se cret"]), (true, "web-1 its key 1".to_owned()), "{kind}");
        let (opened, why) = python(at, JKS, &["changeit"]);
        assert!(!opened && why.contains("KeystoreSignatureException"), "{kind}: {why}");
    }
    let fields = json!({ "common_name": "a.test", "format": "jks_bundle", "remove_roots_from_chain": true });
    keep(at, &data(&pki, "issue/ec", fields).await);
    assert_eq!(python(at, JKS, &["changeit"]), (true, "1 its key 0".to_owned()));
}

#[tokio::test]
async fn stores_of_signed_requests_hold_certificates_alone() {
    let pki = with_roles().await;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    content(at, "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out csr -subj /CN=a.test");
    let csr = std::fs::read_to_string(at.join("csr")).unwrap();
    for path in ["sign/ec", "sign-verbatim/ec"] {
        keep(at, &data(&pki, path, json!({ "csr": csr, "format": "pkcs12_bundle" })).await);
        assert_eq!(python(at, PKCS12, &["changeit"]), (true, "no key 2".to_owned()), "{path}");
        let fields = json!({ "csr": csr, "format": "jks_bundle", "jks_private_key_alias": "shop" });
        keep(at, &data(&pki, path, fields).await);
        assert_eq!(python(at, JKS, &["changeit"]), (true, "shop CN=a.test\nshop-ca-1 CN=root".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_no_store_can_be_made_with_is_refused_and_named() {
    let pki = with_roles().await;
    for (format, field, value) in [
        ("pkcs12_bundle", "pkcs12_encoder", json!("legacy")),
        ("pkcs12_bundle", "pkcs12_password", json!("")),
        ("pkcs12_bundle", "pkcs12_password", json!("x".repeat(1025))),
        ("pkcs12_bundle", "pkcs12_password", json!("a\0b")),
        ("pkcs12_bundle", "pkcs12_password", json!(["a"])),
        ("jks_bundle", "jks_password", json!("")),
        ("jks_bundle", "jks_private_key_alias", json!("")),
        ("jks_bundle", "jks_private_key_alias", json!("a\nb")),
        ("jks_bundle", "jks_private_key_alias", json!("x".repeat(256))),
        ("p12", "format", json!("p12")),
    ] {
        let mut fields = json!({ "common_name": "a.test", "format": format });
        fields[field] = value;
        let (status, why) = pki.refused("issue/ec", fields.clone()).await;
        assert_eq!(status, 400, "{fields}");
        assert!(why.contains(field), "{fields}: {why}");
    }
    let fields = json!({ "common_name": "x", "format": "jks_bundle" });
    let (status, why) = pki.refused("root/generate/internal", fields).await;
    assert_eq!((status, why.contains("format")), (400, true), "authorities are not handed out in stores: {why}");
}
