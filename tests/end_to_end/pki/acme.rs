//! ACME clients by others, against names that all lead to this machine. Ports 80 and 443 have to be free: the challenges of
//! RFC 8555 are served there and nowhere else, so these tests take turns.
use super::{content, fetch, mounted, run, save, text};
use crate::lessor::Lessor;
use crate::targets::names::Names;
use lessor_client::Request;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Who has ports 80 and 443.
static PORTS: Mutex<()> = Mutex::const_new(());

async fn ready(names: &Names) -> Lessor {
    let lessor = Lessor::dev().await;
    mounted(&lessor).await;
    lessor.write("pki/config/cluster", json!({ "path": format!("{}/v1/pki", lessor.address) })).await;
    lessor
        .write("pki/roles/web", json!({ "allowed_domains": "test", "allow_subdomains": true, "key_type": "any" }))
        .await;
    lessor.write("pki/config/acme", json!({ "enabled": true, "dns_resolver": names.address })).await;
    lessor
}

fn shown(dir: &Path, pem: &str) -> String {
    content(dir, "openssl", &["x509", "-in", pem, "-noout", "-text"])
}

fn verify(dir: &Path, lessor: &Lessor, pem: &str) {
    save(dir, "root.pem", fetch(lessor, "root/ca/pem"));
    content(dir, "openssl", &["verify", "-CAfile", "root.pem", "-untrusted", pem, pem]);
}

fn serial(dir: &Path, pem: &str) -> String {
    let said = content(dir, "openssl", &["x509", "-in", pem, "-noout", "-serial"]);
    said.trim().trim_start_matches("serial=").to_lowercase()
}

async fn revoked(lessor: &Lessor, serial: &str) -> bool {
    let answer = lessor.read(&format!("pki/cert/{serial}")).await;
    answer["data"]["revocation_time"].as_i64().unwrap() > 0
}

/// Serves a folder on port 80.
struct Web(Child);

