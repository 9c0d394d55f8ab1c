//! `jwt`: tokens that a provider signed, its keys given by hand or published.
use super::signer::{Signer, now};
use super::stand_in::StandIn;
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use lessor_client::Request;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn claims() -> Value {
    json!({ "iss": "https://ci", "aud": "lessor", "sub": "job:7", "iat": now(), "exp": now() + 300, "project": "blue", "groups": ["dev"] })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

async fn role(lessor: &Lessor, more: Value) {
    let mut role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": "lessor", "token_policies": "p",
        "token_ttl": "20m", "bound_claims": { "project": ["blue", "green"] }, "claim_mappings": { "project": "team" },
        "groups_claim": "groups",
    });
    for (name, value) in more.as_object().unwrap() {
        role[name] = value.clone();
    }
    lessor.write("auth/jwt/role/ci", role).await;
}

fn login(token: &str) -> Value {
    json!({ "role": "ci", "jwt": token })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_configured_key_signed_lets_in_and_no_other_does() {
    let (lessor, signer, stranger) = (enabled("jwt").await, Signer::rsa("k1"), Signer::rsa("k1"));
    let config = json!({ "jwt_validation_pubkeys": signer.public, "bound_issuer": "https://ci" });
    lessor.write("auth/jwt/config", config).await;
    role(&lessor, json!({})).await;
    let answer = lessor.write("auth/jwt/login", login(&signer.sign(&claims()))).await;
    assert_eq!(answer["auth"]["metadata"], json!({ "role": "ci", "team": "blue" }));
    assert_eq!(answer["auth"]["policies"], json!(["default", "p"]));
    lives_and_ends(&lessor, &answer).await;
    let signature = "error verifying token signature: no known key";
    for (token, text) in [
        (stranger.sign(&claims()), signature),
        (signer.unsigned(&claims()), signature),
        (signer.confused(&claims()), signature),
        (format!("{}x", signer.sign(&claims())), signature),
        (signer.sign(&with("aud", json!("other"))), "invalid audience (aud) claim"),
        (signer.sign(&with("aud", Value::Null)), "invalid audience (aud) claim"),
        (signer.sign(&with("exp", json!(now() - 90))), "token is expired"),
        (signer.sign(&with("nbf", json!(now() + 90))), "token not yet valid"),
        (signer.sign(&with("iss", json!("https://other"))), "invalid issuer (iss) claim"),
        (signer.sign(&with("project", json!("red"))), "claim \"project\" does not match"),
        (signer.sign(&with("project", Value::Null)), "claim \"project\" is missing"),
        (signer.sign(&with("sub", Value::Null)), "claim \"sub\" not found in token"),
        ("nonsense".to_owned(), "error verifying token signature"),
        (String::new(), "missing token"),
    ] {
        let error = refused(&lessor, "auth/jwt/login", login(&token), 400).await;
        assert!(error.contains(text), "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_reads_the_role_again_and_fails_without_it() {
    let (lessor, signer) = (enabled("jwt").await, Signer::ec("k1"));
    lessor.write("auth/jwt/config", json!({ "jwt_validation_pubkeys": signer.public })).await;
    role(&lessor, json!({})).await;
    let answer = lessor.write("auth/jwt/login", login(&signer.sign(&claims()))).await;
    role(&lessor, json!({ "token_ttl": "5m" })).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(300));
    lessor.send(Request::delete("auth/jwt/role/ci")).await.unwrap();
    let error = renewal(&lessor, &answer).await.unwrap_err();
    assert!(error.contains("role ci does not exist during renewal"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_fetched_when_a_token_names_it_and_not_for_every_token() {
    let (first, second) = (Signer::rsa("first"), Signer::ec("second"));
    let published = Arc::new(Mutex::new(Signer::published(&[&first])));
    let now_published = Arc::clone(&published);
    let provider = StandIn::start(move |_| (200, now_published.lock().unwrap().clone()));
    let lessor = enabled("jwt").await;
    lessor.write("auth/jwt/config", json!({ "jwks_url": format!("{}/keys", provider.address) })).await;
    role(&lessor, json!({})).await;
    lessor.write("auth/jwt/login", login(&first.sign(&claims()))).await;
    let asked = provider.asked().len();
    lessor.write("auth/jwt/login", login(&first.sign(&claims()))).await;
    assert_eq!(provider.asked().len(), asked, "the keys are kept");
    *published.lock().unwrap() = Signer::published(&[&first, &second]);
    // Unknown keys are asked for once in a while, however many tokens name one.
    for _ in 0..20 {
        refused(&lessor, "auth/jwt/login", login(&Signer::sign(&second, &claims())), 400).await;
    }
    assert!(provider.asked().len() <= asked + 1, "{} requests", provider.asked().len());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while lessor.send(Request::put("auth/jwt/login", login(&second.sign(&claims())))).await.is_err() {
        assert!(std::time::Instant::now() < end, "the new key is never fetched");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_answer_is_told_as_such_and_changes_nothing() {
    let lessor = enabled("jwt").await;
    let error = refused(&lessor, "auth/jwt/config", json!({ "jwks_url": "http://127.0.0.1:1/keys" }), 400).await;
    assert!(error.contains("error checking jwks URL") && error.contains("Connection refused"), "{error}");
    let unchecked = json!({ "jwks_url": "http://127.0.0.1:1/keys", "skip_jwks_validation": true });
    lessor.write("auth/jwt/config", unchecked).await;
    role(&lessor, json!({})).await;
    let error = refused(&lessor, "auth/jwt/login", login(&Signer::rsa("k").sign(&claims())), 500).await;
    assert!(error.contains("the keys of the provider cannot be fetched: http://127.0.0.1:1/keys"), "{error}");
}
