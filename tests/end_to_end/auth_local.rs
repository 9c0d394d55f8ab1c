//! `approle`, `userpass` and `cert` through the HTTP API, with the field's own client, and beside the peer.
mod pairs;

use crate::lessor::Lessor;
use crate::targets::tool;
use lessor_client::{Client, Config, Request, Token};
use serde_json::{Value, json};
use std::process::Command;

async fn enabled(kind: &str) -> Lessor {
    let lessor = Lessor::dev().await;
    lessor.write(&format!("sys/auth/{kind}"), json!({ "type": kind })).await;
    lessor
}

fn as_token(lessor: &Lessor, answer: &Value) -> Client {
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let token = Some(Token::new(token));
    Client::new(Config { address: lessor.address.clone(), token, max_retries: 0, ..Config::default() }).unwrap()
}

/// A token works, is renewed, and is refused once it is revoked.
async fn lives_and_ends(lessor: &Lessor, answer: &Value) {
    let client = as_token(lessor, answer);
    client.send(Request::get("auth/token/lookup-self")).await.unwrap();
    let renewed = client.send(Request::put("auth/token/renew-self", json!({}))).await.unwrap().json.unwrap();
    let ttl = |answer: &Value| answer["auth"]["lease_duration"].as_u64().unwrap();
    assert!(ttl(&renewed).abs_diff(ttl(answer)) <= 2);
    client.send(Request::put("auth/token/revoke-self", json!({}))).await.unwrap();
    assert!(client.send(Request::get("auth/token/lookup-self")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_logs_in_with_a_secret_id_until_its_uses_are_up() {
    let lessor = enabled("approle").await;
    let role = json!({ "token_policies": "p", "token_ttl": "20m", "secret_id_num_uses": 2, "role_id": "r" });
    lessor.write("auth/approle/role/app", role).await;
    let made = lessor.write("auth/approle/role/app/secret-id", Value::Null).await;
    let credentials = json!({ "role_id": "r", "secret_id": made["data"]["secret_id"] });
    let answer = lessor.write("auth/approle/login", credentials.clone()).await;
    assert!((1198..=1200).contains(&answer["auth"]["lease_duration"].as_u64().unwrap()));
    assert_eq!(answer["auth"]["metadata"], json!({ "role_name": "app" }));
    lives_and_ends(&lessor, &answer).await;
    let second = lessor.write("auth/approle/login", credentials.clone()).await;
    let refused = lessor.refused(Request::put("auth/approle/login", credentials)).await;
    assert_eq!(refused, (400, "invalid role or secret ID".into()));
    // A token whose role is gone goes on until its TTL, and cannot be renewed.
    lessor.send(Request::delete("auth/approle/role/app")).await.unwrap();
    let client = as_token(&lessor, &second);
    client.send(Request::get("auth/token/lookup-self")).await.unwrap();
    let error = client.send(Request::put("auth/token/renew-self", json!({}))).await.unwrap_err().to_string();
    assert!(error.contains("does not exist during renewal"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_with_a_password_and_other_policies_end_the_renewals() {
    let lessor = enabled("userpass").await;
    let user = json!({ "password": "sesame", "token_policies": "p", "token_ttl": "20m" });
    lessor.write("auth/userpass/users/bob", user).await;
    let answer = lessor.write("auth/userpass/login/Bob", json!({ "password": "sesame" })).await;
    lives_and_ends(&lessor, &answer).await;
    let answer = lessor.write("auth/userpass/login/bob", json!({ "password": "sesame" })).await;
    lessor.write("auth/userpass/users/bob/policies", json!({ "token_policies": "q" })).await;
    let client = as_token(&lessor, &answer);
    let error = client.send(Request::put("auth/token/renew-self", json!({}))).await.unwrap_err().to_string();
    assert!(error.contains("policies have changed, not renewing"), "{error}");
    let (code, text) = lessor.cli(&["login", "-no-store", "-method=userpass", "username=bob", "password=sesame"]);
    assert!(code == 0 && text.contains("token_meta_username"), "{code} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_lock_even_the_right_one_out() {
    let lessor = enabled("userpass").await;
    lessor.write("auth/userpass/users/bob", json!({ "password": "sesame" })).await;
    for _ in 0..5 {
        lessor.refused(Request::put("auth/userpass/login/bob", json!({ "password": "x" }))).await;
    }
    let locked = lessor.refused(Request::put("auth/userpass/login/bob", json!({ "password": "sesame" }))).await;
    assert_eq!(locked, (403, "permission denied".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_client_certificate_nobody_is_let_in() {
    let lessor = enabled("cert").await;
    let refused = lessor.refused(Request::put("auth/cert/login", json!({}))).await;
    assert_eq!(refused, (400, "no client certificate found".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn hvac_logs_in_with_both() {
    let python = tool("hvac-2", "python");
    let lessor = Lessor::dev().await;
    let script = r#"
import hvac, os
c = hvac.Client(url=os.environ['VAULT_ADDR'], token='root')
c.sys.enable_auth_method('approle')
c.auth.approle.create_or_update_approle('app', token_policies=['default'], token_ttl='10m', secret_id_num_uses=2)
role = c.auth.approle.read_role_id('app')['data']['role_id']
made = c.auth.approle.generate_secret_id('app', metadata={'team': 'web'})['data']
assert c.auth.approle.read_secret_id('app', made['secret_id'])['data']['metadata'] == {'team': 'web'}
assert c.auth.approle.list_secret_id_accessors('app')['data']['keys'] == [made['secret_id_accessor']]
login = hvac.Client(url=os.environ['VAULT_ADDR']).auth.approle.login(role, made['secret_id'])
assert login['auth']['metadata'] == {'role_name': 'app', 'team': 'web'}, login
wrapped = c.auth.approle.generate_secret_id('app', wrap_ttl='1m')
assert wrapped['wrap_info']['creation_path'] == 'auth/approle/role/app/secret-id', wrapped
inner = c.sys.unwrap(wrapped['wrap_info']['token'])['data']
hvac.Client(url=os.environ['VAULT_ADDR']).auth.approle.login(role, inner['secret_id'])
c.auth.approle.destroy_secret_id('app', inner['secret_id'])
c.sys.enable_auth_method('userpass')
c.auth.userpass.create_or_update_user('bob', password='sesame', policies='default')
assert c.auth.userpass.list_user()['data']['keys'] == ['bob']
u = hvac.Client(url=os.environ['VAULT_ADDR'])
u.auth.userpass.login('bob', 'sesame')
assert u.is_authenticated()
c.auth.userpass.update_password_on_user('bob', 'second')
try:
    u.auth.userpass.login('bob', 'sesame')
    raise SystemExit('the old password works')
except hvac.exceptions.InvalidRequest as error:
    assert 'invalid username or password' in str(error), error
"#;
    let output = Command::new(python).args(["-c", script]).env("VAULT_ADDR", &lessor.address).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
