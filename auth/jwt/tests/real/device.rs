//! `callback_mode` device: RFC 8628.
use super::others::signer::Signer;
use super::others::stand_in::StandIn;
use super::support::Method;
use super::targets::openid::OpenId;
use super::{claims, decided, mount, poll, provider, with};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const REDIRECT: &str = "http://localhost:8250/oidc/callback";

async fn configured(issuer: &str, secret: &str, more: &Value) -> Method {
    let method = mount();
    let config = json!({
        "oidc_discovery_url": issuer, "oidc_client_id": "lessor", "oidc_client_secret": secret, "default_role": "tv",
    });
    method.write("config", config).await;
    let role = json!({
        "user_claim": "sub", "allowed_redirect_uris": REDIRECT, "callback_mode": "device", "oidc_scopes": "profile",
        "token_policies": "p",
    });
    method.write("role/tv", with(role, more)).await;
    method
}

async fn begin(method: &Method) -> Value {
    method.write("oidc/auth_url", json!({ "client_nonce": "mine" })).await
}

fn state(begun: &Value) -> String {
    begun["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_confirms_the_device_anywhere_and_whoever_began_is_let_in_once() {
    let real = OpenId::start(REDIRECT);
    let more = json!({ "groups_claim": "groups", "bound_claims": { "groups": "admins" } });
    let method = configured(&real.issuer, "client secret:/?", &more).await;
    let begun = begin(&method).await;
    assert_eq!(begun["poll_interval"], "5");
    assert!(begun.get("user_code").is_none(), "the address has the code in it: {begun}");
    let waiting = poll(&method, &state(&begun), "mine").await.unwrap_err();
    assert_eq!((waiting.status(), waiting.to_string()), (400, "authorization_pending".to_owned()));
    // Asked at once again, the provider is left in peace.
    assert_eq!(poll(&method, &state(&begun), "mine").await.unwrap_err().to_string(), "slow_down");
    real.browse(begun["auth_url"].as_str().unwrap(), "alice");
    let login = decided(&method, &state(&begun)).await.unwrap();
    assert_eq!((login.display_name.as_str(), login.groups), ("alice", vec!["admins".to_owned(), "staff".to_owned()]));
    let over = poll(&method, &state(&begun), "mine").await.unwrap_err().to_string();
    assert!(over.contains("Expired or missing OAuth state"), "{over}");
}

#[tokio::test]
async fn who_refuses_the_device_or_is_not_bound_lets_nobody_in() {
    let real = OpenId::start(REDIRECT);
    let more = json!({ "bound_claims": { "groups": "admins" } });
    let method = configured(&real.issuer, "client secret:/?", &more).await;
    let begun = begin(&method).await;
    real.refuse_device(begun["auth_url"].as_str().unwrap(), "alice");
    let refused = decided(&method, &state(&begun)).await.unwrap_err().to_string();
    assert!(refused.starts_with("authorization failed: access_denied"), "{refused}");
    let begun = begin(&method).await;
    real.browse(begun["auth_url"].as_str().unwrap(), "bob");
    let refused = decided(&method, &state(&begun)).await.unwrap_err().to_string();
    assert!(refused.contains("does not match any associated bound claim"), "{refused}");
    // The one answer of the provider is used up.
    assert!(poll(&method, &state(&begun), "mine").await.unwrap_err().to_string().contains("Expired or missing"));
}

#[tokio::test]
async fn the_secret_of_whoever_began_is_needed_from_the_beginning_and_guessed_once() {
    let real = OpenId::start(REDIRECT);
    let method = configured(&real.issuer, "client secret:/?", &json!({})).await;
    let (status, text) = method.refused("oidc/auth_url", json!({})).await;
    assert_eq!((status, text.as_str()), (400, "missing client_nonce"));
    let begun = begin(&method).await;
    assert_eq!(poll(&method, &state(&begun), "guess").await.unwrap_err().to_string(), "invalid client_nonce");
    let over = poll(&method, &state(&begun), "mine").await.unwrap_err().to_string();
    assert!(over.contains("Expired or missing OAuth state"), "{over}");
    // It has no callback.
    let begun = begin(&method).await;
    let fields = json!({ "state": state(&begun), "code": "x", "client_nonce": "mine" });
    let error = method.error(lessor_engine::Operation::Read, "oidc/callback", fields).await;
    assert!(error.0 == 400 && error.1.contains("Expired or missing OAuth state"), "{error:?}");
    for nonsense in ["", "x", "9999999999x", "../config"] {
        let over = poll(&method, nonsense, "mine").await.unwrap_err().to_string();
        assert!(over.contains("Expired or missing OAuth state"), "{nonsense}: {over}");
    }
}

/// A provider whose token endpoint answers these in turn, the last for ever.
fn answering(device: Value, answers: Vec<(u16, Value)>) -> (StandIn, Arc<AtomicUsize>) {
    let (signer, asked) = (Signer::rsa("k"), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let signer = Arc::new(signer);
    let signing = Arc::clone(&signer);
    let stand_in = provider(&signer, move |request, issuer| match request.path.as_str() {
        "/device" => (200, device.clone()),
        _ => {
            let at = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let (status, mut body) = answers[at].clone();
            if status == 200 {
                body = with(json!({ "id_token": signing.sign(&claims(issuer)) }), &body);
            }
            (status, body)
        }
    });
    (stand_in, asked)
}

#[tokio::test]
async fn what_the_provider_says_of_its_device_flow_is_passed_on() {
    let device = json!({ "device_code": "d", "user_code": "AB-CD", "verification_url": "https://x/y", "interval": 9 });
    let wait = |word: &str| (400, json!({ "error": word }));
    let answers = vec![wait("authorization_pending"), wait("slow_down"), (200, json!({ "access_token": "at" }))];
    let (stand_in, _) = answering(device, answers);
    let method = configured(&stand_in.address, "s", &json!({ "oauth2_metadata": "access_token,refresh_token" })).await;
    let begun = begin(&method).await;
    assert_eq!((&begun["auth_url"], &begun["user_code"]), (&json!("https://x/y"), &json!("AB-CD")));
    assert_eq!(begun["poll_interval"], "9");
    for word in ["authorization_pending", "slow_down"] {
        assert_eq!(poll(&method, &state(&begun), "mine").await.unwrap_err().to_string(), word);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let login = poll(&method, &state(&begun), "mine").await.unwrap();
    assert_eq!(login.metadata["oauth2_access_token"], "at");
    assert_eq!(login.metadata["oauth2_refresh_token"], "");
    assert!(!login.alias.unwrap().metadata.contains_key("oauth2_access_token"), "an alias lives longer than a login");
    let asked = stand_in.asked();
    let device = asked.iter().find(|asked| asked.path == "/device").unwrap();
    assert!(
        device.body.contains("client_id=lessor") && device.body.contains("scope=openid+profile"),
        "{}",
        device.body
    );
    assert!(!device.body.contains("secret"), "{}", device.body);
    let token = asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert!(token.body.contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"), "{}", token.body);
}

#[tokio::test]
async fn a_provider_that_fails_in_the_middle_ends_no_login_and_a_refusal_does() {
    let device = json!({ "device_code": "d", "verification_uri": "https://x/y", "user_code": "A" });
    let broken = (503, json!({}));
    let expired = (400, json!({ "error": "expired_token" }));
    let (stand_in, asked) = answering(device, vec![broken, expired]);
    let method = configured(&stand_in.address, "s", &json!({ "poll_interval": 1 })).await;
    let begun = begin(&method).await;
    assert_eq!(begun["poll_interval"], "1");
    let down = poll(&method, &state(&begun), "mine").await.unwrap_err();
    assert!(down.target_is_down(), "{down}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let over = poll(&method, &state(&begun), "mine").await.unwrap_err().to_string();
    assert_eq!(over, "authorization failed: expired_token");
    assert!(poll(&method, &state(&begun), "mine").await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_asks_the_provider() {
    let device = json!({ "device_code": "d", "verification_uri": "https://x/y", "user_code": "A" });
    let (stand_in, asked) = answering(device, vec![(400, json!({ "error": "authorization_pending" }))]);
    let method = configured(&stand_in.address, "s", &json!({})).await;
    let begun = begin(&method).await;
    let state = state(&begun);
    let many = futures(&method, &state).await;
    assert!(many.iter().filter(|text| *text == "slow_down").count() >= 7, "{many:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

async fn futures(method: &Method, state: &str) -> Vec<String> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (method, state) = (method.clone(), state.to_owned());
        tasks.spawn(async move { poll(&method, &state, "mine").await.unwrap_err().to_string() });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn a_provider_without_a_device_flow_is_told_as_such() {
    let signer = Signer::rsa("k");
    let keys = Signer::published(&[&signer]);
    let stand_in = StandIn::start(move |asked| {
        let issuer = format!("http://{}", asked.header("host"));
        let document = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "token_endpoint": issuer });
        (200, if asked.path == "/keys" { keys.clone() } else { document })
    });
    let method = configured(&stand_in.address, "s", &json!({})).await;
    let (status, text) = method.refused("oidc/auth_url", json!({ "client_nonce": "mine" })).await;
    assert!(status == 400 && text.contains("no device auth endpoint url discovered"), "{status} {text}");
}
