//! What `approle` promises to whoever runs it and to whoever logs in.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
#[path = "../../support.rs"]
mod support;
use lessor_auth_approle::ApproleFactory;
use lessor_engine::{Error, Operation};
use serde_json::{Value, json};
use std::time::Duration;
use support::Method;

const WRONG: &str = "invalid role or secret ID";

async fn mount(role: Value) -> Method {
    let method = Method::new(&ApproleFactory);
    let mut role = role;
    role["role_id"] = json!("the-role-id");
    method.write("role/app", role).await;
    method
}

async fn secret_id(method: &Method, wanted: Value) -> (String, String) {
    let made = method.write("role/app/secret-id", wanted).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("secret_id"), text("secret_id_accessor"))
}

fn credentials(secret_id: &str) -> Value {
    json!({ "role_id": "the-role-id", "secret_id": secret_id })
}

#[tokio::test(start_paused = true)]
async fn a_login_carries_the_roles_settings_and_the_secret_ids_metadata() {
    let method = mount(json!({ "token_policies": "B,a", "token_ttl": "20m" })).await;
    let (secret, _) = secret_id(&method, json!({ "metadata": "{\"team\":\"web\"}" })).await;
    let login = method.log_in("login", credentials(&secret)).await.unwrap();
    assert_eq!((login.token.policies.clone(), login.token.ttl), (vec!["a".into(), "b".into()], 1200));
    assert_eq!(json!(login.metadata), json!({ "role_name": "app", "team": "web" }));
    assert_eq!(login.alias.as_ref().unwrap().name, "the-role-id");
    let renewed = method.renew(&login).await.unwrap();
    assert!(!renewed.same_policies && renewed.token.ttl == 1200);
    method.delete("role/APP").await;
    let error = method.renew(&login).await.unwrap_err();
    assert!(error.status() == 400 && error.to_string().contains("does not exist during renewal"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn neither_role_ids_in_keys_nor_secret_ids_anywhere_are_stored_in_clear() {
    let method = mount(json!({})).await;
    let (secret, _) = secret_id(&method, json!({})).await;
    let stored = method.storage.text().await;
    assert!(!stored.contains(&secret));
    assert!(stored.lines().all(|line| !line.split(' ').next().unwrap().contains("the-role-id")));
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_refused_alike_and_only_those_of_a_known_role_count_towards_a_lockout() {
    let method = mount(json!({})).await;
    let (secret, _) = secret_id(&method, json!({})).await;
    let wrong = method.failed("login", credentials("nope")).await;
    assert!(matches!(&wrong, Error::BadCredentials(text) if text == WRONG));
    let unknown = method.failed("login", json!({ "role_id": "nobody", "secret_id": secret })).await;
    assert!(matches!(&unknown, Error::Invalid(text) if text == WRONG));
    assert_eq!(method.refused("login", json!({})).await, (400, "missing role_id".into()));
    assert_eq!(method.refused("login", json!({ "role_id": "the-role-id" })).await, (400, "missing secret_id".into()));
}

#[tokio::test]
async fn of_two_logins_that_race_for_the_last_use_one_wins() {
    let method = mount(json!({ "secret_id_num_uses": 5 })).await;
    let (secret, accessor) = secret_id(&method, json!({})).await;
    let logins: Vec<_> = (0..20)
        .map(|_| {
            let (method, secret) = (method.clone(), secret.clone());
            tokio::spawn(async move { method.log_in("login", credentials(&secret)).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for login in logins {
        won += usize::from(login.await.unwrap());
    }
    assert_eq!(won, 5);
    assert!(!method.storage.text().await.contains(&accessor));
}

#[tokio::test]
async fn two_nodes_that_race_for_the_last_use_share_no_lock_and_one_wins() {
    let method = mount(json!({ "secret_id_num_uses": 1 })).await;
    for _ in 0..20 {
        let (secret, _) = secret_id(&method, json!({})).await;
        let mut other = Method::new(&ApproleFactory);
        other.cx = method.cx.clone();
        let (first, second) =
            tokio::join!(method.log_in("login", credentials(&secret)), other.log_in("login", credentials(&secret)));
        assert!(first.is_ok() ^ second.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_id_ends_with_its_ttl_and_leaves_nothing_behind() {
    let method = mount(json!({ "secret_id_ttl": "1h" })).await;
    let (secret, accessor) = secret_id(&method, json!({})).await;
    tokio::time::advance(Duration::from_secs(3599)).await;
    method.log_in("login", credentials(&secret)).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(method.refused("login", credentials(&secret)).await, (400, WRONG.into()));
    let stored = method.storage.text().await;
    assert!(!stored.contains(&accessor) && !stored.contains("/due/"), "{stored}");
}

#[tokio::test(start_paused = true)]
async fn expired_secret_ids_are_cleared_away_without_reading_those_that_live() {
    let method = mount(json!({})).await;
    for _ in 0..300 {
        secret_id(&method, json!({ "ttl": "10m" })).await;
        secret_id(&method, json!({ "ttl": "10h" })).await;
    }
    tokio::time::advance(Duration::from_secs(601)).await;
    method.storage.take();
    let reply = method.reply(Operation::Update, "tidy/secret-id", json!({})).await;
    assert_eq!((reply.status, reply.warnings.len()), (Some(202), 1));
    while method.list("role/app/secret-id").await.len() > 300 {
        tokio::task::yield_now().await;
    }
    let (gets, ..) = method.storage.take();
    assert!(gets < 300 + 400, "{gets} gets");
}

#[tokio::test(start_paused = true)]
async fn deleting_a_role_ends_its_secret_ids_even_for_a_role_of_the_same_name_and_id() {
    let method = mount(json!({})).await;
    let (secret, accessor) = secret_id(&method, json!({})).await;
    method.delete("role/app").await;
    assert!(!method.storage.text().await.contains(&accessor));
    method.write("role/app", json!({ "role_id": "the-role-id" })).await;
    assert_eq!(method.refused("login", credentials(&secret)).await, (400, WRONG.into()));
}

#[tokio::test(start_paused = true)]
async fn secret_ids_keep_within_their_role() {
    let method =
        mount(json!({ "secret_id_num_uses": 3, "secret_id_ttl": "1h", "secret_id_bound_cidrs": "10.0.0.0/8" })).await;
    for (wanted, text) in [
        (json!({ "num_uses": 4 }), "num_uses cannot be higher than the role's secret_id_num_uses"),
        (json!({ "num_uses": 0 }), "num_uses cannot be higher than the role's secret_id_num_uses"),
        (json!({ "num_uses": -1 }), "num_uses cannot be negative"),
        (json!({ "ttl": "2h" }), "ttl cannot be longer than the role's secret_id_ttl"),
        (json!({ "ttl": 0 }), "ttl cannot be longer than the role's secret_id_ttl"),
        (json!({ "cidr_list": "11.0.0.0/8" }), "failed to verify subset relationship between CIDR blocks on the role"),
        (json!({ "cidr_list": "10.0.0.1" }), "failed to validate CIDR blocks: invalid CIDR address: 10.0.0.1"),
        (json!({ "metadata": "nope" }), "failed to parse metadata"),
    ] {
        let (status, error) = method.refused("role/app/secret-id", wanted).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
    assert_eq!(method.refused("role/none/secret-id", json!({})).await, (404, "role \"none\" does not exist".into()));
}

#[tokio::test(start_paused = true)]
async fn an_address_outside_is_refused_and_uses_nothing_up() {
    let method = mount(json!({ "secret_id_num_uses": 1 })).await;
    let (secret, _) = secret_id(&method, json!({ "cidr_list": "10.0.0.0/8" })).await;
    let text = "source address \"127.0.0.1\" unauthorized by CIDR restrictions on the secret ID";
    assert_eq!(method.refused("login", credentials(&secret)).await, (400, text.into()));
    method.from("10.1.2.3").log_in("login", credentials(&secret)).await.unwrap();
    let (secret, _) = secret_id(&method, json!({ "token_bound_cidrs": "10.0.0.0/8" })).await;
    assert_eq!(method.refused("login", credentials(&secret)).await, (403, "permission denied".into()));
    let login = method.from("10.1.2.3").log_in("login", credentials(&secret)).await.unwrap();
    assert_eq!(login.token.bound_cidrs, ["10.0.0.0/8".parse().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn lookups_by_secret_id_and_accessor_tell_the_same_and_unknown_ones_differ() {
    let method = mount(json!({ "secret_id_num_uses": 2, "secret_id_ttl": 60 })).await;
    let reply = method.reply(Operation::Update, "role/app/secret-id", json!({})).await;
    assert!(reply.wrapped_accessor.is_some());
    let (secret, accessor) = secret_id(&method, Value::Null).await;
    let by_secret = method.write("role/app/secret-id/lookup", json!({ "secret_id": secret })).await;
    let by_accessor =
        method.write("role/app/secret-id-accessor/lookup", json!({ "secret_id_accessor": accessor })).await;
    assert_eq!(by_secret, by_accessor);
    assert_eq!(by_secret["expiration_time"], "2026-11-01T00:01:00Z");
    assert_eq!(method.write("role/app/secret-id/lookup", json!({ "secret_id": "x" })).await, Value::Null);
    let unknown = json!({ "secret_id_accessor": "x" });
    for path in ["role/app/secret-id-accessor/lookup", "role/app/secret-id-accessor/destroy"] {
        let (status, text) = method.refused(path, unknown.clone()).await;
        assert!(status == 404 && text.contains("failed to find accessor entry"), "{text}");
    }
    method.write("role/app/secret-id-accessor/destroy", json!({ "secret_id_accessor": accessor })).await;
    assert_eq!(method.write("role/app/secret-id/lookup", json!({ "secret_id": secret })).await, Value::Null);
    method.write("role/app/secret-id/destroy", json!({ "secret_id": secret })).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_id_of_ones_own_choice_is_taken_once() {
    let method = mount(json!({})).await;
    method.write("role/app/custom-secret-id", json!({ "secret_id": "my own", "ttl": 60 })).await;
    let (status, text) = method.refused("role/app/custom-secret-id", json!({ "secret_id": "my own" })).await;
    assert!(status == 400 && text.contains("SecretID is already registered"), "{text}");
    tokio::time::advance(Duration::from_secs(61)).await;
    method.write("role/app/custom-secret-id", json!({ "secret_id": "my own" })).await;
    method.log_in("login", credentials("my own")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_role_needs_a_constraint_and_a_role_id_of_its_own() {
    let method = mount(json!({})).await;
    let (status, text) = method.refused("role/open", json!({ "bind_secret_id": false })).await;
    assert!(status == 400 && text.starts_with("at least one constraint should be enabled on the role"), "{text}");
    let (status, text) = method.refused("role/twin", json!({ "role_id": "the-role-id" })).await;
    assert_eq!((status, text.as_str()), (400, "role_id already in use"));
    method.write("role/app", json!({ "bind_secret_id": false, "secret_id_bound_cidrs": "127.0.0.0/8" })).await;
    method.log_in("login", json!({ "role_id": "the-role-id" })).await.unwrap();
    let elsewhere = method.from("10.0.0.1").refused("login", json!({ "role_id": "the-role-id" })).await;
    assert!(elsewhere.1.contains("unauthorized by CIDR restrictions on the role"), "{elsewhere:?}");
}

#[tokio::test(start_paused = true)]
async fn single_settings_are_read_written_and_reset() {
    let method = mount(json!({})).await;
    for (path, field, value, default) in [
        ("policies", "token_policies", json!(["x"]), json!([])),
        ("secret-id-num-uses", "secret_id_num_uses", json!(7), json!(0)),
        ("secret-id-ttl", "secret_id_ttl", json!(300), json!(0)),
        ("token-ttl", "token_ttl", json!(300), json!(0)),
        ("token-max-ttl", "token_max_ttl", json!(600), json!(0)),
        ("token-num-uses", "token_num_uses", json!(3), json!(0)),
        ("bind-secret-id", "bind_secret_id", json!(true), json!(true)),
        ("bound-cidr-list", "bound_cidr_list", json!(["10.0.0.0/8"]), Value::Null),
        ("secret-id-bound-cidrs", "secret_id_bound_cidrs", json!(["10.0.0.0/8"]), Value::Null),
        ("token-bound-cidrs", "token_bound_cidrs", json!(["10.0.0.0/8"]), json!([])),
        ("period", "token_period", json!(60), json!(0)),
    ] {
        let path = format!("role/app/{path}");
        method.write(&path, json!({ field: value })).await;
        assert_eq!(method.read(&path).await, json!({ field: value }), "{path}");
        method.delete(&path).await;
        assert_eq!(method.read(&path).await, json!({ field: default }), "{path}");
    }
    assert_eq!(method.refused("role/app/token-ttl", json!({})).await, (400, "missing token_ttl".into()));
    method.write("role/app/policies", json!({ "policies": "old" })).await;
    assert_eq!(method.read("role/app/policies").await, json!({ "policies": ["old"], "token_policies": ["old"] }));
    assert_eq!(method.read("role/app/local-secret-ids").await, json!({ "local_secret_ids": false }));
}

#[tokio::test(start_paused = true)]
async fn a_login_takes_three_gets_and_a_commit_only_where_uses_are_counted() {
    let method = mount(json!({})).await;
    let (free, _) = secret_id(&method, json!({})).await;
    let (counted, _) = secret_id(&method, json!({ "num_uses": 9 })).await;
    method.storage.take();
    method.log_in("login", credentials(&free)).await.unwrap();
    assert_eq!(method.storage.take(), (3, 0, 0));
    method.log_in("login", credentials(&counted)).await.unwrap();
    assert_eq!(method.storage.take(), (3, 0, 1));
}