impl Web {
    fn start(folder: &Path) -> Self {
        let child = Command::new("python3")
            .args(["-m", "http.server", "80", "--bind", "127.0.0.1", "--directory", folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect("127.0.0.1:80").is_err() {
            assert!(Instant::now() < end, "nobody serves port 80");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_obtains_renews_and_revokes_over_http() {
    let _turn = PORTS.lock().await;
    let names = Names::start();
    let lessor = ready(&names).await;
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let server = format!("{}/v1/pki/roles/web/acme/directory", lessor.address);
    let base = ["--config-dir", "c", "--work-dir", "w", "--logs-dir", "l", "--server", &server, "-n"];
    let certbot = |more: &[&str]| content(dir, "certbot", &[more, base.as_slice()].concat());
    let order = [
        "certonly",
        "--standalone",
        "--agree-tos",
        "-m",
        "me@example.com",
        "--no-eff-email",
        "-d",
        "shop.test",
        "-d",
        "www.shop.test",
    ];
    certbot(&order);
    let pem = "c/live/shop.test/fullchain.pem";
    verify(dir, &lessor, pem);
    let first = serial(dir, pem);
    let text = shown(dir, pem);
    assert!(text.contains("DNS:shop.test") && text.contains("DNS:www.shop.test"), "{text}");
    assert!(text.contains("TLS Web Server Authentication\n"), "the certificate is for servers only: {text}");
    certbot(&["renew", "--force-renewal", "--no-random-sleep-on-renew"]);
    let second = serial(dir, pem);
    assert_ne!(first, second);
    certbot(&["revoke", "--cert-path", pem, "--no-delete-after-revoke"]);
    assert!(revoked(&lessor, &second).await && !revoked(&lessor, &first).await);
    // What the role does not allow is refused before anything is shown.
    let elsewhere = ["certonly", "--standalone", "--agree-tos", "-m", "me@example.com", "-d", "shop.example.com"];
    let (fine, _) = run(dir, "certbot", &[elsewhere.as_slice(), base.as_slice()].concat());
    // Debian's certbot stumbles over every problem when it prints it; its log has it.
    let said = std::fs::read_to_string(dir.join("l/letsencrypt.log")).unwrap();
    assert!(!fine && said.contains("not allowed by this role"), "{said}");
    certbot(&["unregister"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lego_obtains_over_tls_with_an_external_account_and_every_kind_of_key() {
    let _turn = PORTS.lock().await;
    let names = Names::start();
    let lessor = ready(&names).await;
    lessor.write("pki/config/acme", json!({ "eab_policy": "always-required" })).await;
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let server = format!("{}/v1/pki/acme/directory", lessor.address);
    for (kind, flag) in [("ec256", "--tls"), ("ec384", "--http"), ("rsa2048", "--tls")] {
        let eab = lessor.write("pki/acme/new-eab", json!({})).await;
        let (kid, hmac) = (text(&eab, "/data/id"), text(&eab, "/data/key"));
        let name = format!("{kind}.test");
        let mail = format!("{kind}@example.com");
        let base = [
            "--server",
            &server,
            "--email",
            &mail,
            "--accept-tos",
            "--key-type",
            kind,
            "--domains",
            &name,
            "--path",
            kind,
            flag,
        ];
        let without = run(dir, "lego", &[base.as_slice(), &["run"]].concat());
        assert!(!without.0 && without.1.contains("External Account Binding"), "{}", without.1);
        content(dir, "lego", &[base.as_slice(), &["--eab", "--kid", kid, "--hmac", hmac, "run"]].concat());
        let pem = format!("{kind}/certificates/{name}.crt");
        verify(dir, &lessor, &pem);
        content(dir, "lego", &[base.as_slice(), &["--eab", "--kid", kid, "--hmac", hmac, "revoke"]].concat());
        assert!(lessor.send(Request::list("pki/eab")).await.is_err(), "a key for a binding is used once");
    }
    let accounts = lessor.send(Request::list("pki/acme/mgmt/account/keyid")).await.unwrap();
    let id = text(&accounts, "/data/keys/0");
    let account = lessor.read(&format!("pki/acme/mgmt/account/keyid/{id}")).await;
    assert_eq!(account["data"]["orders"].as_array().unwrap().len(), 1, "{account}");
    let ended = lessor.write(&format!("pki/acme/mgmt/account/keyid/{id}"), json!({ "status": "revoked" })).await;
    assert_eq!(ended["data"]["status"], "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn dehydrated_obtains_a_wildcard_over_dns_after_the_server_was_killed() {
    let names = Names::start();
    let store = tempfile::tempdir().unwrap();
    let lessor = Lessor::initialised(store.path()).await;
    mounted(&lessor).await;
    lessor.write("pki/config/cluster", json!({ "path": format!("{}/v1/pki", lessor.address) })).await;
    lessor.write("pki/config/acme", json!({ "enabled": true, "dns_resolver": names.address })).await;
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let server = format!("{}/v1/pki/issuer/default/acme/directory", lessor.address);
    let hook = "#!/bin/sh\nif [ \"$1\" = deploy_challenge ]; then echo \"$2 $4\" >> records; sleep 2; fi\n";
    save(dir, "hook.sh", hook);
    content(dir, "chmod", &["+x", "hook.sh"]);
    let config = format!(
        "CA=\"{server}\"\nBASEDIR=\"{}\"\nCHALLENGETYPE=\"dns-01\"\nHOOK=\"{}/hook.sh\"\nKEY_ALGO=secp384r1\n",
        dir.display(),
        dir.display()
    );
    save(dir, "config", config);
    content(dir, "dehydrated", &["-f", "config", "--register", "--accept-terms"]);
    // Accounts are in storage, not in a process.
    let lessor = lessor.kill_and_restart().await;
    let records = dir.join("records");
    let watched = names.clone();
    let watcher = std::thread::spawn(move || {
        let (end, mut known) = (Instant::now() + Duration::from_secs(60), 0);
        while Instant::now() < end && known < 2 {
            let text = std::fs::read_to_string(&records).unwrap_or_default();
            for line in text.lines().skip(known) {
                let (domain, value) = line.split_once(' ').unwrap();
                watched.set_text(&format!("_acme-challenge.{domain}"), value);
                known += 1;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    content(dir, "dehydrated", &["-f", "config", "-c", "-d", "wild.test *.wild.test", "--accept-terms"]);
    watcher.join().unwrap();
    let pem = "certs/wild.test/fullchain.pem";
    verify(dir, &lessor, pem);
    assert!(shown(dir, pem).contains("DNS:*.wild.test"));
    assert!(!revoked(&lessor, &serial(dir, pem)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn acme_tiny_obtains_from_a_folder_and_is_told_why_it_fails() {
    let _turn = PORTS.lock().await;
    let names = Names::start();
    let lessor = ready(&names).await;
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let server = format!("{}/v1/pki/acme/directory", lessor.address);
    let folder = dir.join("www/.well-known/acme-challenge");
    std::fs::create_dir_all(&folder).unwrap();
    let _web = Web::start(&dir.join("www"));
    content(dir, "openssl", &["genrsa", "-out", "account.key", "2048"]);
    content(
        dir,
        "openssl",
        &["req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", "d.key", "-subj", "/CN=tiny.test", "-out", "d.csr"],
    );
    let folder = folder.display().to_string();
    let arguments = [
        "--account-key",
        "account.key",
        "--csr",
        "d.csr",
        "--acme-dir",
        &folder,
        "--directory-url",
        &server,
        "--disable-check",
    ];
    let output = Command::new("acme-tiny").current_dir(dir).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    save(dir, "tiny.pem", output.stdout);
    verify(dir, &lessor, "tiny.pem");
    // An address that must not be connected to.
    lessor.write("pki/config/acme", json!({ "challenge_excluded_ip_ranges": "127.0.0.0/8" })).await;
    let (fine, said) = run(dir, "acme-tiny", &arguments);
    assert!(!fine && said.contains("may be connected to"), "{said}");
    let _: Value = lessor.read("pki/config/acme").await;
}
