//! `oidc` with a provider that others wrote and a person who has no browser but fills in its forms.
use super::{enabled, lives_and_ends, refused};
use crate::lessor::{Lessor, PROGRAM, free_port};
use crate::targets::openid::OpenId;
use crate::targets::tool;
use lessor_client::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const REDIRECT: &str = "http://localhost:8250/oidc/callback";

async fn configured(provider: &OpenId, more: Value) -> Lessor {
    let lessor = enabled("oidc").await;
    let mut config = json!({
        "oidc_discovery_url": provider.issuer, "oidc_client_id": "lessor", "oidc_client_secret": "client secret:/?",
        "default_role": "people",
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    lessor.write("auth/oidc/config", config).await;
    let role = json!({
        "user_claim": "sub", "allowed_redirect_uris": REDIRECT, "oidc_scopes": "profile,email", "groups_claim": "groups",
        "bound_claims": { "groups": "admins" }, "claim_mappings": { "email": "mail" }, "token_policies": "p", "max_age": "1h",
    });
    lessor.write("auth/oidc/role/people", role).await;
    lessor
}

async fn begin(lessor: &Lessor) -> String {
    let begin = json!({ "redirect_uri": REDIRECT, "client_nonce": "mine" });
    let answer = lessor.write("auth/oidc/oidc/auth_url", begin).await;
    answer["data"]["auth_url"].as_str().unwrap().to_owned()
}

fn query(address: &str) -> BTreeMap<String, String> {
    let (_, query) = address.split_once('?').unwrap();
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn end(came_back: &str, nonce: &str) -> Request {
    let query = query(came_back);
    let request = Request::get("auth/oidc/oidc/callback").query("state", &query["state"]).query("code", &query["code"]);
    request.query("client_nonce", nonce)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_at_the_provider_once_and_is_let_in_once() {
    let provider = OpenId::start(REDIRECT);
    let lessor = configured(&provider, json!({})).await;
    let address = begin(&lessor).await;
    let sent = query(&address);
    assert_eq!((sent["code_challenge_method"].as_str(), sent["response_type"].as_str()), ("S256", "code"));
    let came_back = provider.browse(&address, "alice");
    assert!(came_back.starts_with(REDIRECT), "{came_back}");
    let answer = lessor.send(end(&came_back, "mine")).await.unwrap();
    assert_eq!(answer["auth"]["metadata"], json!({ "mail": "alice@example.com", "role": "people" }));
    assert_eq!(answer["auth"]["policies"], json!(["default", "p"]));
    let (status, text) = lessor.refused(end(&came_back, "mine")).await;
    assert!(status == 400 && text.contains("Expired or missing OAuth state"), "{status} {text}");
    lives_and_ends(&lessor, &answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_did_not_begin_the_login_or_is_not_bound_does_not_end_it() {
    let provider = OpenId::start(REDIRECT);
    let lessor = configured(&provider, json!({})).await;
    let came_back = provider.browse(&begin(&lessor).await, "alice");
    let (status, text) = lessor.refused(end(&came_back, "another")).await;
    assert_eq!((status, text.as_str()), (400, "invalid client_nonce"));
    let came_back = provider.browse(&begin(&lessor).await, "bob");
    let (status, text) = lessor.refused(end(&came_back, "mine")).await;
    assert!(status == 400 && text.contains("claim \"groups\" does not match"), "{status} {text}");
    // A code that the provider gave for another login: PKCE ties it to that one.
    let (mine, other) = (begin(&lessor).await, provider.browse(&begin(&lessor).await, "alice"));
    let mixed = format!("{REDIRECT}?state={}&code={}", query(&mine)["state"], query(&other)["code"]);
    let (status, text) = lessor.refused(end(&mixed, "mine")).await;
    assert!(status == 400 && text.contains("Error exchanging oidc code: invalid_grant"), "{status} {text}");
    let state = query(&begin(&lessor).await)["state"].clone();
    let denied = Request::get("auth/oidc/oidc/callback").query("state", &state).query("error", "access_denied");
    let (status, text) = lessor.refused(denied).await;
    assert!(status == 400 && text.contains("The provider refused: access_denied"), "{status} {text}");
    let elsewhere = json!({ "redirect_uri": "https://evil.example/oidc/callback" });
    assert_eq!(lessor.write("auth/oidc/oidc/auth_url", elsewhere).await["data"], json!({ "auth_url": "" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_form_post_the_browser_brings_the_code_and_the_command_line_ends_the_login() {
    let provider = OpenId::start(REDIRECT);
    let lessor = configured(&provider, json!({ "oidc_response_mode": "form_post" })).await;
    let page = provider.browse(&begin(&lessor).await, "alice");
    let field = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let (state, code) = (field("state"), field("code"));
    let posted = json!({ "state": state, "code": code });
    lessor.write("auth/oidc/oidc/callback", posted.clone()).await;
    refused(&lessor, "auth/oidc/oidc/callback", posted, 400).await;
    let request = Request::get("auth/oidc/oidc/callback").query("state", &state).query("client_nonce", "mine");
    let answer = lessor.send(request).await.unwrap();
    assert_eq!(answer["auth"]["metadata"]["mail"], "alice@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_gone_or_speaks_for_another_is_refused() {
    let provider = OpenId::start(REDIRECT);
    let lessor = configured(&provider, json!({})).await;
    let came_back = provider.browse(&begin(&lessor).await, "alice");
    let other_name = provider.issuer.replace("127.0.0.1", "localhost");
    let error = refused(&lessor, "auth/oidc/config", json!({ "oidc_discovery_url": other_name }), 400).await;
    assert!(error.contains("issuer did not match"), "{error}");
    drop(provider);
    let (status, text) = lessor.refused(end(&came_back, "mine")).await;
    assert!(status == 500 && text.contains("the provider cannot be asked"), "{status} {text}");
}

/// Types `login -method=oidc` with more pairs, goes where it leads as `visit` does, and gives what the command says in the
/// end.
fn type_login(
    lessor: &Lessor,
    program: &Path,
    pairs: &[&str],
    provider: &OpenId,
    visit: impl FnOnce(&str) -> String,
) -> (i32, String) {
    let mut command = Command::new(program)
        .args(["login", "-method=oidc", "-no-store", "-format=json", "skip_browser=true"])
        .args(pairs)
        .envs([("VAULT_ADDR", lessor.address.as_str()), ("BAO_ADDR", &lessor.address), ("HOME", "/nonexistent")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(command.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = told.find(|line| line.trim().starts_with(&provider.issuer)).unwrap();
    let page = visit(address.trim());
    let rest: Vec<String> = told.collect();
    let output = command.wait_with_output().unwrap();
    let all = [page, rest.join("\n")].join("\n");
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned() + &all)
}

fn curl(address: &str) -> String {
    String::from_utf8_lossy(&Command::new("curl").args(["-s", "-i", address]).output().unwrap().stdout).into_owned()
}

/// Lets `name` log in where the command leads, and come back to its own listener.
fn log_in_by_command_line(lessor: &Lessor, provider: &OpenId, port: u16, name: &str) -> (i32, String) {
    let port = format!("port={port}");
    let pairs = ["role=terminal", &port, "abort_on_error=true"];
    type_login(lessor, Path::new(PROGRAM), &pairs, provider, |address| curl(&provider.browse(address, name)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_logs_in_whoever_the_browser_brings_back() {
    let port = free_port();
    let redirect = format!("http://localhost:{port}/oidc/callback");
    let provider = OpenId::start(&redirect);
    let lessor = configured(&provider, json!({})).await;
    let role = json!({
        "user_claim": "sub", "allowed_redirect_uris": redirect, "oidc_scopes": "profile", "groups_claim": "groups",
        "bound_claims": { "groups": "admins" }, "token_policies": "p",
    });
    lessor.write("auth/oidc/role/terminal", role).await;
    let (code, text) = log_in_by_command_line(&lessor, &provider, port, "alice");
    assert!(code == 0 && text.contains("Signed in"), "{code} {text}");
    let answer: Value = serde_json::Deserializer::from_str(&text).into_iter().next().unwrap().unwrap();
    lives_and_ends(&lessor, &answer).await;
    let (code, text) = log_in_by_command_line(&lessor, &provider, port, "mallory");
    assert!(code == 2 && text.contains("does not match any associated bound claim"), "{code} {text}");
}

fn answer(text: &str) -> Value {
    let start = text.find('{').unwrap_or_else(|| panic!("{text}"));
    serde_json::Deserializer::from_str(&text[start..]).into_iter().next().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_lines_log_in_a_person_who_confirms_on_another_device() {
    let provider = OpenId::start(REDIRECT);
    let lessor = configured(&provider, json!({})).await;
    let role = json!({
        "user_claim": "sub", "allowed_redirect_uris": REDIRECT, "oidc_scopes": "profile", "groups_claim": "groups",
        "bound_claims": { "groups": "admins" }, "token_policies": "p", "callback_mode": "device", "poll_interval": 1,
    });
    lessor.write("auth/oidc/role/tv", role).await;
    let pairs = ["role=tv", "callbackmode=device"];
    let bao = tool("bao-2.7.2", "bao");
    for program in [Path::new(PROGRAM), &bao] {
        let visit = |address: &str| provider.browse(address, "alice");
        let (code, text) = type_login(&lessor, program, &pairs, &provider, visit);
        assert!(code == 0, "{} {code} {text}", program.display());
        lives_and_ends(&lessor, &answer(&text)).await;
    }
    let visit = |address: &str| provider.browse(address, "mallory");
    let (code, text) = type_login(&lessor, Path::new(PROGRAM), &pairs, &provider, visit);
    assert!(code == 2 && text.contains("does not match any associated bound claim"), "{code} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_comes_back_to_the_server_is_asked_and_the_command_lines_are_told() {
    let lessor = enabled("oidc").await;
    let redirect = format!("{}/v1/auth/oidc/oidc/callback", lessor.address);
    let provider = OpenId::start(&redirect);
    let config = json!({
        "oidc_discovery_url": provider.issuer, "oidc_client_id": "lessor", "oidc_client_secret": "client secret:/?",
    });
    lessor.write("auth/oidc/config", config).await;
    let role = json!({
        "user_claim": "sub", "allowed_redirect_uris": redirect, "oidc_scopes": "profile", "token_policies": "p",
        "callback_mode": "direct", "poll_interval": 1,
    });
    lessor.write("auth/oidc/role/web", role).await;
    let bao = tool("bao-2.7.2", "bao");
    for program in [Path::new(PROGRAM), &bao] {
        let visit = |address: &str| {
            let back = provider.browse(address, "alice");
            let page = curl(&back);
            assert!(page.contains("Confirm the login") && page.contains("role <b>web</b>"), "{page}");
            let head = page.to_lowercase();
            assert!(head.contains("x-frame-options: deny") && head.contains("content-security-policy: "), "{page}");
            curl(&format!("{back}&confirmation=yes"))
        };
        let pairs = ["role=web", "callbackmode=direct"];
        let (code, text) = type_login(&lessor, program, &pairs, &provider, visit);
        assert!(code == 0 && text.contains("Signed in"), "{} {code} {text}", program.display());
        lives_and_ends(&lessor, &answer(&text)).await;
    }
}
