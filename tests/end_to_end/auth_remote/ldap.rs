//! `ldap` with OpenLDAP's server, which takes passwords over TLS only.
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use crate::targets::directory::{Accounts, BASE};
use crate::targets::slapd::{Slapd, authority};
use lessor_client::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn configured(slapd: &Slapd, more: Value) -> Lessor {
    let lessor = enabled("ldap").await;
    let mut config = json!({
        "url": slapd.url(), "starttls": true, "certificate": slapd.authority(), "token_ttl": "20m",
        "binddn": "cn=searcher,dc=example,dc=com", "bindpass": "searching", "userattr": "uid",
        "userdn": "ou=people,dc=example,dc=com", "groupdn": "ou=groups,dc=example,dc=com",
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    lessor.write("auth/ldap/config", config).await;
    lessor.write("auth/ldap/groups/dev", json!({ "policies": "builders" })).await;
    lessor.write("auth/ldap/groups/here", json!({ "policies": "locals" })).await;
    lessor.write("auth/ldap/users/alice", json!({ "policies": "hers", "groups": "here" })).await;
    lessor
}

fn password(text: &str) -> Value {
    json!({ "password": text })
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_with_their_password_and_their_groups_have_policies() {
    let slapd = Slapd::start();
    let lessor = configured(&slapd, json!({})).await;
    let answer = lessor.write("auth/ldap/login/Alice", password("sesame")).await;
    assert_eq!(answer["auth"]["policies"], json!(["builders", "default", "hers", "locals"]));
    assert_eq!(answer["auth"]["metadata"], json!({ "username": "alice" }));
    lives_and_ends(&lessor, &answer).await;
    let answer = lessor.write("auth/ldap/login/bob", password("open")).await;
    assert_eq!(answer["auth"]["policies"], json!(["default"]));
    let read = lessor.read("auth/ldap/config").await;
    assert!(read["data"].get("bindpass").is_none() && read["data"]["binddn"] != "");
    let (code, text) = lessor.cli(&["login", "-no-store", "-method=ldap", "username=alice", "password=sesame"]);
    assert!(code == 0 && text.contains("token_meta_username"), "{code} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_names_and_filters_in_names_are_refused_alike() {
    let slapd = Slapd::start();
    let lessor = configured(&slapd, json!({})).await;
    for (path, text) in [("bob", "x"), ("nobody", "open"), ("*", "open"), ("b*", "open"), ("bob)(uid=*", "open")] {
        let error = refused(&lessor, &format!("auth/ldap/login/{path}"), password(text), 400).await;
        assert_eq!(error, "ldap operation failed: failed to bind as user", "{path}");
    }
    let error = refused(&lessor, "auth/ldap/login/alice", password(""), 400).await;
    assert!(error.contains("password cannot be of zero length"), "{error}");
    // Without an account that searches, names are put together, and cannot leave their place.
    let own = json!({ "binddn": "", "bindpass": "" });
    lessor.write("auth/ldap/config", own).await;
    lessor.write("auth/ldap/login/alice", password("sesame")).await;
    refused(&lessor, "auth/ldap/login/alice,ou=people", password("sesame"), 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_lock_even_the_right_one_out() {
    let slapd = Slapd::start();
    let lessor = configured(&slapd, json!({})).await;
    for _ in 0..5 {
        refused(&lessor, "auth/ldap/login/bob", password("x"), 400).await;
    }
    refused(&lessor, "auth/ldap/login/BOB", password("open"), 403).await;
    lessor.write("auth/ldap/login/alice", password("sesame")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_asks_the_directory_again() {
    let slapd = Slapd::start();
    let lessor = configured(&slapd, json!({})).await;
    let answer = lessor.write("auth/ldap/login/alice", password("sesame")).await;
    lessor.write("auth/ldap/config", json!({ "token_ttl": "5m" })).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(300));
    slapd.change("dn: cn=Dev,ou=groups,dc=example,dc=com\nchangetype: delete\n");
    let error = renewal(&lessor, &answer).await.unwrap_err();
    assert!(error.contains("policies have changed, not renewing"), "{error}");
    let answer = lessor.write("auth/ldap/login/alice", password("sesame")).await;
    slapd.change("dn: uid=alice,ou=people,dc=example,dc=com\nchangetype: delete\n");
    let error = renewal(&lessor, &answer).await.unwrap_err();
    assert!(error.contains("failed to bind as user"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_searches_a_renewal_needs_the_password_that_is_current() {
    let slapd = Slapd::start();
    let lessor = configured(&slapd, json!({ "binddn": "", "bindpass": "" })).await;
    let answer = lessor.write("auth/ldap/login/bob", password("open")).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    slapd.change(
        "dn: uid=bob,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: userPassword\nuserPassword: other\n",
    );
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("failed to bind as user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_another_authority_vouches_for_or_that_is_down_gets_no_password() {
    let slapd = Slapd::start();
    let other = tempfile::tempdir().unwrap();
    let lessor = configured(&slapd, json!({ "certificate": authority(other.path()) })).await;
    let error = refused(&lessor, "auth/ldap/login/alice", password("sesame"), 500).await;
    assert!(error.contains("failed to connect") && error.contains("certificate"), "{error}");
    // Plain text: the directory itself wants TLS.
    let plain = json!({ "certificate": slapd.authority(), "starttls": false });
    lessor.write("auth/ldap/config", plain).await;
    let error = refused(&lessor, "auth/ldap/login/alice", password("sesame"), 400).await;
    assert!(error.contains("confidentiality required"), "{error}");
    // The second address is tried where the first does not answer.
    let two = json!({ "starttls": true, "url": format!("ldap://127.0.0.1:1,{}", slapd.url()) });
    lessor.write("auth/ldap/config", two).await;
    lessor.write("auth/ldap/login/alice", password("sesame")).await;
    let url = slapd.url();
    drop(slapd);
    let error = refused(&lessor, "auth/ldap/login/alice", password("sesame"), 500).await;
    assert!(error.contains(&format!("failed to connect to {url}")), "{error}");
}

async fn rotating(accounts: &Accounts, more: Value) -> Lessor {
    let lessor = enabled("ldap").await;
    let mut config = json!({
        "url": accounts.url(), "starttls": true, "certificate": accounts.file("ca.pem"), "userattr": "uid",
        "binddn": format!("cn=lessor,{BASE}"), "bindpass": "first", "userdn": format!("ou=services,{BASE}"),
        "request_timeout": 5,
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    lessor.write("auth/ldap/config", config).await;
    lessor
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done().await {
        assert!(Instant::now() < end, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_killed_while_its_bind_password_is_rotated_locks_nobody_out() {
    let mut accounts = Accounts::start();
    let lessor = rotating(&accounts, json!({})).await;
    lessor.write("auth/ldap/config/rotate-root", json!({})).await;
    assert!(!accounts.accepts(&format!("cn=lessor,{BASE}"), "first"));
    for round in 0..6_u64 {
        let rotation = lessor.send(Request::put("auth/ldap/config/rotate-root", json!({})));
        let kill = async {
            tokio::time::sleep(Duration::from_millis(5 * round)).await;
            accounts.stop();
        };
        let _ = tokio::join!(rotation, kill);
        accounts.resume();
        // Nobody has to wait for the rotation to be decided.
        lessor.write("auth/ldap/login/legacy", password("old")).await;
        let rotate = async || lessor.send(Request::put("auth/ldap/config/rotate-root", json!({}))).await.is_ok();
        until("it is rotated again", rotate).await;
        lessor.write("auth/ldap/login/legacy", password("old")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bind_password_is_rotated_by_schedule_with_a_policy() {
    let accounts = Accounts::start();
    let lessor = rotating(&accounts, json!({})).await;
    let policy = json!({ "policy": "length = 24\nrule \"charset\" { charset = \"xyz\" }" });
    lessor.write("sys/policies/password/letters", policy).await;
    lessor.write("auth/ldap/config", json!({ "password_policy": "letters", "rotation_period": 10 })).await;
    until("the old password is dead", async || !accounts.accepts(&format!("cn=lessor,{BASE}"), "first")).await;
    lessor.write("auth/ldap/login/legacy", password("old")).await;
    let read = lessor.read("auth/ldap/config").await;
    assert!(read["data"]["last_bind_password_rotation"].is_string(), "{read}");
}
