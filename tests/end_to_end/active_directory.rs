//! `ldap` with schema `ad`, and the old `ad` engine, against a real domain controller (Samba).
use crate::lessor::Lessor;
use crate::targets::samba::{BASE, Samba};
use crate::targets::slapd::authority;
use lessor_client::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CREATION: &str = "dn: CN={{.Username}},OU=Temp,DC=test,DC=local\nchangetype: add\nobjectClass: user\n\
                        sAMAccountName: {{.Username}}\nuserPrincipalName: {{.Username}}@test.local\n\n\
                        dn: CN={{.Username}},OU=Temp,DC=test,DC=local\nchangetype: modify\nreplace: unicodePwd\n\
                        unicodePwd:: {{ printf \"%q\" .Password | utf16le | base64 }}\n-\nreplace: userAccountControl\n\
                        userAccountControl: 66048\n-\n\n\
                        dn: CN=Devs,CN=Users,DC=test,DC=local\nchangetype: modify\nadd: member\n\
                        member: CN={{.Username}},OU=Temp,DC=test,DC=local\n-\n";
const DELETION: &str = "dn: CN={{.Username}},OU=Temp,DC=test,DC=local\nchangetype: delete\n";

fn service(name: &str) -> String {
    format!("CN={name},OU=Svc,{BASE}")
}

fn config(samba: &Samba) -> Value {
    json!({
        "url": samba.secure_url(), "certificate": samba.authority(), "binddn": service("lessor"),
        "bindpass": "Old-Passw0rd", "userdn": BASE, "request_timeout": 10,
    })
}

async fn configured(samba: &Samba) -> Lessor {
    let lessor = Lessor::dev().await;
    let mut ldap = config(samba);
    ldap["schema"] = json!("ad");
    ldap["userattr"] = json!("sAMAccountName");
    for (kind, config) in [("ldap", ldap), ("ad", config(samba))] {
        lessor.write(&format!("sys/mounts/{kind}"), json!({ "type": kind })).await;
        lessor.write(&format!("{kind}/config"), config).await;
    }
    lessor
}

