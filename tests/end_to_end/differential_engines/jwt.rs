//! The `jwt` auth method.
use super::Both;
use crate::auth_remote::signer::{Es512, Signer, now};
use crate::targets::openid::OpenId;
use serde_json::{Value, json};

const BEFORE: &str = r#"
POST sys/auth/jwt {"type":"jwt"}
GET auth/jwt/config
LIST auth/jwt/role
GET auth/jwt/role/a
POST auth/jwt/login {}
POST auth/jwt/login {"role":"a","jwt":"x"}
POST auth/jwt/config {}
POST auth/jwt/config {"bound_issuer":"x"}
POST auth/jwt/config {"jwt_validation_pubkeys":"x"}
POST auth/jwt/config {"jwks_url":"http://127.0.0.1:1/x"} ~~ addresses that do not answer ~~ 400 ~~ error checking jwks URL: http://127.0.0.1:1/x
POST auth/jwt/config {"oidc_discovery_url":"http://127.0.0.1:1/x"} ~~ addresses that do not answer ~~ 400 ~~ error checking oidc discovery URL: http://127.0.0.1:1/x/.well-known/openid-configuration
POST auth/jwt/config {"oidc_discovery_url":"http://127.0.0.1:1/x","jwks_url":"http://127.0.0.1:1/x"}
POST auth/jwt/config {"jwks_url":"http://127.0.0.1:1/x","jwks_ca_pem":"x"}
POST auth/jwt/config {"oidc_discovery_url":"http://127.0.0.1:1/x","oidc_discovery_ca_pem":"x"}
DELETE auth/jwt/config
"#;

