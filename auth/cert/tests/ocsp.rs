//! OCSP against a real responder: OpenSSL's.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a panic is a failed test, and it may block")]
mod openssl;
#[path = "../../support.rs"]
mod support;

use lessor_auth_cert::CertFactory;
use lessor_engine::clock::TokioClock;
use lessor_engine::{Clock, Connection, SystemClock};
use openssl::Authority;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::Method;

const CONSTRAINTS: &str = "no chain matching all constraints could be found for this login certificate";

/// A running `openssl ocsp`, stopped when dropped.
struct Responder {
    child: Child,
    _said: BufReader<ChildStderr>,
    url: String,
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Responder {
    /// One that knows the authority's certificates as they are now, and signs with `signer`.
    fn start(folder: &Path, signer: &str) -> Self {
        // Somebody else may take a port before the responder does.
        (0..5).find_map(|_| Self::try_at(free_port(), folder, signer)).unwrap()
    }

    fn at(port: u16, folder: &Path, signer: &str) -> Self {
        Self::try_at(port, folder, signer).unwrap()
    }

    fn try_at(port: u16, folder: &Path, signer: &str) -> Option<Self> {
        let arguments = format!(
            "ocsp -index index.txt -port {port} -rsigner {signer}.pem -rkey {signer}.key -CA ca.pem -nmin 5 -ignore_err"
        );
        let mut child = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A connection that asks nothing would keep it busy for good: it says itself when it is ready.
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let responder = Self { child, _said: said, url: format!("http://127.0.0.1:{port}") };
        line.contains("waiting").then_some(responder)
    }
}

fn der(authority: &Authority<'_>, name: &str) -> Vec<u8> {
    authority.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
    std::fs::read(authority.folder.join(format!("{name}.der"))).unwrap()
}

async fn mounted(authority: &Authority<'_>, ocsp: Value) -> Method {
    let mut method = Method::new(&CertFactory);
    method.cx.clock = Arc::new(SystemClock);
    let role = json!({ "certificate": authority.read("ca.pem"), "ocsp_enabled": true, "ocsp_max_retries": 0 });
    method.write("certs/web", role).await;
    method.write("certs/web", ocsp).await;
    method
}

fn over(method: &Method, certificate: &[u8]) -> Method {
    method.over(Connection { certificates: vec![certificate.to_vec()], ..Connection::default() })
}

async fn refused(method: &Method, certificate: &[u8]) -> String {
    over(method, certificate).refused("login", json!({})).await.1
}

async fn admitted(method: &Method, certificate: &[u8]) {
    over(method, certificate).log_in("login", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_the_responder_calls_good_is_let_in_and_what_it_calls_revoked_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    for (name, kind) in [("web", "client"), ("lost", "client"), ("ocsp", "responder"), ("impostor", "client")] {
        authority.issue(name, kind, "");
    }
    authority.openssl("ca -config openssl.cnf -revoke lost.pem");
    let (web, lost) = (der(&authority, "web"), der(&authority, "lost"));
    for signer in ["ocsp", "ca"] {
        let responder = Responder::start(folder.path(), signer);
        let method =
            mounted(&authority, json!({ "ocsp_servers_override": responder.url, "ocsp_fail_open": true })).await;
        admitted(&method, &web).await;
        assert_eq!(refused(&method, &lost).await, CONSTRAINTS, "{signer}");
        // What it said holds for five minutes, whether it is there or not.
        drop(responder);
        method.write("config", json!({ "ocsp_cache_size": 2 })).await;
        admitted(&method, &web).await;
        assert_eq!(refused(&method, &lost).await, CONSTRAINTS, "{signer}");
    }
    // Signed by a certificate of the authority that may not answer for it.
    let responder = Responder::start(folder.path(), "impostor");
    let method = mounted(&authority, json!({ "ocsp_servers_override": responder.url })).await;
    assert_eq!(refused(&method, &web).await, CONSTRAINTS);
    let own = json!({ "ocsp_ca_certificates": authority.read("impostor.pem") });
    method.write("certs/web", own).await;
    admitted(&method, &web).await;
}

#[tokio::test]
async fn where_no_server_knows_the_role_decides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("web", "client", "");
    let web = der(&authority, "web");
    // A responder that has never heard of the certificate.
    std::fs::write(folder.path().join("index.txt"), "").unwrap();
    let responder = Responder::start(folder.path(), "ca");
    let dead = format!("http://127.0.0.1:{}", free_port());
    for servers in [json!(responder.url), json!(dead), json!([])] {
        let method = mounted(&authority, json!({ "ocsp_servers_override": servers })).await;
        assert_eq!(refused(&method, &web).await, CONSTRAINTS, "{servers}");
        method.write("certs/web", json!({ "ocsp_fail_open": true })).await;
        admitted(&method, &web).await;
    }
}

#[tokio::test]
async fn where_all_are_asked_one_that_says_revoked_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("web", "client", "");
    let web = der(&authority, "web");
    // OpenSSL reads its index again when it changes, so the one that does not know yet has a folder of its own.
    let before = folder.path().join("before");
    std::fs::create_dir(&before).unwrap();
    for file in ["index.txt", "ca.pem", "ca.key"] {
        std::fs::copy(folder.path().join(file), before.join(file)).unwrap();
    }
    let before = Responder::start(&before, "ca");
    authority.openssl("ca -config openssl.cnf -revoke web.pem");
    let after = Responder::start(folder.path(), "ca");
    let servers = json!([format!("http://127.0.0.1:{}", free_port()), before.url, after.url]);
    let method = mounted(&authority, json!({ "ocsp_servers_override": servers })).await;
    admitted(&method, &web).await;
    method.write("certs/web", json!({ "ocsp_query_all_servers": true })).await;
    assert_eq!(refused(&method, &web).await, CONSTRAINTS);
}

#[tokio::test]
async fn the_address_in_the_certificate_is_asked_and_an_answer_that_is_too_old_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let port = free_port();
    let config = authority.read("openssl.cnf");
    let named = format!(
        "{config}[named]\nextendedKeyUsage = clientAuth\nauthorityKeyIdentifier = keyid\nauthorityInfoAccess = OCSP;URI:http://127.0.0.1:{port}\n"
    );
    std::fs::write(folder.path().join("openssl.cnf"), named).unwrap();
    authority.issue("web", "named", "");
    let web = der(&authority, "web");
    let _responder = Responder::at(port, folder.path(), "ca");
    let mut method = mounted(&authority, json!({ "ocsp_this_update_max_age": 60 })).await;
    admitted(&method, &web).await;
    // Two minutes later, by this clock alone: the same answer is too old now.
    let later = SystemClock.now().checked_add(Duration::from_secs(120)).unwrap();
    method.cx.clock = Arc::new(TokioClock::starting_at(later));
    assert_eq!(refused(&method, &web).await, CONSTRAINTS);
    method.write("certs/web", json!({ "ocsp_this_update_max_age": 0, "ocsp_max_retries": 0 })).await;
    admitted(&method, &web).await;
    let read = method.read("certs/web").await;
    assert_eq!((&read["ocsp_enabled"], &read["ocsp_max_retries"]), (&json!(true), &json!(0)));
    for (body, text) in [
        (json!({ "ocsp_servers_override": "ldap://x" }), "no http:// or https:// address"),
        (json!({ "ocsp_max_retries": -1 }), "ocsp_max_retries"),
        (json!({ "ocsp_ca_certificates": "nope" }), "failed to parse certificate in ocsp_ca_certificates"),
    ] {
        let (status, error) = method.refused("certs/web", body).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
}
