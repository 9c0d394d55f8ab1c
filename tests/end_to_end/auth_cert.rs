//! `cert` over real TLS: certificates of OpenSSL's authority, presented by curl.
#[path = "../../auth/cert/tests/openssl/mod.rs"]
mod openssl;

use crate::lessor::{Lessor, free_port};
use openssl::Authority;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A server that curl reaches over TLS.
struct Secure<'a> {
    lessor: Lessor,
    address: String,
    authority: Authority<'a>,
}

impl<'a> Secure<'a> {
    async fn start(folder: &'a Path) -> Self {
        let authority = Authority::new(folder);
        authority.issue("server", "server", "");
        let address = format!("127.0.0.1:{}", free_port());
        let file = |name: &str| folder.join(name).display().to_string();
        let keys = format!(
            "address = {address:?}\n tls_cert_file = {:?}\n tls_key_file = {:?}",
            file("server.pem"),
            file("server.key")
        );
        let lessor = Lessor::dev_and(folder, &keys).await;
        lessor.write("sys/auth/cert", json!({ "type": "cert" })).await;
        let role = json!({ "certificate": authority.read("ca.pem"), "token_policies": "p", "token_ttl": "20m" });
        lessor.write("auth/cert/certs/web", role).await;
        Self { lessor, address, authority }
    }
    /// What curl gets with a certificate (a folder and a name), and with a token.
    fn put(&self, path: &str, certificate: Option<(&Path, &str)>, token: &str) -> Value {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-m", "20", "-X", "PUT", "-d", "{}", "-H", &format!("X-Vault-Token: {token}")]);
        curl.arg("--cacert").arg(self.authority.folder.join("ca.pem"));
        if let Some((folder, name)) = certificate {
            let file = |kind: &str| folder.join(format!("{name}.{kind}"));
            curl.arg("--cert").arg(file("pem")).arg("--key").arg(file("key"));
        }
        let output = curl.arg(format!("https://{}/v1/{path}", self.address)).output().unwrap();
        assert!(output.status.success(), "{path}: {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }
    fn log_in(&self, folder: &Path, name: &str) -> Value {
        self.put("auth/cert/login", Some((folder, name)), "")
    }
}

fn refusal(answer: &Value) -> &str {
    answer["errors"][0].as_str().unwrap_or_else(|| panic!("not refused: {answer}"))
}

const UNTRUSTED: &str = "invalid certificate or no client certificate supplied";
const CONSTRAINTS: &str = "no chain matching all constraints could be found for this login certificate";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_authority_logs_in_and_no_foreign_or_expired_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let (own, foreign) = (folder.path().join("own"), folder.path().join("foreign"));
    let secure = Secure::start(&own).await;
    secure.authority.issue("web", "client", "");
    secure.authority.issue("old", "client", " -startdate 20200101000000Z -enddate 20200201000000Z");
    Authority::new(&foreign).issue("web", "client", "");
    let answer = secure.log_in(&own, "web");
    assert_eq!(answer["auth"]["metadata"]["common_name"], "web", "{answer}");
    assert_eq!(answer["auth"]["policies"], json!(["default", "p"]));
    assert_eq!(refusal(&secure.log_in(&foreign, "web")), UNTRUSTED);
    assert_eq!(refusal(&secure.log_in(&own, "old")), UNTRUSTED);
    assert_eq!(refusal(&secure.log_in(&own, "server")), UNTRUSTED);
    assert_eq!(refusal(&secure.put("auth/cert/login", None, "")), "no client certificate found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_on_the_authoritys_list_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let secure = Secure::start(own).await;
    secure.authority.issue("web", "client", "");
    secure.authority.issue("lost", "client", "");
    assert!(secure.log_in(own, "lost")["auth"]["client_token"].is_string());
    secure.authority.openssl("ca -config openssl.cnf -revoke lost.pem");
    secure.authority.openssl("ca -config openssl.cnf -gencrl -out list.pem");
    secure.lessor.write("auth/cert/crls/own", json!({ "crl": secure.authority.read("list.pem") })).await;
    assert_eq!(refusal(&secure.log_in(own, "lost")), CONSTRAINTS);
    assert!(secure.log_in(own, "web")["auth"]["client_token"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_with_the_certificate_of_its_login_only() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let secure = Secure::start(own).await;
    secure.authority.issue("web", "client", "");
    secure.authority.issue("other", "client", "");
    let answer = secure.log_in(own, "web");
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let renew = |certificate| secure.put("auth/token/renew-self", certificate, token);
    assert_eq!(renew(Some((own, "web")))["auth"]["client_token"], token);
    let none = renew(None);
    assert!(refusal(&none).contains("no client certificate found"), "{none}");
    let other = renew(Some((own, "other")));
    assert!(refusal(&other).contains("not matching client identity used during login"), "{other}");
    secure.lessor.write("auth/cert/config", json!({ "disable_binding": true })).await;
    assert_eq!(renew(None)["auth"]["client_token"], token);
}