const ROLES: &str = r#"
POST auth/jwt/role/a {}
POST auth/jwt/role/a {"user_claim":"sub"}
POST auth/jwt/role/a {"role_type":"jwt"}
POST auth/jwt/role/a {"role_type":"jwt","user_claim":"sub"}
POST auth/jwt/role/a {"role_type":"zz","user_claim":"sub"}
POST auth/jwt/role/a {"role_type":"jwt","user_claim":"sub","bound_audiences":"aud"}
GET auth/jwt/role/a
POST auth/jwt/role/a {"role_type":"jwt","user_claim":"sub","bound_audiences":["aud","b"],"bound_claims":{"a":"b","c":[1,"x"]},"claim_mappings":{"email":"mail"},"groups_claim":"groups","clock_skew_leeway":"-1","expiration_leeway":"2m","not_before_leeway":10,"policies":"p,Q","ttl":"1h"}
GET auth/jwt/role/a
GET auth/jwt/role/A
POST auth/jwt/role/a {"role_type":"jwt","token_policies":"r"}
GET auth/jwt/role/a
POST auth/jwt/role/a {"role_type":"jwt","ttl":"2h","max_ttl":"1h"} ~~ one text for the bounds ~~ 400 ~~ 'token_ttl' cannot be greater than 'token_max_ttl'
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_claims":{"a":"x"},"bound_claims_type":"zz"}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_claims":{"a":5},"bound_claims_type":"glob"}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_claims":{"a":"x"},"claim_mappings":{"a":"role"}}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_claims":{"a":"x"},"claim_mappings":{"a":"m","b":"m"}}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_subject":"x","token_type":"zz"}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_subject":"x","token_type":"batch","token_num_uses":3}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","bound_subject":"x","token_ttl":"2h","token_max_ttl":"1h"}
POST auth/jwt/role/b {"role_type":"jwt","user_claim":"sub","token_bound_cidrs":"10.0.0.0/8","token_period":"1h","num_uses":4}
GET auth/jwt/role/b
POST auth/jwt/role/c {"user_claim":"sub","allowed_redirect_uris":"http://x/y"}
GET auth/jwt/role/c
POST auth/jwt/role/c {"user_claim":"sub","allowed_redirect_uris":["http://x/y"],"oidc_scopes":"a,b","max_age":"1m","user_claim_json_pointer":true,"token_policies":"root"}
GET auth/jwt/role/c
POST auth/jwt/role/upper {"role_type":"jwt","user_claim":"sub","bound_subject":"x","token_policies":"Q"}
GET auth/jwt/role/upper ~~ policies in lower case ~~ 200 ~~ "token_policies":["q"]
DELETE auth/jwt/role/upper
POST auth/jwt/role/d {"user_claim":"sub","allowed_redirect_uris":"http://x/y","callback_mode":"zz"}
POST auth/jwt/role/d {"user_claim":"sub","allowed_redirect_uris":"http://x/y","oauth2_metadata":"zz"}
POST auth/jwt/role/d {"user_claim":"sub","callback_mode":"device"}
POST auth/jwt/role/d {"user_claim":"sub","allowed_redirect_uris":"http://x/y","callback_mode":"device","poll_interval":7,"oauth2_metadata":"id_token,access_token","oidc_disable_confirmation":true,"token_policies_template_claims":true,"token_policies":"p"}
GET auth/jwt/role/d
POST auth/jwt/role/d {"user_claim":"sub"}
GET auth/jwt/role/d
DELETE auth/jwt/role/d
POST auth/jwt/role/t {"role_type":"jwt","user_claim":"sub","bound_subject":"x","token_policies_template_claims":true,"token_policies":"A-{{ .Team }}"}
GET auth/jwt/role/t
POST auth/jwt/role/t {"role_type":"jwt","user_claim":"sub","bound_subject":"x","token_policies_template_claims":true,"token_policies":"{{ .x"} ~~ faults of templates ~~ 400 ~~ failed to parse template policy [0]
DELETE auth/jwt/role/t
POST auth/jwt/oidc/poll {} ~~ texts of refusals ~~ 400 ~~ Vault login failed. Expired or missing OAuth state.
POST auth/jwt/oidc/poll {"state":"x","client_nonce":"y"} ~~ texts of refusals ~~ 400 ~~ Vault login failed. Expired or missing OAuth state.
LIST auth/jwt/role
DELETE auth/jwt/role/none
DELETE auth/jwt/role/b
GET auth/jwt/role/b
POST auth/jwt/oidc/auth_url {"role":"c","redirect_uri":"http://x/y"}
POST auth/jwt/login {"role":"a"}
POST auth/jwt/login {"role":"none","jwt":"x"}
POST auth/jwt/login {"role":"c","jwt":"x"}
POST auth/jwt/login {"jwt":"x"} ~~ texts of refusals ~~ 400 ~~ three parts
POST auth/jwt/login {"role":"a","jwt":"x.y.z"} ~~ texts of refusals ~~ 400 ~~ three parts
GET auth/jwt/oidc/callback ~~ texts of refusals ~~ 400 ~~ Vault login failed. Expired or missing OAuth state.
GET auth/jwt/oidc/callback?state=x&code=y ~~ texts of refusals ~~ 400 ~~ Vault login failed. Expired or missing OAuth state.
"#;

fn config(both: &mut Both, more: &Value, public: &str) {
    let mut body = json!({ "jwt_validation_pubkeys": public });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    both.same("POST", "auth/jwt/config", &body.to_string());
}

fn login(both: &mut Both, role: &str, token: &str) {
    both.same("POST", "auth/jwt/login", &json!({ "role": role, "jwt": token }).to_string());
}

fn configurations(both: &mut Both, public: &str) {
    for more in [
        json!({ "jwt_supported_algs": "none" }),
        json!({ "jwt_supported_algs": ["RS256", "zz"] }),
        json!({ "oidc_client_id": "x" }),
        json!({ "oidc_client_id": "x", "oidc_client_secret": "y" }),
        json!({ "oidc_response_mode": "zz" }),
        json!({ "oidc_response_types": "zz" }),
        json!({ "oidc_response_types": "id_token", "oidc_response_mode": "query" }),
        json!({ "oidc_response_types": "id_token", "oidc_response_mode": "form_post" }),
        json!({ "provider_config": { "provider": "zz" } }),
        json!({ "provider_config": { "x": "y" } }),
        json!({ "provider_config": { "provider": 5 } }),
        json!({ "provider_config": { "provider": "azure" } }),
        json!({ "provider_config": { "provider": "ibmisam" } }),
        json!({ "provider_config": { "provider": "secureauth" }, "override_allowed_server_names": "a,b" }),
        json!({ "namespace_in_state": "maybe" }),
        json!({ "namespace_in_state": false, "jwt_supported_algs": "ES256,RS256" }),
    ] {
        config(both, &more, public);
    }
    both.same("GET", "auth/jwt/config", "");
    config(both, &json!({ "provider_config": { "provider": "secureauth" }, "jwt_supported_algs": "ES512" }), public);
    both.same("GET", "auth/jwt/config", "");
    config(both, &json!({ "bound_issuer": "iss", "default_role": "A" }), public);
    both.same("GET", "auth/jwt/config", "");
}