fn text(answer: &Value, name: &str) -> String {
    answer["data"][name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned()
}

async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_controller_makes_rotates_lends_and_removes_accounts() {
    let mut samba = Samba::start();
    let lessor = configured(&samba).await;

    // Dynamic: with the standard name, which fits into twenty characters.
    let role = json!({ "creation_ldif": CREATION, "deletion_ldif": DELETION, "default_ttl": "8s" });
    lessor.write("ldap/role/dev", role).await;
    let answer = lessor.read("ldap/creds/dev").await;
    let (user, password) = (text(&answer, "username"), text(&answer, "password"));
    let dn = format!("CN={user},OU=Temp,{BASE}");
    assert!(user.len() <= 20 && samba.accepts(&dn, &password) && !samba.accepts(&dn, "wrong"), "{user}");
    assert!(samba.accepts(&format!("{user}@test.local"), &password));
    let report = lessor.write("sys/reconcile/ldap", json!({})).await;
    assert_eq!((&report["data"]["owned"], &report["data"]["orphans"]), (&json!(1), &json!([])), "{report}");
    until("the account is gone", Duration::from_secs(12), || samba.below(&format!("OU=Temp,{BASE}")).is_empty()).await;
    assert!(!samba.accepts(&dn, &password));

    // Static.
    lessor.write("ldap/static-role/svc", json!({ "username": "svc", "rotation_period": "24h" })).await;
    assert!(!samba.accepts(&service("svc"), "Old-Passw0rd"));
    let first = text(&lessor.read("ldap/static-cred/svc").await, "password");
    assert!(samba.accepts(&service("svc"), &first));
    lessor.write("ldap/rotate-role/svc", json!({})).await;
    let second = text(&lessor.read("ldap/static-cred/svc").await, "password");
    assert!(samba.accepts(&service("svc"), &second) && !samba.accepts(&service("svc"), &first));

    // The library.
    lessor.write("ldap/library/ops", json!({ "service_account_names": "lib1" })).await;
    let loan = lessor.write("ldap/library/ops/check-out", json!({})).await;
    let lent = text(&loan, "password");
    assert!(samba.accepts(&service("lib1"), &lent));
    lessor.write("ldap/library/ops/check-in", json!({})).await;
    assert!(!samba.accepts(&service("lib1"), &lent));

    // Passwords are not taken in clear text, and not sent to somebody another authority vouches for.
    let other = tempfile::tempdir().unwrap();
    lessor.write("ldap/config", json!({ "certificate": authority(other.path()) })).await;
    let (status, why) = lessor.refused(Request::put("ldap/rotate-role/svc", json!({}))).await;
    assert!(status == 500 && why.contains("certificate"), "{status} {why}");
    lessor
        .write("ldap/config", json!({ "certificate": samba.authority(), "url": samba.url(), "starttls": true }))
        .await;
    lessor.write("ldap/rotate-role/svc", json!({})).await;

    // The controller is killed in the middle of rotations: nobody is locked out.
    for round in 0..3_u64 {
        let requests = async {
            let client = lessor.client();
            for path in ["ldap/rotate-role/svc", "ldap/rotate-root"] {
                let _ = client.send(Request::put(path, json!({}))).await;
            }
        };
        let kill = async {
            tokio::time::sleep(Duration::from_millis(40 + 60 * round)).await;
            samba.stop();
        };
        tokio::join!(requests, kill);
        samba.resume();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let done = lessor.send(Request::put("ldap/rotate-role/svc", json!({}))).await;
            let root = lessor.send(Request::put("ldap/rotate-root", json!({}))).await;
            if done.is_ok() && root.is_ok() {
                break;
            }
            assert!(Instant::now() < end, "round {round}: {done:?} {root:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let answer = lessor.read("ldap/static-cred/svc").await;
        assert!(samba.accepts(&service("svc"), &text(&answer, "password")), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_engine_renews_passwords_when_they_are_read() {
    let samba = Samba::start();
    let lessor = configured(&samba).await;
    let missing = json!({ "service_account_name": "nobody@test.local" });
    assert_eq!(lessor.refused(Request::put("ad/roles/none", missing)).await.0, 400);
    lessor.write("ad/roles/svc", json!({ "service_account_name": "svc@test.local", "ttl": "1h" })).await;
    let first = lessor.read("ad/creds/svc").await;
    let password = text(&first, "current_password");
    assert_eq!(text(&first, "username"), "svc");
    assert!(first["data"].get("last_password").is_none() && password.starts_with("?@09AZ") && password.len() == 64);
    assert!(samba.accepts(&service("svc"), &password) && !samba.accepts(&service("svc"), "Old-Passw0rd"));
    assert_eq!(text(&lessor.read("ad/creds/svc").await, "current_password"), password);
    let read = lessor.read("ad/roles/svc").await;
    assert!(read["data"]["last_vault_rotation"].is_string() && read["data"]["password_last_set"].is_string(), "{read}");
    // Somebody else changes it: the next reader gets a new one. So do sixteen readers, and all the same.
    tokio::time::sleep(Duration::from_secs(7)).await;
    samba.set_password("svc", "Other-Passw0rd");
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let client = lessor.client();
        tasks.push(tokio::spawn(async move { client.send(Request::get("ad/creds/svc")).await.unwrap().json.unwrap() }));
    }
    let mut got = Vec::new();
    for task in tasks {
        got.push(text(&task.await.unwrap(), "current_password"));
    }
    got.dedup();
    assert_eq!(got.len(), 1);
    assert!(got[0] != password && samba.accepts(&service("svc"), &got[0]));
    lessor.write("ad/rotate-role/svc", json!({})).await;
    let last = lessor.read("ad/creds/svc").await;
    assert_eq!(text(&last, "last_password"), got[0]);
    lessor.write("ad/library/ops", json!({ "service_account_names": "lib2@test.local" })).await;
    let loan = lessor.write("ad/library/ops/check-out", json!({})).await;
    assert!(samba.accepts(&service("lib2"), &text(&loan, "password")));
    lessor.write("ad/rotate-root", json!({})).await;
    assert!(!samba.accepts(&service("lessor"), "Old-Passw0rd"));
    lessor.write("ad/library/ops/check-in", json!({})).await;
}
