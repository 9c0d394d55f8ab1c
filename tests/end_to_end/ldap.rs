//! Accounts in a real OpenLDAP server: made through the API, used with its own clients, and gone when their lease is.
use crate::lessor::Lessor;
use crate::targets::directory::{Accounts, BASE};
use crate::targets::slapd::authority;
use lessor_client::{Request, Token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CREATION: &str = "dn: cn={{.Username}},ou=temp,dc=example,dc=com\nobjectClass: person\ncn: {{.Username}}\nsn: x\n\
                        description: {{.DisplayName}}\nuserPassword: {{.Password}}\n\n\
                        dn: cn=devs,dc=example,dc=com\nchangetype: modify\nadd: member\n\
                        member: cn={{.Username}},ou=temp,dc=example,dc=com\n-\n";
const DELETION: &str = "dn: cn=devs,dc=example,dc=com\nchangetype: modify\ndelete: member\n\
                        member: cn={{.Username}},ou=temp,dc=example,dc=com\n-\n\n\
                        dn: cn={{.Username}},ou=temp,dc=example,dc=com\nchangetype: delete\n";

async fn configured(accounts: &Accounts, more: Value) -> Lessor {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/team/ldap", json!({ "type": "ldap" })).await;
    configure(&lessor, accounts, more).await;
    lessor
}

async fn configure(lessor: &Lessor, accounts: &Accounts, more: Value) {
    let mut config = json!({
        "url": accounts.url(), "starttls": true, "certificate": accounts.file("ca.pem"), "userattr": "uid",
        "binddn": format!("cn=lessor,{BASE}"), "bindpass": "first", "userdn": BASE, "request_timeout": 5,
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    lessor.write("team/ldap/config", config).await;
}

async fn role(lessor: &Lessor, name: &str, ttl: &str, more: Value) {
    let mut role = json!({ "creation_ldif": CREATION, "deletion_ldif": DELETION, "default_ttl": ttl });
    for (name, value) in more.as_object().unwrap() {
        role[name] = value.clone();
    }
    lessor.write(&format!("team/ldap/role/{name}"), role).await;
}

fn text(answer: &Value, name: &str) -> String {
    answer["data"][name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned()
}

fn login(answer: &Value) -> (String, String) {
    (answer["data"]["distinguished_names"][0].as_str().unwrap().to_owned(), text(answer, "password"))
}

fn temp() -> String {
    format!("ou=temp,{BASE}")
}

fn service(name: &str) -> String {
    format!("uid={name},ou=services,{BASE}")
}

async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_works_until_its_lease_ends_and_leaves_its_groups() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    role(&lessor, "Team-A/app", "6s", json!({})).await;
    let answer = lessor.read("team/ldap/creds/team-a/app").await;
    let (dn, password) = login(&answer);
    assert_eq!((answer["lease_duration"].as_u64(), answer["renewable"].as_bool()), (Some(6), Some(true)));
    assert!(dn.starts_with("cn=v_root_team-a-app_"), "{dn}");
    assert!(accounts.accepts(&dn, &password) && !accounts.accepts(&dn, "wrong"));
    let devs = format!("cn=devs,{BASE}");
    assert!(accounts.has(&devs, &format!("(member={dn})")));
    assert_eq!(lessor.send(Request::list("team/ldap/role/team-a")).await.unwrap()["data"]["keys"], json!(["app"]));
    until("the account is gone", Duration::from_secs(10), || accounts.below(&temp()).is_empty()).await;
    assert!(!accounts.accepts(&dn, &password) && !accounts.has(&devs, &format!("(member={dn})")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_midway_leaves_nothing_and_what_was_removed_by_hand_can_be_revoked() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    let broken = CREATION.replace("cn=devs,", "cn=nobody,");
    role(&lessor, "broken", "1h", json!({ "creation_ldif": broken })).await;
    let (status, why) = lessor.refused(Request::get("team/ldap/creds/broken")).await;
    assert!(status == 500 && why.contains("LDAP Result Code 32"), "{status} {why}");
    assert!(accounts.below(&temp()).is_empty());
    role(&lessor, "app", "1h", json!({})).await;
    let answer = lessor.read("team/ldap/creds/app").await;
    accounts.change(&format!("dn: {}\nchangetype: delete\n", login(&answer).0));
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_change_nothing_but_their_own_entry() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    let odd = "x,ou=services+y=\\\"{{random 6}}";
    role(&lessor, "odd", "1h", json!({ "username_template": odd })).await;
    let answer = lessor.read("team/ldap/creds/odd").await;
    let (dn, password) = login(&answer);
    assert_eq!(accounts.below(&temp()).len(), 1);
    assert!(accounts.accepts(&dn, &password), "{dn}");
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
    assert!(accounts.below(&temp()).is_empty());
    let (status, why) = lessor
        .refused(Request::put(
            "team/ldap/role/lines",
            json!({ "creation_ldif": "dn: cn={{.Username}}\nx", "deletion_ldif": DELETION }),
        ))
        .await;
    assert!(status == 400 && why.contains("creation_ldif: line 2"), "{status} {why}");
    // A star in a name is a star, and a bracket ends no filter.
    for name in ["leg*", "legacy)(uid=*", "*"] {
        let body = json!({ "username": name, "rotation_period": "1h" });
        let (status, why) = lessor.refused(Request::put("team/ldap/static-role/odd", body)).await;
        assert!(status == 400 && why.contains("expected one matching entry, but received 0"), "{name}: {status} {why}");
    }
    let body = json!({ "username": "legacy*", "rotation_period": "1h" });
    lessor.write("team/ldap/static-role/star", body).await;
    assert!(accounts.accepts(&service("legacy"), "old") && !accounts.accepts(&service("legacy*"), "old"));
    // A name that was not drawn is not taken from whoever bears it, nor removed with a failed creation.
    let fixed = json!({ "username_template": "fixed" });
    role(&lessor, "fixed", "1h", fixed).await;
    let first = login(&lessor.read("team/ldap/creds/fixed").await);
    let (status, why) = lessor.refused(Request::get("team/ldap/creds/fixed")).await;
    assert!(status == 400 && why.contains("already"), "{status} {why}");
    assert!(accounts.accepts(&first.0, &first.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_account_gets_a_password_at_once_and_at_every_rotation() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    let body = json!({ "username": "legacy", "rotation_period": "6s" });
    lessor.write("team/ldap/static-role/a/legacy", body).await;
    let legacy = service("legacy");
    assert!(!accounts.accepts(&legacy, "old"));
    let first = text(&lessor.read("team/ldap/static-cred/a/legacy").await, "password");
    assert!(accounts.accepts(&legacy, &first));
    lessor.write("team/ldap/rotate-role/a/legacy", json!({})).await;
    let answer = lessor.read("team/ldap/static-cred/a/legacy").await;
    let second = text(&answer, "password");
    assert_eq!(text(&answer, "last_password"), first);
    assert!(accounts.accepts(&legacy, &second) && !accounts.accepts(&legacy, &first));
    until("the scheduled rotation", Duration::from_secs(12), || !accounts.accepts(&legacy, &second)).await;
    let other = json!({ "username": "LEGACY", "rotation_period": "1h" });
    let (status, why) = lessor.refused(Request::put("team/ldap/static-role/other", other)).await;
    assert!(status == 400 && why.contains("is already managed"), "{status} {why}");
    let missing = json!({ "username": "nobody", "rotation_period": "1h" });
    assert_eq!(lessor.refused(Request::put("team/ldap/static-role/none", missing)).await.0, 400);
    assert_eq!(lessor.refused(Request::get("team/ldap/static-role/none")).await.0, 404);
    let read =
        json!({ "username": "lib1", "rotation_period": "1h", "rotate_on_read": true, "rotate_on_read_cooldown": 0 });
    lessor.write("team/ldap/static-role/read", read).await;
    let one = text(&lessor.read("team/ldap/static-cred/read").await, "password");
    let two = text(&lessor.read("team/ldap/static-cred/read").await, "password");
    assert!(one != two && accounts.accepts(&service("lib1"), &two));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_changes_its_own_password_needs_no_other() {
    let accounts = Accounts::start();
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/team/ldap", json!({ "type": "openldap" })).await;
    configure(&lessor, &accounts, json!({ "binddn": "", "bindpass": "", "self_managed": true })).await;
    let body = json!({ "username": "legacy", "dn": service("legacy"), "password": "old", "rotation_period": "1h" });
    lessor.write("team/ldap/static-role/own", body).await;
    let answer = lessor.read("team/ldap/static-cred/own").await;
    assert!(accounts.accepts(&service("legacy"), &text(&answer, "password")));
    assert!(!accounts.accepts(&service("legacy"), "old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_root_rotation_only_lessor_knows_the_password() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    role(&lessor, "app", "1h", json!({})).await;
    lessor.read("team/ldap/creds/app").await;
    lessor.write("team/ldap/rotate-root", json!({})).await;
    assert!(!accounts.accepts(&format!("cn=lessor,{BASE}"), "first"));
    let (dn, password) = login(&lessor.read("team/ldap/creds/app").await);
    assert!(accounts.accepts(&dn, &password));
    let shown = lessor.read("team/ldap/config").await;
    assert!(shown["data"].get("bindpass").is_none() && shown["data"]["last_bind_password_rotation"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_lent_to_one_at_a_time_and_its_check_in_ends_the_lease() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    let body = json!({ "service_account_names": "lib1,lib2", "ttl": "1h", "max_ttl": "2h" });
    lessor.write("team/ldap/library/ops/dba", body).await;
    assert!(!accounts.accepts(&service("lib1"), "old"));
    let first = lessor.write("team/ldap/library/ops/dba/check-out", json!({ "ttl": "30m" })).await;
    assert_eq!(
        (first["lease_duration"].as_u64(), text(&first, "service_account_name")),
        (Some(1800), "lib1".to_owned())
    );
    let password = text(&first, "password");
    assert!(accounts.accepts(&service("lib1"), &password));
    let second = lessor.write("team/ldap/library/ops/dba/check-out", json!({})).await;
    assert_eq!(text(&second, "service_account_name"), "lib2");
    let (status, why) = lessor.refused(Request::put("team/ldap/library/ops/dba/check-out", json!({}))).await;
    assert!(status == 400 && why == "No service accounts available for check-out.", "{status} {why}");
    let state = lessor.read("team/ldap/library/ops/dba/status").await;
    assert_eq!(state["data"]["lib1"]["available"], false);
    assert_eq!(lessor.refused(Request::delete("team/ldap/library/ops/dba")).await.0, 400);
    // Somebody else cannot give it back, but by the manage path.
    let other = lessor.write("auth/token/create", json!({ "policies": ["root"] })).await;
    let mut stranger = Request::put("team/ldap/library/ops/dba/check-in", json!({ "service_account_names": "lib1" }));
    stranger = stranger.token(Token::new(other["auth"]["client_token"].as_str().unwrap()));
    let (status, why) = lessor.refused(stranger).await;
    assert!(status == 400 && why.contains("wasn't checked out by the caller"), "{status} {why}");
    let body = json!({ "service_account_names": "lib1" });
    let answer = lessor.write("team/ldap/library/ops/dba/check-in", body.clone()).await;
    assert_eq!(answer["data"]["check_ins"], json!(["lib1"]));
    assert!(!accounts.accepts(&service("lib1"), &password));
    let lookup = json!({ "lease_id": first["lease_id"] });
    assert_eq!(lessor.refused(Request::put("sys/leases/lookup", lookup)).await.0, 400, "the lease is left");
    let again = lessor.write("team/ldap/library/ops/dba/check-out", json!({ "ttl": "5s" })).await;
    let answer =
        lessor.write("team/ldap/library/manage/ops/dba/check-in", json!({ "service_account_names": "lib2" })).await;
    assert_eq!(answer["data"]["check_ins"], json!(["lib2"]));
    let password = text(&again, "password");
    until("the loan ends by itself", Duration::from_secs(10), || !accounts.accepts(&service("lib1"), &password)).await;
    let report = lessor.write("sys/reconcile/team/ldap", json!({})).await;
    assert_eq!((&report["data"]["orphans"], &report["data"]["missing"]), (&json!([]), &json!([])), "{report}");
    lessor.send(Request::delete("team/ldap/library/ops/dba")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_killed_in_the_middle_of_rotations_locks_nobody_out() {
    let mut accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    lessor.write("team/ldap/static-role/legacy", json!({ "username": "legacy", "rotation_period": "24h" })).await;
    for round in 0..6_u64 {
        let requests = async {
            let client = lessor.client();
            for path in ["team/ldap/rotate-root", "team/ldap/rotate-role/legacy"] {
                let _ = client.send(Request::put(path, json!({}))).await;
            }
        };
        let kill = async {
            tokio::time::sleep(Duration::from_millis(3 + 7 * round)).await;
            accounts.stop();
        };
        tokio::join!(requests, kill);
        accounts.resume();
        // Whatever was under way is settled by the next rotation, or by itself.
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            let done = lessor.send(Request::put("team/ldap/rotate-role/legacy", json!({}))).await;
            let root = lessor.send(Request::put("team/ldap/rotate-root", json!({}))).await;
            if done.is_ok() && root.is_ok() {
                break;
            }
            assert!(Instant::now() < end, "round {round}: {done:?} {root:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let answer = lessor.read("team/ldap/static-cred/legacy").await;
        assert!(accounts.accepts(&service("legacy"), &text(&answer, "password")), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_end_while_the_directory_is_down_are_revoked_when_it_is_back() {
    let mut accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    role(&lessor, "app", "6s", json!({})).await;
    for _ in 0..10 {
        lessor.read("team/ldap/creds/app").await;
    }
    assert_eq!(accounts.below(&temp()).len(), 10);
    accounts.stop();
    let (status, _) = lessor.refused(Request::get("team/ldap/creds/app")).await;
    assert_eq!(status, 500);
    tokio::time::sleep(Duration::from_secs(8)).await;
    accounts.resume();
    until("every account is gone", Duration::from_secs(8), || accounts.below(&temp()).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_clients_get_accounts_and_loans_of_their_own_at_once() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    role(&lessor, "app", "1h", json!({})).await;
    lessor.write("team/ldap/library/two", json!({ "service_account_names": "lib1,lib2" })).await;
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let client = lessor.client();
        tasks.push(tokio::spawn(async move {
            let account = client.send(Request::get("team/ldap/creds/app")).await.unwrap().json.unwrap();
            let loan = client.send(Request::put("team/ldap/library/two/check-out", json!({}))).await.ok();
            (login(&account), loan.and_then(|answer| answer.json))
        }));
    }
    let (mut names, mut loans) = (Vec::new(), Vec::new());
    for task in tasks {
        let ((dn, password), loan) = task.await.unwrap();
        assert!(accounts.accepts(&dn, &password));
        names.push(dn);
        loans.extend(loan.map(|answer| text(&answer, "service_account_name")));
    }
    names.sort();
    names.dedup();
    loans.sort();
    assert_eq!((names.len(), loans), (16, vec!["lib1".to_owned(), "lib2".to_owned()]));
    lessor.write("sys/leases/revoke-prefix/team/ldap", json!({ "sync": true })).await;
    assert!(accounts.below(&temp()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_another_authority_vouches_for_gets_no_password() {
    let accounts = Accounts::start();
    let other = tempfile::tempdir().unwrap();
    let lessor = configured(&accounts, json!({ "certificate": authority(other.path()) })).await;
    let body = json!({ "username": "legacy", "rotation_period": "1h" });
    let (status, why) = lessor.refused(Request::put("team/ldap/static-role/legacy", body.clone())).await;
    assert!(status == 500 && why.contains("certificate"), "{status} {why}");
    assert!(accounts.accepts(&service("legacy"), "old"));
    let secure = json!({ "certificate": accounts.file("ca.pem"), "url": accounts.secure_url(), "starttls": false });
    lessor.write("team/ldap/config", secure).await;
    lessor.write("team/ldap/static-role/legacy", body).await;
    lessor.write("team/ldap/config", json!({ "bindpass": "wrong" })).await;
    let (status, why) = lessor.refused(Request::put("team/ldap/rotate-role/legacy", json!({}))).await;
    assert!(status == 500 && why.contains("Invalid Credentials") && !why.contains("wrong"), "{status} {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_wants_a_client_certificate_gets_the_configured_one() {
    let accounts = Accounts::verifying("demand");
    let lessor = configured(&accounts, json!({})).await;
    let body = json!({ "username": "legacy", "rotation_period": "1h" });
    assert_eq!(lessor.refused(Request::put("team/ldap/static-role/legacy", body.clone())).await.0, 500);
    let own = json!({ "client_tls_cert": accounts.file("client.pem"), "client_tls_key": accounts.file("client.key") });
    lessor.write("team/ldap/config", own).await;
    lessor.write("team/ldap/static-role/legacy", body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_what_nobody_leases_and_what_somebody_deleted() {
    let accounts = Accounts::start();
    let lessor = configured(&accounts, json!({})).await;
    role(&lessor, "app", "1h", json!({})).await;
    role(&lessor, "told", "1h", json!({ "username_template": "t-{{random 8}}" })).await;
    lessor.read("team/ldap/creds/told").await;
    let gone = lessor.read("team/ldap/creds/app").await;
    accounts.change(&format!("dn: {}\nchangetype: delete\n", login(&gone).0));
    let report = lessor.write("sys/reconcile/team/ldap", json!({})).await;
    assert_eq!(report["data"]["missing"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["data"]["missing"][0]["name"], gone["data"]["username"]);
    assert_eq!(report["data"]["orphans"], json!([]));
    lessor.write("sys/reconcile/team/ldap", json!({ "remove": true })).await;
    // An account with a lease nobody knows any more: the same entry made again by hand.
    let (dn, _) = login(&gone);
    let name = text(&gone, "username");
    accounts.change(&format!("dn: {dn}\nchangetype: add\nobjectClass: person\ncn: {name}\nsn: x\n"));
    let report = lessor.write("sys/reconcile/team/ldap", json!({ "remove": true })).await;
    assert_eq!(report["data"]["orphans"][0]["name"], json!(name), "{report}");
    until("the orphan is gone", Duration::from_secs(5), || accounts.below(&temp()).len() == 1).await;
}
