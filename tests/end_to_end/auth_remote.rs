//! The auth methods that ask somebody else who is logging in, through the HTTP API.
mod aws;
mod azure;
pub mod cluster;
mod gcp;
mod github;
pub mod google;
mod jwt;
mod kubernetes;
mod ldap;
pub mod microsoft;
mod oidc;
pub mod signer;
pub mod stand_in;

use crate::lessor::Lessor;
use lessor_client::{Client, Config, Request, Token};
use serde_json::{Value, json};

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

/// The TTL a renewal gives, up to the next full minute, or what it is refused with.
async fn renewal(lessor: &Lessor, answer: &Value) -> Result<u64, String> {
    let renewed = as_token(lessor, answer).send(Request::put("auth/token/renew-self", json!({}))).await;
    let renewed = renewed.map_err(|error| error.to_string())?.json.unwrap();
    Ok(renewed["auth"]["lease_duration"].as_u64().unwrap().div_ceil(60) * 60)
}

/// The text of a login that is refused with this status.
async fn refused(lessor: &Lessor, path: &str, body: Value, status: u16) -> String {
    let (got, text) = lessor.refused(Request::put(path, body)).await;
    assert_eq!(got, status, "{text}");
    text
}
