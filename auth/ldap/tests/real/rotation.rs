//! The bind password's rotation with OpenLDAP's server, step by step as core takes them, and with the directory killed
//! between any two of them.
use super::support::Method;
use super::targets::directory::{Accounts, BASE};
use super::targets::slapd::authority;
use super::{configured, log_in};
use async_trait::async_trait;
use lessor_engine::{PasswordPolicies, Result, Rotation, Secret, Works};
use serde_json::{Value, json};
use std::sync::Arc;

fn own() -> String {
    format!("cn=lessor,{BASE}")
}

fn config(accounts: &Accounts) -> Value {
    json!({
        "url": accounts.url(), "starttls": true, "certificate": accounts.file("ca.pem"), "userattr": "uid",
        "binddn": own(), "bindpass": "first", "userdn": format!("ou=services,{BASE}"), "request_timeout": 5,
        "connection_timeout": 2,
    })
}

async fn plan(method: &Method) -> Rotation {
    method.rotating().plan(&method.cx, "root").await.unwrap()
}

async fn apply(method: &Method, rotation: &Rotation) -> Result<()> {
    method.rotating().apply(&method.cx, rotation).await.map(drop)
}

async fn settle(method: &Method, rotation: &Rotation) -> Result<Works> {
    method.rotating().settle(&method.cx, rotation).await
}

async fn commit(method: &Method, rotation: &Rotation) {
    let changes = method.rotating().commit(&method.cx, rotation).await.unwrap();
    method.cx.view.commit(changes).await.unwrap();
}

fn new_password(rotation: &Rotation) -> String {
    rotation.data["new"].as_str().unwrap().to_owned()
}

async fn works(method: &Method) {
    log_in(method, "legacy", "old").await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn the_new_password_is_the_present_one_once_it_is_proven_and_the_old_one_is_dead() {
    let accounts = Accounts::start();
    let method = configured(&config(&accounts), json!({})).await;
    works(&method).await;
    let rotation = plan(&method).await;
    let new = new_password(&rotation);
    assert!(new.len() == 64 && accounts.accepts(&own(), "first"), "planning tells the directory nothing");
    apply(&method, &rotation).await.unwrap();
    // Between the two phases nobody is kept out.
    works(&method).await;
    method.rotating().verify(&method.cx, &rotation).await.unwrap();
    commit(&method, &rotation).await;
    assert!(accounts.accepts(&own(), &new) && !accounts.accepts(&own(), "first"));
    works(&method).await;
    let read = method.read("config").await;
    assert!(read["last_bind_password_rotation"].is_string() && !read.to_string().contains(&new), "{read}");
}

#[tokio::test]
async fn a_directory_that_dies_in_the_middle_locks_nobody_out() {
    let mut accounts = Accounts::start();
    let method = configured(&config(&accounts), json!({})).await;
    // Before it heard of anything.
    let rotation = plan(&method).await;
    accounts.stop();
    let error = apply(&method, &rotation).await.unwrap_err();
    assert!(error.target_is_down(), "{error}");
    let error = settle(&method, &rotation).await.unwrap_err();
    assert!(error.target_is_down(), "nothing is decided while nobody answers: {error}");
    accounts.resume();
    works(&method).await;
    assert_eq!(settle(&method, &rotation).await.unwrap(), Works::Old);
    works(&method).await;
    // After it took the new one, and before anybody heard so.
    let rotation = plan(&method).await;
    apply(&method, &rotation).await.unwrap();
    accounts.stop();
    let error = method.rotating().verify(&method.cx, &rotation).await.unwrap_err();
    assert!(error.target_is_down(), "{error}");
    assert!(settle(&method, &rotation).await.unwrap_err().target_is_down());
    accounts.resume();
    works(&method).await;
    assert_eq!(settle(&method, &rotation).await.unwrap(), Works::New);
    commit(&method, &rotation).await;
    works(&method).await;
    assert!(accounts.accepts(&own(), &new_password(&rotation)));
}

#[tokio::test]
async fn a_refused_password_changes_nothing() {
    let accounts = Accounts::start();
    let method = configured(&config(&accounts), json!({ "rotation_schema": "racf" })).await;
    let rotation = plan(&method).await;
    let error = apply(&method, &rotation).await.unwrap_err();
    assert!(!error.target_is_down() && error.to_string().contains("Undefined Attribute Type"), "{error}");
    assert_eq!(settle(&method, &rotation).await.unwrap(), Works::Old);
    assert!(accounts.accepts(&own(), "first"));
    works(&method).await;
}

#[tokio::test]
async fn an_operator_who_writes_the_password_meanwhile_has_decided() {
    let accounts = Accounts::start();
    let method = configured(&config(&accounts), json!({})).await;
    let rotation = plan(&method).await;
    apply(&method, &rotation).await.unwrap();
    accounts.change(&format!("dn: {}\nchangetype: modify\nreplace: userPassword\nuserPassword: by-hand\n", own()));
    let error = settle(&method, &rotation).await.unwrap_err();
    assert!(error.to_string().contains("to decide by hand, write bindpass"), "{error}");
    method.write("config", json!({ "bindpass": "by-hand" })).await;
    assert_eq!(settle(&method, &rotation).await.unwrap(), Works::Old);
    works(&method).await;
}

#[tokio::test]
async fn the_new_password_goes_to_nobody_that_another_authority_vouches_for() {
    let accounts = Accounts::start();
    let other = tempfile::tempdir().unwrap();
    let method = configured(&config(&accounts), json!({ "certificate": authority(other.path()) })).await;
    let rotation = plan(&method).await;
    let error = apply(&method, &rotation).await.unwrap_err();
    assert!(error.target_is_down() && error.to_string().contains("certificate"), "{error}");
    assert!(accounts.accepts(&own(), "first"));
}

#[tokio::test]
async fn rotation_url_says_where_it_is_done() {
    let accounts = Accounts::start();
    let elsewhere = json!({ "url": "ldap://127.0.0.1:1", "rotation_url": accounts.url() });
    let method = configured(&config(&accounts), elsewhere).await;
    let rotation = plan(&method).await;
    apply(&method, &rotation).await.unwrap();
    method.rotating().verify(&method.cx, &rotation).await.unwrap();
    assert!(accounts.accepts(&own(), &new_password(&rotation)));
}

struct Policies;

#[async_trait]
impl PasswordPolicies for Policies {
    async fn generate(&self, policy: &str) -> Result<Secret> {
        Ok(Secret::new(format!("made-by-{policy}")))
    }
    async fn bits(&self, _: &str) -> Result<f64> {
        Ok(100.0)
    }
}

#[tokio::test]
async fn a_password_policy_makes_the_password_and_one_that_is_gone_stops_the_rotation() {
    let accounts = Accounts::start();
    let mut method = configured(&config(&accounts), json!({ "password_policy": "strong" })).await;
    let error = method.rotating().plan(&method.cx, "root").await.err().unwrap();
    assert!(error.to_string().contains("failed to generate password"), "{error}");
    method.cx.policies = Arc::new(Policies);
    assert_eq!(new_password(&plan(&method).await), "made-by-strong");
}
