//! `lessor ssh-helper` on a host: OpenSSH's server asks it through PAM.
use crate::lessor::{Lessor, PROGRAM};
use crate::targets::sshd::Sshd;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;

/// A server whose logins are decided by the helper, with these lines of its configuration besides; ssh/ is mounted.
pub async fn by_password(lessor: &Lessor, more: &str) -> Sshd {
    lessor.write("sys/mounts/ssh", json!({ "type": "ssh" })).await;
    // The wrappers of the test's server are not the helper's.
    let verify = format!("unset LD_PRELOAD; exec {PROGRAM} ssh-helper -dev -config=\"$(dirname \"$0\")/helper.hcl\"");
    let sshd = Sshd::start(|_| "UsePAM yes\nKbdInteractiveAuthentication yes".to_owned(), &verify);
    configure(&sshd, lessor, more);
    sshd
}

fn configure(sshd: &Sshd, lessor: &Lessor, more: &str) {
    let text = format!("vault_addr = \"{}\"\nssh_mount_point = \"ssh\"\n{more}\n", lessor.address);
    std::fs::write(sshd.at("helper.hcl"), text).unwrap();
}

async fn password(lessor: &Lessor, role: &str, body: Value) -> String {
    lessor.write(&format!("ssh/creds/{role}"), body).await["data"]["key"].as_str().unwrap().to_owned()
}

