//! The ssh engine with OpenSSH's own server and client.
use crate::lessor::Lessor;
use crate::targets::sshd::{Sshd, keygen};
use lessor_client::Request;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lessor with an authority, a server that trusts it, and a user's key.
pub async fn setup(kind: &str) -> (Lessor, Sshd, PathBuf) {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/ssh", json!({ "type": "ssh" })).await;
    let made = lessor.write("ssh/config/ca", json!({ "key_type": kind })).await;
    let public = made["data"]["public_key"].as_str().unwrap().to_owned();
    let role = json!({
        "key_type": "ca", "allow_user_certificates": true, "allowed_users": "deploy,other", "default_user": "deploy",
        "allowed_extensions": "permit-pty", "default_extensions": { "permit-pty": "" },
    });
    lessor.write("ssh/roles/ops", role).await;
    let hosts = json!({ "key_type": "ca", "allow_host_certificates": true, "allowed_domains": "acme.internal",
        "allow_subdomains": true });
    lessor.write("ssh/roles/hosts", hosts).await;
    let host_key = tempfile::tempdir().unwrap();
    keygen(&host_key.path().join("host"));
    let asked = json!({ "cert_type": "host", "valid_principals": "web1.acme.internal",
        "public_key": std::fs::read_to_string(host_key.path().join("host.pub")).unwrap() });
    let host = lessor.write("ssh/sign/hosts", asked).await["data"]["signed_key"].as_str().unwrap().to_owned();
    let prepare = |at: &Path| {
        std::fs::write(at.join("ca.pub"), &public).unwrap();
        for name in ["host", "host.pub"] {
            std::fs::copy(host_key.path().join(name), at.join(name)).unwrap();
        }
        std::fs::write(at.join("host-cert.pub"), &host).unwrap();
        std::fs::write(at.join("known"), format!("@cert-authority *.acme.internal {public}")).unwrap();
        let at = at.display();
        format!("TrustedUserCAKeys {at}/ca.pub\nHostCertificate {at}/host-cert.pub\nKbdInteractiveAuthentication no")
    };
    let sshd = Sshd::start(prepare, "exit 1");
    let key = sshd.at("user");
    keygen(&key);
    (lessor, sshd, key)
}

/// A certificate for the key, in a file of this name.
async fn signed(lessor: &Lessor, sshd: &Sshd, key: &Path, name: &str, more: Value) -> PathBuf {
    let mut body = json!({ "public_key": std::fs::read_to_string(key.with_extension("pub")).unwrap() });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let line = lessor.write("ssh/sign/ops", body).await["data"]["signed_key"].as_str().unwrap().to_owned();
    let at = sshd.at(name);
    std::fs::write(&at, line).unwrap();
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_lets_in_whom_a_certificate_names_and_nobody_else() {
    for kind in ["ed25519", "ec", "rsa"] {
        let (lessor, sshd, key) = setup(kind).await;
        let good = signed(&lessor, &sshd, &key, "good", json!({})).await;
        assert!(sshd.enters("deploy", &key, &good), "{kind}: {}", sshd.log());
        assert!(!sshd.enters("other", &key, &good), "the certificate is for another user");
        let elsewhere = json!({ "critical_options": { "source-address": "192.0.2.0/24" } });
        let elsewhere = signed(&lessor, &sshd, &key, "elsewhere", elsewhere).await;
        assert!(!sshd.enters("deploy", &key, &elsewhere), "the certificate is for another address");
        let here =
            signed(&lessor, &sshd, &key, "here", json!({ "critical_options": { "source-address": "127.0.0.0/8" } }));
        assert!(sshd.enters("deploy", &key, &here.await), "{}", sshd.log());
        let short = signed(&lessor, &sshd, &key, "short", json!({ "ttl": "2s" })).await;
        let until = Instant::now() + Duration::from_secs(20);
        while sshd.enters("deploy", &key, &short) {
            assert!(Instant::now() < until, "a certificate outlives its end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        lessor.write("ssh/config/ca", json!({ "key_type": "ed25519" })).await;
        let foreign = signed(&lessor, &sshd, &key, "foreign", json!({})).await;
        assert!(!sshd.enters("deploy", &key, &foreign), "the server does not trust the newer authority");
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let forbidden = json!({ "public_key": public, "extensions": { "permit-agent-forwarding": "" } });
        let (status, text) = lessor.refused(Request::put("ssh/sign/ops", forbidden)).await;
        assert!(status == 400 && text.contains("permit-agent-forwarding"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_trusts_a_host_by_its_certificate() {
    let (lessor, sshd, key) = setup("ed25519").await;
    let good = signed(&lessor, &sshd, &key, "good", json!({})).await;
    assert!(sshd.trusted(&sshd.at("known"), "web1.acme.internal", &key, &good), "{}", sshd.log());
    assert!(!sshd.trusted(&sshd.at("known"), "web2.acme.internal", &key, &good), "it is another host's name");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_clients_get_in_at_once() {
    let (lessor, sshd, key) = setup("ed25519").await;
    let (lessor, sshd) = (Arc::new(lessor), Arc::new(sshd));
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (lessor, sshd, key) = (Arc::clone(&lessor), Arc::clone(&sshd), key.clone());
            tokio::spawn(async move {
                let at = signed(&lessor, &sshd, &key, &format!("client-{client}"), json!({})).await;
                tokio::task::spawn_blocking(move || sshd.enters("deploy", &key, &at)).await.unwrap()
            })
        })
        .collect();
    for client in clients {
        assert!(client.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_password_gets_in_once_and_not_after_its_lease() {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/ssh", json!({ "type": "ssh" })).await;
    let role = json!({ "key_type": "otp", "default_user": "deploy", "cidr_list": "127.0.0.0/8" });
    lessor.write("ssh/roles/otp", role).await;
    // pam_exec ends the password with a zero byte.
    let verify = format!(
        "unset LD_PRELOAD; otp=$(tr -d '\\000'); answer=$(curl -sf --max-time 10 -d \"{{\\\"otp\\\":\\\"$otp\\\"}}\" {}/v1/ssh/verify) || exit 1\n\
         case \"$answer\" in *\"\\\"username\\\":\\\"$PAM_USER\\\"\"*) exit 0;; esac\nexit 1",
        lessor.address
    );
    let sshd = Sshd::start(|_| "UsePAM yes\nKbdInteractiveAuthentication yes".to_owned(), &verify);
    let password = async || {
        let made = lessor.write("ssh/creds/otp", json!({ "ip": "127.0.0.1" })).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["data"]["key"]), text(&made["lease_id"]))
    };
    let (first, _) = password().await;
    assert!(sshd.enters_by_password("deploy", &first), "{}", sshd.log());
    assert!(!sshd.enters_by_password("deploy", &first), "once is once");
    let (ended, lease) = password().await;
    lessor.write("sys/leases/revoke", json!({ "lease_id": lease, "sync": true })).await;
    assert!(!sshd.enters_by_password("deploy", &ended), "the lease has ended");
    let (other, _) = password().await;
    assert!(!sshd.enters_by_password("other", &other), "it is for another user");
    assert!(!sshd.enters_by_password("deploy", "guessed"));
}
