//! What `userpass` promises to whoever runs it and to whoever logs in.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
#[path = "../../support.rs"]
mod support;
use lessor_auth_userpass::UserpassFactory;
use lessor_engine::Error;
use serde_json::{Value, json};
use support::Method;

const WRONG: &str = "invalid username or password";

async fn mount() -> Method {
    let method = Method::new(&UserpassFactory::default());
    method.write("users/Bob", json!({ "password": "sesame", "token_policies": "B,a", "token_ttl": "20m" })).await;
    method
}

fn password(text: &str) -> Value {
    json!({ "password": text })
}

#[tokio::test]
async fn names_are_the_same_in_every_case() {
    let method = mount().await;
    assert_eq!(method.list("users").await, ["bob"]);
    assert_eq!(method.read("users/BOB").await, method.read("users/bob").await);
    let login = method.log_in("login/bOb", password("sesame")).await.unwrap();
    assert_eq!((login.display_name.as_str(), json!(login.metadata)), ("bob", json!({ "username": "bob" })));
    assert_eq!(login.token.policies, ["a", "b"]);
}

#[tokio::test]
async fn wrong_names_and_passwords_read_the_same_and_only_known_names_count_towards_a_lockout() {
    let method = mount().await;
    let wrong = method.failed("login/bob", password("x")).await;
    assert!(matches!(&wrong, Error::BadCredentials(text) if text == WRONG));
    let unknown = method.failed("login/nobody", password("x")).await;
    assert!(matches!(&unknown, Error::Invalid(text) if text == WRONG));
    assert_eq!(method.refused("login/bob", json!({})).await, (400, "missing password".into()));
}

#[tokio::test]
async fn the_password_is_neither_stored_nor_shown_and_its_hash_is_not_shown() {
    let method = mount().await;
    assert!(!method.storage.text().await.contains("sesame"));
    let shown = method.read("users/bob").await.to_string();
    assert!(!shown.contains("password") && !shown.contains("$2"), "{shown}");
}

#[tokio::test]
async fn a_write_keeps_what_it_does_not_name() {
    let method = mount().await;
    method.write("users/bob", json!({ "token_max_ttl": "2h" })).await;
    let read = method.read("users/bob").await;
    assert_eq!((&read["token_ttl"], &read["token_max_ttl"]), (&json!(1200), &json!(7200)));
    method.log_in("login/bob", password("sesame")).await.unwrap();
    method.write("users/bob/password", password("second")).await;
    method.failed("login/bob", password("sesame")).await;
    method.log_in("login/bob", password("second")).await.unwrap();
    method.write("users/bob/policies", json!({ "policies": "old" })).await;
    assert_eq!(method.read("users/bob").await["policies"], json!(["old"]));
}

#[tokio::test]
async fn a_hash_made_elsewhere_lets_its_password_in() {
    let method = mount().await;
    // "U*U" of the bcrypt test vectors.
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    method.write("users/carol", json!({ "password_hash": hash })).await;
    method.log_in("login/carol", password("U*U")).await.unwrap();
    method.failed("login/carol", password("U*V")).await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let method = mount().await;
    let long = "x".repeat(73);
    for (path, body, status, text) in [
        ("users/new", json!({}), 400, "must provide either password or password_hash"),
        ("users/new", json!({ "password": "a", "password_hash": "b" }), 400, "only one of password or password_hash"),
        ("users/new", json!({ "password_hash": "b" }), 400, "password_hash is not a valid bcrypt hash"),
        ("users/new", json!({ "password": long }), 400, "bcrypt: password length exceeds 72 bytes"),
        ("users/new", json!({ "password": "a", "token_type": "zzz" }), 400, "invalid 'token_type' value \"zzz\""),
        ("users/none/password", json!({ "password": "a" }), 500, "username does not exist"),
        ("users/none/policies", json!({ "token_policies": "a" }), 500, "username does not exist"),
    ] {
        let (got, error) = method.refused(path, body).await;
        assert!(got == status && error.contains(text), "{path}: {got} {error}");
    }
    assert_eq!(method.list("users").await, ["bob"]);
}

#[tokio::test]
async fn a_renewal_needs_the_user_and_the_same_policies() {
    let method = mount().await;
    let login = method.log_in("login/bob", password("sesame")).await.unwrap();
    assert!(method.renew(&login).await.unwrap().same_policies);
    method.delete("users/bob").await;
    let error = method.renew(&login).await.unwrap_err();
    assert!(error.to_string().contains("does not exist during renewal"), "{error}");
}

#[tokio::test]
async fn an_address_outside_is_refused_after_the_password_was_right() {
    let method = mount().await;
    method.write("users/bob", json!({ "token_bound_cidrs": "10.0.0.0/8" })).await;
    assert_eq!(method.refused("login/bob", password("x")).await, (400, WRONG.into()));
    assert_eq!(method.refused("login/bob", password("sesame")).await, (403, "permission denied".into()));
    method.from("10.1.1.1").log_in("login/bob", password("sesame")).await.unwrap();
}