async fn role(lessor: &Lessor, name: &str) {
    let fields =
        json!({ "key_type": "otp", "default_user": "deploy", "allowed_users": "other", "cidr_list": "0.0.0.0/0" });
    lessor.write(&format!("ssh/roles/{name}"), fields).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_good_once_for_its_user_and_its_host() {
    let lessor = Lessor::dev().await;
    let sshd = by_password(&lessor, "allowed_roles = \"web, app\"").await;
    for name in ["web", "app", "db"] {
        role(&lessor, name).await;
    }
    let here = json!({ "ip": "127.0.0.1" });
    let good = password(&lessor, "web", here.clone()).await;
    assert!(sshd.enters_by_password("deploy", &good), "{}", sshd.log());
    assert!(!sshd.enters_by_password("deploy", &good), "once is once");
    let good = password(&lessor, "app", here.clone()).await;
    assert!(sshd.enters_by_password("deploy", &good), "{}", sshd.log());

    let others = password(&lessor, "web", json!({ "ip": "127.0.0.1", "username": "other" })).await;
    assert!(!sshd.enters_by_password("deploy", &others), "it is for another user");
    assert!(!sshd.enters_by_password("other", &others), "and was used up by the attempt");
    let elsewhere = password(&lessor, "web", json!({ "ip": "192.0.2.7" })).await;
    assert!(!sshd.enters_by_password("deploy", &elsewhere), "it is for another host");
    let foreign = password(&lessor, "db", here.clone()).await;
    assert!(!sshd.enters_by_password("deploy", &foreign), "its role is not allowed on this host");
    for guess in ["verify-echo-request", "guess", "ab\\\"cd", "00000000-0000-4000-8000-000000000000"] {
        assert!(!sshd.enters_by_password("deploy", guess), "{guess}");
    }

    let issued = lessor.write("ssh/creds/web", here.clone()).await;
    let ended = issued["data"]["key"].as_str().unwrap();
    lessor.write("sys/leases/revoke", json!({ "lease_id": issued["lease_id"], "sync": true })).await;
    assert!(!sshd.enters_by_password("deploy", ended), "its lease has ended");
    let orphaned = password(&lessor, "app", here.clone()).await;
    lessor.client().send(lessor_client::Request::delete("ssh/roles/app")).await.unwrap();
    assert!(!sshd.enters_by_password("deploy", &orphaned), "its role is gone");
    let late = password(&lessor, "web", here).await;
    lessor.client().send(lessor_client::Request::delete("sys/mounts/ssh")).await.unwrap();
    assert!(!sshd.enters_by_password("deploy", &late), "the mount is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_logins_with_one_password_one_gets_in() {
    let lessor = Lessor::dev().await;
    let sshd = Arc::new(by_password(&lessor, "allowed_roles = \"*\"").await);
    role(&lessor, "web").await;
    let otp = password(&lessor, "web", json!({ "ip": "127.0.0.1" })).await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let (sshd, otp) = (Arc::clone(&sshd), otp.clone());
            tokio::task::spawn_blocking(move || sshd.enters_by_password("deploy", &otp))
        })
        .collect();
    let mut entered = 0;
    for attempt in attempts {
        entered += u32::from(attempt.await.unwrap());
    }
    assert_eq!(entered, 1, "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_decides_which_hosts_namespaces_and_servers_count() {
    let lessor = Lessor::dev().await;
    let sshd = by_password(&lessor, "allowed_roles = \"*\"\nallowed_cidr_list = \"192.0.2.0/24\"").await;
    role(&lessor, "web").await;
    let behind_nat = password(&lessor, "web", json!({ "ip": "192.0.2.7" })).await;
    assert!(sshd.enters_by_password("deploy", &behind_nat), "the block is this host's: {}", sshd.log());
    let outside = password(&lessor, "web", json!({ "ip": "198.51.100.1" })).await;
    assert!(!sshd.enters_by_password("deploy", &outside));

    lessor.write("sys/namespaces/team", json!({})).await;
    lessor.write("team/sys/mounts/ssh", json!({ "type": "ssh" })).await;
    let fields = json!({ "key_type": "otp", "default_user": "deploy", "cidr_list": "127.0.0.0/8" });
    lessor.write("team/ssh/roles/web", fields).await;
    let team = async || lessor.write("team/ssh/creds/web", json!({ "ip": "127.0.0.1" })).await["data"]["key"].clone();
    let unknown = team().await;
    assert!(!sshd.enters_by_password("deploy", unknown.as_str().unwrap()), "the root namespace does not know it");
    configure(&sshd, &lessor, "allowed_roles = \"*\"\nnamespace = \"team\"");
    let known = team().await;
    assert!(sshd.enters_by_password("deploy", known.as_str().unwrap()), "{}", sshd.log());

    let away = "vault_addr = \"http://127.0.0.1:1\"\nallowed_roles = \"*\"\n";
    std::fs::write(sshd.at("helper.hcl"), away).unwrap();
    let unasked = team().await;
    assert!(!sshd.enters_by_password("deploy", unasked.as_str().unwrap()), "a server that is away lets nobody in");
    std::fs::remove_file(sshd.at("helper.hcl")).unwrap();
    assert!(!sshd.enters_by_password("deploy", unasked.as_str().unwrap()), "nor does a missing file");
}

#[tokio::test]
async fn a_configuration_is_checked_without_a_password() {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/ssh", json!({ "type": "ssh" })).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("helper.hcl");
    let check = |text: &str, dev: bool| {
        std::fs::write(&path, text).unwrap();
        let config = format!("-config={}", path.display());
        let mut command = Command::new(PROGRAM);
        command.args(["ssh-helper", "-verify-only", &config]).env_clear();
        if dev {
            command.arg("-dev");
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let good = format!("vault_addr = \"{}\"\nallowed_roles = \"*\"\n", lessor.address);
    let (code, said) = check(&good, true);
    assert_eq!(code, Some(0), "{said}");
    for (text, dev, word) in [
        (good.as_str(), false, "https://"),
        ("allowed_roles = \"*\"", true, "vault_addr"),
        ("vault_addr = \"http://x\"", true, "allowed_roles"),
        (&format!("{good}allowed_cidr_list = \"127.0.0.1/99\""), true, "127.0.0.1/99"),
        (&format!("{good}ssh_mount_point = \"none\""), true, "permission denied"),
        ("vault_addr = ", true, "helper.hcl"),
    ] {
        let (code, said) = check(text, dev);
        assert!(code == Some(1) && said.contains(word), "{text}: {code:?} {said}");
    }
}
