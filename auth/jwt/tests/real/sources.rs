//! Whose keys are believed: the largest curve, certificates of other names, sources that do not answer yet.
use super::others::signer::{Es512, Signer, now};
use super::others::stand_in::StandIn;
use super::{claims, mount};
use lessor_engine::Operation;
use serde_json::{Value, json};

fn role() -> Value {
    json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": "lessor", "token_policies": "p" })
}

#[tokio::test]
async fn a_token_of_the_largest_curve_is_believed_for_its_key_and_where_it_is_allowed() {
    let (signer, stranger, method) = (Es512::new(), Es512::new(), mount());
    method.write("config", json!({ "jwt_validation_pubkeys": signer.public })).await;
    method.write("role/r", role()).await;
    let log_in = async |token: String| method.log_in("login", json!({ "role": "r", "jwt": token })).await;
    assert_eq!(log_in(signer.sign(&claims("i"))).await.unwrap().display_name, "alice");
    for token in [stranger.sign(&claims("i")), format!("{}A", signer.sign(&claims("i")))] {
        let error = log_in(token).await.unwrap_err().to_string();
        assert!(error.contains("no known key successfully validated the token signature"), "{error}");
    }
    let over = json!({ "aud": "lessor", "sub": "alice", "exp": now() - 300 });
    assert!(log_in(signer.sign(&over)).await.unwrap_err().to_string().contains("token is expired"));
    let config = json!({ "jwt_validation_pubkeys": signer.public, "jwt_supported_algs": "ES384" });
    method.write("config", config).await;
    let error = log_in(signer.sign(&claims("i"))).await.unwrap_err().to_string();
    assert!(error.contains("token signed with unexpected algorithm"), "{error}");
    method.write("config", json!({ "jwt_validation_pubkeys": signer.public, "jwt_supported_algs": "ES512" })).await;
    assert!(log_in(signer.sign(&claims("i"))).await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_another_name_is_taken_where_that_name_is_allowed() {
    let signer = Signer::rsa("k");
    let keys = Signer::published(&[&signer]);
    let stand_in = StandIn::start(move |_| (200, keys.clone()))
        .secure_as(&["subjectAltName=DNS:keys.internal,DNS:other.internal", "basicConstraints=critical,CA:FALSE"]);
    let ca = std::fs::read_to_string(stand_in.certificate()).unwrap();
    let method = mount();
    let config = |names: &[&str]| json!({ "jwks_url": stand_in.https, "jwks_ca_pem": ca, "override_allowed_server_names": names });
    for names in [&[][..], &["localhost"], &["evil.internal", "localhost"]] {
        let (status, error) = method.refused("config", config(names)).await;
        assert!(status == 400 && error.contains("error checking jwks URL"), "{names:?} {error}");
    }
    let (status, error) = method.refused("config", config(&["not a name"])).await;
    assert!(status == 400 && error.contains("error checking jwks"), "{error}");
    for names in [&["keys.internal"][..], &["first.internal", "other.internal"]] {
        method.write("config", config(names)).await;
        assert_eq!(method.read("config").await["override_allowed_server_names"], json!(names));
    }
    // Another authority stays another authority.
    let mut untrusted = config(&["keys.internal"]);
    untrusted["jwks_ca_pem"] = json!("");
    assert_eq!(method.refused("config", untrusted).await.0, 400);
    method.write("role/r", role()).await;
    let login = json!({ "role": "r", "jwt": signer.sign(&claims("i")) });
    assert!(method.log_in("login", login).await.is_ok());
}

#[tokio::test]
async fn a_source_that_does_not_answer_yet_is_stored_when_it_may_and_told_as_invalid() {
    let method = mount();
    let nobody = "http://127.0.0.1:1";
    for (body, text) in [
        (json!({ "jwks_url": format!("{nobody}/keys") }), "error checking jwks URL"),
        (json!({ "oidc_discovery_url": nobody }), "error checking oidc discovery URL"),
    ] {
        assert!(method.refused("config", body.clone()).await.1.contains(text));
        let mut unchecked = body;
        unchecked["skip_jwks_validation"] = json!(true);
        let reply = method.reply(Operation::Update, "config", unchecked).await;
        assert!(reply.warnings[0].contains(text), "{:?}", reply.warnings);
        let reply = method.reply(Operation::Read, "config", Value::Null).await;
        assert!(reply.warnings[0].contains("failed to construct JWK validator"), "{:?}", reply.warnings);
        assert_eq!(method.read("config").await["status"], "invalid");
    }
    let wrong = json!({ "jwks_url": nobody, "jwks_ca_pem": "x", "skip_jwks_validation": true });
    assert_eq!(method.refused("config", wrong).await.1, "error checking jwks_ca_pem");
    method.write("config", json!({ "jwt_validation_pubkeys": Signer::rsa("k").public })).await;
    assert_eq!(method.read("config").await["status"], "valid");
}

#[tokio::test]
async fn an_address_with_what_discovery_adds_is_taken_without_it() {
    let signer = Signer::rsa("k");
    let stand_in = super::provider(&signer, |_, _| (404, json!({})));
    let url = format!("{}/.well-known/openid-configuration", stand_in.address);
    let method = mount();
    let reply = method.reply(Operation::Update, "config", json!({ "oidc_discovery_url": url })).await;
    assert!(reply.warnings[0].contains("modifying provided `OIDCDiscoveryURL`"), "{:?}", reply.warnings);
    assert_eq!(method.read("config").await["oidc_discovery_url"], stand_in.address);
}

#[tokio::test]
async fn policies_are_made_of_claims_where_the_role_says_so() {
    let (signer, method) = (Signer::rsa("k"), mount());
    method.write("config", json!({ "jwt_validation_pubkeys": signer.public })).await;
    let policies =
        ["Team-{{ .Team }}", "{{ if eq .sub \"alice\" }}hers{{ end }}", "{{ if eq .sub \"eve\" }}x{{ end }}"];
    let role = super::with(role(), &json!({ "token_policies": policies, "token_policies_template_claims": true }));
    method.write("role/r", role.clone()).await;
    assert_eq!(method.read("role/r").await["token_policies"], json!(policies));
    let log_in =
        async |claims: Value| method.log_in("login", json!({ "role": "r", "jwt": signer.sign(&claims) })).await;
    let mut with_team = claims("i");
    with_team["Team"] = json!("Red");
    assert_eq!(log_in(with_team).await.unwrap().token.policies, ["hers", "team-red"]);
    let error = log_in(claims("i")).await.unwrap_err().to_string();
    assert!(error.contains("failed to template policy [0]"), "{error}");
    let mut wrong = role;
    wrong["token_policies"] = json!(["{{ .x"]);
    let (status, text) = method.refused("role/r", wrong).await;
    assert!(status == 400 && text.contains("failed to parse template policy [0]"), "{text}");
    // Without the flag a brace is a brace.
    method.write("role/r", json!({ "role_type": "jwt", "token_policies_template_claims": false })).await;
    assert_eq!(log_in(claims("i")).await.unwrap().token.policies.len(), 3);
}

#[tokio::test]
async fn what_a_role_says_of_its_callback_is_checked() {
    let method = mount();
    let base = json!({ "user_claim": "sub", "allowed_redirect_uris": "http://x/y" });
    for (more, text) in [
        (json!({ "callback_mode": "zz" }), "invalid 'callback_mode': zz"),
        (json!({ "oauth2_metadata": "id_token,zz" }), "Unrecognized oauth2 metadata name zz"),
        (json!({ "poll_interval": -1 }), "poll_interval must not be negative"),
    ] {
        assert_eq!(method.refused("role/r", super::with(base.clone(), &more)).await, (400, text.to_owned()));
    }
    let more = json!({ "callback_mode": "direct", "poll_interval": 3, "oauth2_metadata": ["id_token"] });
    method.write("role/r", super::with(base.clone(), &more)).await;
    let read = method.read("role/r").await;
    assert_eq!((&read["callback_mode"], &read["poll_interval"]), (&json!("direct"), &json!(3)));
    assert_eq!(read["oauth2_metadata"], json!(["id_token"]));
    // A write that leaves the mode out falls back to the usual one.
    method.write("role/r", json!({ "user_claim": "sub" })).await;
    let read = method.read("role/r").await;
    assert_eq!((&read["callback_mode"], &read["poll_interval"]), (&json!("client"), &json!(3)));
}

#[tokio::test]
async fn extensions_that_nobody_understands_are_not_ignored() {
    let method = mount();
    let body =
        json!({ "jwt_validation_pubkeys": Signer::rsa("k").public, "unsupported_critical_cert_extensions": "1.2.3" });
    let (status, text) = method.refused("config", body).await;
    assert!(status == 400 && text.contains("unsupported_critical_cert_extensions is not offered"), "{text}");
}
