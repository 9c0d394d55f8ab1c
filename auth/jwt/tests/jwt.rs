//! What `jwt` and `oidc` promise to whoever configures them. Logins are proven with real keys and a real provider in
//! `tests/end_to_end`.
#[path = "../../support.rs"]
mod support;
use lessor_auth_jwt::JwtFactory;
use serde_json::{Value, json};
use support::Method;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";

async fn mount() -> Method {
    let method = Method::new(&JwtFactory::jwt());
    method.write("config", json!({ "jwt_validation_pubkeys": KEY, "default_role": "App" })).await;
    method
}

fn role() -> Value {
    json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": "a", "token_policies": "p" })
}

#[tokio::test]
async fn before_it_is_configured_nobody_is_let_in() {
    let method = Method::new(&JwtFactory::oidc());
    for path in ["login", "oidc/auth_url"] {
        let refused = method.refused(path, json!({ "role": "a", "jwt": "x" })).await;
        assert_eq!(refused, (400, "could not load configuration".into()));
    }
}

#[tokio::test]
async fn a_configuration_is_replaced_as_a_whole_and_its_secret_is_not_shown() {
    let method = mount().await;
    let read = method.read("config").await;
    assert_eq!((&read["default_role"], &read["namespace_in_state"]), (&json!("app"), &json!(true)));
    assert!(read.get("oidc_client_secret").is_none());
    method.write("config", json!({ "jwt_validation_pubkeys": KEY })).await;
    assert_eq!(method.read("config").await["default_role"], "");
}

#[tokio::test]
async fn what_is_wrong_with_a_configuration_is_named() {
    let method = mount().await;
    let before = method.read("config").await;
    let nobody = "http://127.0.0.1:1/x";
    for (body, text) in [
        (json!({}), "exactly one of"),
        (json!({ "jwks_url": nobody, "jwt_validation_pubkeys": KEY }), "exactly one of"),
        (json!({ "jwks_pairs": "x" }), "jwks_pairs is a list"),
        (json!({ "jwks_url": nobody }), "error checking jwks URL: http://127.0.0.1:1/x"),
        (json!({ "jwks_url": nobody, "jwks_ca_pem": "x" }), "error checking jwks_ca_pem"),
        (json!({ "oidc_discovery_url": nobody }), "error checking oidc discovery URL"),
        (json!({ "jwt_validation_pubkeys": "x" }), "error parsing public key"),
        (json!({ "jwt_validation_pubkeys": KEY, "jwt_supported_algs": "HS256" }), "unsupported signing algorithm"),
        (json!({ "jwt_validation_pubkeys": KEY, "oidc_client_id": "x" }), "both 'oidc_client_id'"),
        (json!({ "jwt_validation_pubkeys": KEY, "oidc_response_types": "id_token" }), "query response_mode"),
        (json!({ "jwt_validation_pubkeys": KEY, "provider_config": { "provider": "zz" } }), "provider \"zz\""),
    ] {
        let (status, error) = method.refused("config", body).await;
        assert!(status == 400 && error.contains(text), "{status} {error}");
    }
    assert_eq!(method.read("config").await, before);
}

#[tokio::test]
async fn a_role_keeps_what_a_write_does_not_name_and_falls_back_to_oidc() {
    let method = mount().await;
    method.write("role/App", role()).await;
    method.write("role/app", json!({ "role_type": "jwt", "clock_skew_leeway": "-1", "ttl": "1h" })).await;
    let read = method.read("role/APP").await;
    assert_eq!((&read["clock_skew_leeway"], &read["user_claim"]), (&json!(-1), &json!("sub")));
    assert_eq!((&read["ttl"], &read["token_ttl"]), (&json!(3600), &json!(3600)));
    let (status, error) = method.refused("role/app", json!({ "bound_subject": "x" })).await;
    assert!(status == 400 && error.contains("allowed_redirect_uris"), "{error}");
    assert_eq!(method.list("role").await, ["app"]);
}

#[tokio::test]
async fn without_a_provider_nobody_is_sent_to_one() {
    let method = mount().await;
    let web = json!({ "user_claim": "sub", "allowed_redirect_uris": "http://localhost:8250/oidc/callback" });
    method.write("role/web", web).await;
    let begin = json!({ "role": "web", "redirect_uri": "http://localhost:8250/oidc/callback" });
    let refused = method.refused("oidc/auth_url", begin).await;
    assert_eq!(refused, (400, "OIDC login is not configured for this mount".into()));
    let (status, error) = method.refused("oidc/callback", json!({ "state": "9999999999x", "code": "y" })).await;
    assert!(status == 400 && error.contains("Expired or missing OAuth state"), "{error}");
}
