//! `provider_config`: providers with ways of their own, as stand-ins of Microsoft Graph and Google's Directory API.
use super::others::signer::Signer;
use super::others::stand_in::{Asked, StandIn};
use super::support::Method;
use super::{claims, mount, poll, provider, with};
use lessor_engine::{Login, Result};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const REDIRECT: &str = "http://localhost:8250/oidc/callback";

/// Logs in by the device flow, which needs no browser: the provider gives this id token at once.
async fn log_in(method: &Method) -> Result<Login> {
    let begun = method.write("oidc/auth_url", json!({ "client_nonce": "mine" })).await;
    poll(method, begun["state"].as_str().unwrap(), "mine").await
}

async fn configured(issuer: &str, custom: Value, role: &Value) -> Method {
    let method = mount();
    let config = json!({
        "oidc_discovery_url": issuer, "oidc_client_id": "lessor", "oidc_client_secret": "s", "default_role": "r",
        "provider_config": custom,
    });
    method.write("config", config).await;
    let base = json!({
        "user_claim": "sub", "allowed_redirect_uris": REDIRECT, "callback_mode": "device", "groups_claim": "groups",
        "token_policies": "p",
    });
    method.write("role/r", with(base, role)).await;
    method
}

/// A provider that gives tokens with these claims, and answers other paths as `more` says.
fn giving(own: Value, more: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> StandIn {
    let signer = Arc::new(Signer::rsa("k"));
    let signing = Arc::clone(&signer);
    provider(&signer, move |asked, issuer| match asked.path.as_str() {
        "/device" => (200, json!({ "device_code": "d", "user_code": "u", "verification_uri": "https://x" })),
        "/token" => {
            let text = own.to_string().replace("ISSUER", issuer);
            let claims = with(claims(issuer), &serde_json::from_str(&text).unwrap());
            (200, json!({ "id_token": signing.sign(&claims), "access_token": "persons-token" }))
        }
        _ => more(asked),
    })
}

fn overage(source: &str) -> Value {
    json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": source } } })
}

#[tokio::test]
async fn whoever_is_in_too_many_groups_has_those_that_the_graph_tells_of() {
    let members = |asked: &Asked| {
        assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", "Bearer persons-token"));
        assert_eq!(asked.json(), json!({ "securityEnabledOnly": false }));
        (200, json!({ "value": ["g1", "g2"] }))
    };
    let stand_in = giving(overage("ISSUER/v1.0/users/u/getMemberObjects"), members);
    let bound = json!({ "bound_claims": { "groups": "g2" } });
    let method = configured(&stand_in.address, json!({ "provider": "azure" }), &bound).await;
    assert_eq!(log_in(&method).await.unwrap().groups, ["g1", "g2"]);
    assert_eq!(method.read("config").await["provider_config"], json!({ "provider": "azure" }));
}

#[tokio::test]
async fn a_graph_that_refuses_is_down_or_is_nobodys_lets_nobody_in() {
    for (source, status, down, text) in [
        ("ISSUER/x", 403, false, "Microsoft Graph refuses: status 403"),
        ("ISSUER/x", 503, true, "status 503"),
        ("https://evil.example/x", 200, false, "which is no Microsoft Graph"),
    ] {
        let stand_in = giving(overage(source), move |_| (status, json!({ "value": [] })));
        let method = configured(&stand_in.address, json!({ "provider": "azure" }), &json!({})).await;
        let error = log_in(&method).await.unwrap_err();
        assert!(error.target_is_down() == down && error.to_string().contains(text), "{text}: {error}");
    }
    let stand_in = giving(json!({}), |_| (500, json!({})));
    let method = configured(&stand_in.address, json!({ "provider": "azure" }), &json!({})).await;
    let error = log_in(&method).await.unwrap_err().to_string();
    assert!(error.contains("unable to locate groups claim \"groups\" in _claim_names"), "{error}");
}

#[tokio::test]
async fn a_token_alone_cannot_ask_the_graph() {
    let (signer, method) = (Signer::rsa("k"), mount());
    let config = json!({ "jwt_validation_pubkeys": signer.public, "provider_config": { "provider": "azure" } });
    method.write("config", config).await;
    let role =
        json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": "lessor", "groups_claim": "groups" });
    method.write("role/r", role).await;
    let claims = with(claims("i"), &overage("https://graph.microsoft.com/v1.0/x"));
    let (status, text) = method.refused("login", json!({ "role": "r", "jwt": signer.sign(&claims) })).await;
    assert!(status == 400 && text.contains("token unavailable to call Microsoft Graph API"), "{status} {text}");
}

#[tokio::test]
async fn groups_in_one_text_are_told_apart() {
    for (kind, text) in [("secureauth", "a,b"), ("ibmisam", "a b")] {
        let stand_in = giving(json!({ "groups": text }), |_| (500, json!({})));
        let method = configured(&stand_in.address, json!({ "provider": kind }), &json!({})).await;
        assert_eq!(log_in(&method).await.unwrap().groups, ["a", "b"], "{kind}");
        let stand_in = giving(json!({ "groups": text }), |_| (500, json!({})));
        let method = configured(&stand_in.address, json!({}), &json!({})).await;
        assert_eq!(log_in(&method).await.unwrap().groups, [text], "without {kind}");
    }
}

/// Google: tokens for signed statements, groups in pages and in groups, facts about one person.
fn google(statements: Arc<Mutex<Vec<Value>>>) -> StandIn {
    StandIn::start(move |asked| {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        if path == "/token" {
            let statement = asked.body.split_once("assertion=").unwrap().1;
            statements.lock().unwrap().push(Signer::claims(statement));
            return (200, json!({ "access_token": "google", "expires_in": 3600 }));
        }
        if asked.header("authorization") != "Bearer google" {
            return (401, json!({}));
        }
        let groups = |names: &[&str]| json!(names.iter().map(|name| json!({ "email": name })).collect::<Vec<_>>());
        let answer = match path {
            "/admin/directory/v1/groups" if query.contains("userKey=alice&") && query.contains("pageToken=2") => {
                json!({ "groups": groups(&["b@x"]) })
            }
            "/admin/directory/v1/groups" if query.contains("userKey=alice&") => {
                json!({ "groups": groups(&["a@x"]), "nextPageToken": "2" })
            }
            "/admin/directory/v1/groups" if query.contains("userKey=a%40x") => {
                json!({ "groups": groups(&["c@x", "b@x"]) })
            }
            "/admin/directory/v1/groups" if query.contains("userKey=c%40x") => {
                json!({ "groups": groups(&["d@x", "a@x"]) })
            }
            "/admin/directory/v1/groups" => json!({}),
            "/admin/directory/v1/users/alice" => {
                json!({ "customSchemas": { "Job": { "level": "high" }, "sub": "eve", "iss": "x" } })
            }
            _ => return (404, json!({})),
        };
        (200, answer)
    })
}

fn account(google: &StandIn) -> String {
    let key = Signer::rsa("gk").private;
    let token_uri = format!("{}/token", google.address);
    json!({ "type": "service_account", "client_email": "sa@x", "private_key": key, "token_uri": token_uri }).to_string()
}

#[tokio::test]
async fn google_tells_of_groups_in_groups_and_of_facts_about_people() {
    let statements = Arc::new(Mutex::new(Vec::new()));
    let google = google(Arc::clone(&statements));
    let stand_in = giving(json!({}), |_| (500, json!({})));
    let custom = |depth: u32| {
        json!({
            "provider": "gsuite", "gsuite_service_account": account(&google), "gsuite_admin_impersonate": "admin@x",
            "fetch_groups": true, "fetch_user_info": true, "user_custom_schemas": "Job", "domain": "x",
            "groups_recurse_max_depth": depth, "custom_endpoint": google.address,
        })
    };
    let role = json!({ "claim_mappings": { "/Job/level": "level" }, "bound_claims": { "groups": "b@x" } });
    for (depth, groups) in
        [(0, vec!["a@x", "b@x"]), (1, vec!["a@x", "b@x", "c@x"]), (5, vec!["a@x", "b@x", "c@x", "d@x"])]
    {
        let method = configured(&stand_in.address, custom(depth), &role).await;
        let login = log_in(&method).await.unwrap();
        assert_eq!(login.groups, groups, "{depth}");
        assert_eq!((login.metadata["level"].as_str(), login.display_name.as_str()), ("high", "alice"));
        let read = method.read("config").await["provider_config"].clone();
        assert!(read.get("gsuite_service_account").is_none() && read["domain"] == "x", "{read}");
    }
    let statement = statements.lock().unwrap()[0].clone();
    assert_eq!((&statement["iss"], &statement["sub"]), (&json!("sa@x"), &json!("admin@x")));
    let scope = statement["scope"].as_str().unwrap();
    assert!(
        scope.contains("admin.directory.group.readonly") && scope.contains("admin.directory.user.readonly"),
        "{scope}"
    );
    let asked = google.asked();
    assert!(asked.iter().any(|asked| asked.path.contains("domain=x")));
    assert!(
        asked
            .iter()
            .any(|asked| asked.path.contains("projection=custom") && asked.path.contains("customFieldMask=Job"))
    );
    // One access token serves all questions of a mount.
    assert_eq!(google.count("/token"), 3);
}

#[tokio::test]
async fn names_that_mean_something_to_google_are_one_part_of_the_address() {
    let google = google(Arc::default());
    let stand_in = giving(json!({ "sub": "../groups?x=1" }), |_| (500, json!({})));
    let custom = json!({
        "provider": "gsuite", "gsuite_service_account": account(&google), "fetch_user_info": true,
        "user_custom_schemas": "Job", "custom_endpoint": google.address,
    });
    let method = configured(&stand_in.address, custom, &json!({ "groups_claim": "" })).await;
    let error = log_in(&method).await.unwrap_err().to_string();
    assert!(error.contains("Directory API refuses: status 404"), "{error}");
    let asked = google.asked();
    assert!(asked.iter().any(|asked| asked.path.contains("/users/..%2Fgroups%3Fx=1?")), "{asked:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_account_is_told_without_its_key() {
    let method = mount();
    let key = Signer::rsa("k");
    let body = |account: Value| json!({ "jwt_validation_pubkeys": key.public, "provider_config": with(json!({ "provider": "gsuite" }), &account) });
    for (account, text) in [
        (json!({}), "gsuite_service_account is needed"),
        (json!({ "gsuite_service_account": "{\"secret-part\":1" }), "error parsing service account JSON"),
        (json!({ "gsuite_service_account": "/nonexistent/secret-part" }), "cannot be read"),
        (json!({ "gsuite_service_account": 5 }), "is a number, the rest is text"),
        (json!({ "impersonate_principal": "x" }), "impersonate_principal is not offered"),
    ] {
        let (status, error) = method.refused("config", body(account)).await;
        assert!(status == 400 && error.contains(text) && !error.contains("secret-part"), "{error}");
    }
}