/// Claims that are changed one by one; null takes one away.
fn changes() -> Vec<Value> {
    let now = now();
    vec![
        json!({}),
        json!({ "aud": ["x", "y"] }),
        json!({ "aud": ["x", "aud"] }),
        json!({ "aud": null }),
        json!({ "iss": "x" }),
        json!({ "iss": null }),
        json!({ "exp": now - 600 }),
        json!({ "exp": now - 30 }),
        json!({ "nbf": now + 600 }),
        json!({ "nbf": now + 30 }),
        json!({ "iat": now + 600 }),
        json!({ "iat": now + 600, "nbf": now }),
        json!({ "iat": null, "exp": now + 100 }),
        json!({ "iat": null, "exp": now + 100, "aud": "x" }),
        json!({ "exp": null, "iat": null }),
        json!({ "exp": null, "iat": null, "iss": "x" }),
        json!({ "iat": null }),
        json!({ "exp": null, "iat": now }),
        json!({ "exp": null, "iat": now - 400 }),
        json!({ "exp": null, "iat": null, "nbf": now - 100 }),
        json!({ "team": "z" }),
        json!({ "team": null }),
        json!({ "team": ["z", "b"] }),
        json!({ "team": [] }),
        json!({ "team": 1 }),
        json!({ "deep": null }),
        json!({ "deep": { "x": 1 } }),
        json!({ "flag": false }),
        json!({ "flag": "true" }),
        json!({ "sub": null }),
        json!({ "email": null }),
        json!({ "email": 7 }),
        json!({ "email": ["x"] }),
        json!({ "groups": "solo" }),
        json!({ "groups": 5 }),
        json!({ "groups": [1] }),
        json!({ "groups": null }),
        json!({ "groups": [] }),
        json!({ "aud": "x", "exp": now - 600 }),
        json!({ "iss": "x", "exp": now - 600 }),
        json!({ "iss": "x", "aud": "x" }),
        json!({ "team": "z", "groups": null }),
    ]
}

fn changed(change: &Value) -> Value {
    let mut claims = json!({
        "iss": "iss", "aud": "aud", "sub": "bob", "exp": now() + 300, "iat": now() - 5, "team": "a", "deep": { "x": "1" }, "flag": true,
        "email": "e", "groups": ["g1", "g2"],
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    if let Value::Object(claims) = &mut claims {
        claims.retain(|_, value| !value.is_null());
    }
    claims
}

fn logins(both: &mut Both, signer: &Signer) {
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": "aud", "token_policies": "p", "token_ttl": "1h",
        "bound_claims": { "team": ["a", "b"], "/deep/x": "1", "flag": true }, "groups_claim": "groups",
        "claim_mappings": { "email": "mail", "/deep/x": "dx" }
    });
    both.same("POST", "auth/jwt/role/app", &role.to_string());
    for change in changes() {
        login(both, "app", &signer.sign(&changed(&change)));
    }
    let nameless = json!({ "role": "app", "jwt": signer.sign(&changed(&json!({ "sub": "" }))) }).to_string();
    both.differs("texts of refusals", ("POST", "auth/jwt/login", &nameless), 400, "could not be converted to string");
    let (good, stranger) = (changed(&json!({})), Signer::rsa("k1"));
    for token in [stranger.sign(&good), signer.unsigned(&good), signer.confused(&good), Signer::ec("k1").sign(&good)] {
        login(both, "app", &token);
    }
    for (role, change) in [
        (json!({ "bound_subject": "bob" }), json!({})),
        (json!({ "bound_subject": "bob" }), json!({ "aud": null })),
        (json!({ "bound_subject": "eve" }), json!({ "aud": null })),
        (
            json!({ "bound_claims": { "team": "a*" }, "bound_claims_type": "glob" }),
            json!({ "aud": null, "team": "abc" }),
        ),
        (json!({ "bound_claims": { "team": "a*" }, "bound_claims_type": "glob" }), json!({ "aud": null, "team": "b" })),
        (
            json!({ "bound_subject": "bob", "user_claim": "/deep/x", "user_claim_json_pointer": true }),
            json!({ "aud": null }),
        ),
        (json!({ "bound_subject": "bob", "user_claim": "/deep/x" }), json!({ "aud": null })),
        (json!({ "bound_subject": "bob", "user_claim": "flag" }), json!({ "aud": null })),
        (json!({ "bound_subject": "bob", "token_policies": "root" }), json!({ "aud": null })),
        (json!({ "token_bound_cidrs": "10.0.0.0/8" }), json!({ "aud": null })),
        (json!({ "token_bound_cidrs": "127.0.0.1" }), json!({ "aud": null })),
        (json!({ "bound_subject": "bob", "token_type": "batch" }), json!({ "aud": null })),
        (json!({ "bound_subject": "bob", "token_num_uses": 3 }), json!({ "aud": null })),
        (json!({ "bound_subject": "bob", "clock_skew_leeway": -1 }), json!({ "aud": null, "exp": now() - 5 })),
        (
            json!({ "bound_subject": "bob", "expiration_leeway": 10 }),
            json!({ "aud": null, "exp": null, "iat": now() - 100 }),
        ),
    ] {
        let mut body = json!({ "role_type": "jwt", "user_claim": "sub" });
        for (name, value) in role.as_object().unwrap() {
            body[name] = value.clone();
        }
        both.same("DELETE", "auth/jwt/role/one", "");
        both.same("POST", "auth/jwt/role/one", &body.to_string());
        login(both, "one", &signer.sign(&changed(&change)));
    }
}

/// Policies that are made of claims.
fn templates(both: &mut Both, signer: &Signer) {
    for (policies, change) in [
        (json!(["x-{{ .team }}", "y"]), json!({ "aud": null })),
        (json!(["{{ if eq .team \"a\" }}yes{{ end }}", "{{ if eq .team \"b\" }}no{{ end }}"]), json!({ "aud": null })),
        (json!(["{{ .team }}"]), json!({ "aud": null, "team": "root" })),
        (json!(["{{ .deep.x }}", "{{ index .groups 1 }}"]), json!({ "aud": null })),
    ] {
        let role = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_subject": "bob", "token_policies": policies,
            "token_policies_template_claims": true,
        });
        both.same("POST", "auth/jwt/role/made", &role.to_string());
        both.same("GET", "auth/jwt/role/made", "");
        login(both, "made", &signer.sign(&changed(&change)));
    }
    let missing = json!({ "role": "made", "jwt": signer.sign(&changed(&json!({ "aud": null, "groups": null }))) });
    both.differs(
        "faults of templates",
        ("POST", "auth/jwt/login", &missing.to_string()),
        400,
        "failed to template policy",
    );
}

/// Logins on the largest curve.
fn es512(both: &mut Both) {
    let (signer, stranger) = (Es512::new(), Es512::new());
    config(both, &json!({ "bound_issuer": "iss" }), &signer.public);
    for token in [signer.sign(&changed(&json!({}))), stranger.sign(&changed(&json!({})))] {
        login(both, "app", &token);
    }
    config(both, &json!({ "jwt_supported_algs": "RS256" }), &signer.public);
    login(both, "app", &signer.sign(&changed(&json!({}))));
    config(both, &json!({ "jwt_supported_algs": "ES512" }), &signer.public);
    login(both, "app", &signer.sign(&changed(&json!({}))));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_over_a_provider_answer_as_the_peers_do() {
    let mut both = Both::start().await;
    let provider = OpenId::start("http://localhost:8250/oidc/callback");
    both.without(&["auth_url", "state"], &[]);
    both.same("POST", "sys/auth/jwt", r#"{"type":"oidc"}"#);
    let config = json!({
        "oidc_discovery_url": provider.issuer, "oidc_client_id": "lessor", "oidc_client_secret": "client secret:/?",
        "default_role": "tv",
    });
    both.same("POST", "auth/jwt/config", &config.to_string());
    both.same("GET", "auth/jwt/config", "");
    let mut long = config.clone();
    long["oidc_discovery_url"] = json!(format!("{}/.well-known/openid-configuration", provider.issuer));
    both.differs(
        "addresses that are too long",
        ("POST", "auth/jwt/config", &long.to_string()),
        200,
        "modifying provided",
    );
    let nobody = json!({ "oidc_discovery_url": "http://127.0.0.1:1", "skip_jwks_validation": true }).to_string();
    both.differs(
        "addresses that do not answer",
        ("POST", "auth/jwt/config", &nobody),
        200,
        "error checking oidc discovery URL: http://127.0.0.1:1",
    );
    both.same("POST", "auth/jwt/config", &config.to_string());
    for (name, mode) in [("tv", "device"), ("web", "direct"), ("cli", "client")] {
        let role = json!({
            "user_claim": "sub", "allowed_redirect_uris": "http://localhost:8250/oidc/callback", "callback_mode": mode,
            "oidc_scopes": "profile", "groups_claim": "groups", "claim_mappings": { "team": "crew" }, "token_policies": "p",
        });
        both.same("POST", &format!("auth/jwt/role/{name}"), &role.to_string());
        both.same("GET", &format!("auth/jwt/role/{name}"), "");
    }
    both.all(
        r#"
POST auth/jwt/oidc/auth_url {}
POST auth/jwt/oidc/auth_url {"role":"web","redirect_uri":"http://localhost:8250/oidc/callback"}
POST auth/jwt/oidc/auth_url {"role":"web","client_nonce":"n"}
POST auth/jwt/oidc/auth_url {"role":"web","client_nonce":"n","redirect_uri":"http://evil/x"}
POST auth/jwt/oidc/auth_url {"role":"web","client_nonce":"n","redirect_uri":"http://localhost:8250/oidc/callback"}
POST auth/jwt/oidc/auth_url {"role":"cli","client_nonce":"n","redirect_uri":"http://localhost:8250/oidc/callback"}
POST auth/jwt/oidc/auth_url {"role":"cli"}
POST auth/jwt/oidc/auth_url {"client_nonce":"n"}
"#,
    );
    let begin = |both: &mut Both, role: &str| {
        let body = json!({ "role": role, "client_nonce": "n", "redirect_uri": "http://localhost:8250/oidc/callback" });
        let name = format!("state-{role}");
        let parts = [(name.as_str(), "/data/state"), ("url", "/data/auth_url")];
        both.keep_parts(("POST", "auth/jwt/oidc/auth_url", &body.to_string()), &parts).remove(1)
    };
    let poll = |both: &mut Both, role: &str, nonce: &str| {
        let body = format!(r#"{{"state":"$state-{role}","client_nonce":"{nonce}"}}"#);
        both.same_with(("POST", "auth/jwt/oidc/poll"), &body, &body);
    };
    // A person goes to both.
    let urls = begin(&mut both, "tv");
    poll(&mut both, "tv", "n");
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    provider.browse(&urls.0, "alice");
    provider.browse(&urls.1, "alice");
    poll(&mut both, "tv", "n");
    // And refuses both.
    both.forget("state-tv");
    let urls = begin(&mut both, "tv");
    provider.refuse_device(&urls.0, "alice");
    provider.refuse_device(&urls.1, "alice");
    let body = r#"{"state":"$state-tv","client_nonce":"n"}"#;
    both.differs(
        "reasons of providers",
        ("POST", "auth/jwt/oidc/poll", body),
        400,
        "authorization failed: access_denied",
    );
    both.forget("state-tv");
    let _ = begin(&mut both, "tv");
    poll(&mut both, "tv", "another");
    let _ = begin(&mut both, "web");
    poll(&mut both, "web", "n");
    poll(&mut both, "web", "another");
    both.finish(25);
}

#[tokio::test(flavor = "multi_thread")]
async fn jwt_answers_as_the_peer_does() {
    let mut both = Both::start().await;
    let signer = Signer::rsa("k1");
    both.all(BEFORE);
    configurations(&mut both, &signer.public);
    both.all(ROLES);
    logins(&mut both, &signer);
    templates(&mut both, &signer);
    es512(&mut both);
    config(&mut both, &json!({ "jwt_supported_algs": "ES256", "default_role": "app" }), &signer.public);
    login(&mut both, "app", &signer.sign(&changed(&json!({}))));
    both.finish(130);
}
