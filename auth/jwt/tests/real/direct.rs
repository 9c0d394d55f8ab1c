//! `callback_mode` direct: the browser comes back to this server.
use super::support::Method;
use super::targets::openid::OpenId;
use super::{decided, mount, poll, visit, with};
use lessor_engine::Operation;
use serde_json::{Value, json};

const REDIRECT: &str = "http://localhost:8200/v1/auth/oidc/oidc/callback";

async fn configured(real: &OpenId, config: &Value, role: &Value) -> Method {
    let method = mount();
    let base = json!({
        "oidc_discovery_url": real.issuer, "oidc_client_id": "lessor", "oidc_client_secret": "client secret:/?",
        "default_role": "web",
    });
    method.write("config", with(base, config)).await;
    let base = json!({
        "user_claim": "sub", "allowed_redirect_uris": REDIRECT, "callback_mode": "direct", "oidc_scopes": "profile",
        "groups_claim": "groups", "bound_claims": { "groups": "admins" }, "token_policies": "p",
    });
    method.write("role/web", with(base, role)).await;
    method
}

async fn begin(method: &Method) -> Value {
    method.write("oidc/auth_url", json!({ "redirect_uri": REDIRECT, "client_nonce": "mine" })).await
}

fn part(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{name}: {text}"));
    rest.split('&').next().unwrap().to_owned()
}

/// Goes to the provider and comes back with state and code.
fn come_back(real: &OpenId, begun: &Value, name: &str) -> Value {
    let back = real.browse(begun["auth_url"].as_str().unwrap(), name);
    assert!(back.starts_with(REDIRECT), "{back}");
    json!({ "state": part(&back, "state"), "code": part(&back, "code") })
}

fn confirmed(fields: &Value) -> Value {
    with(fields.clone(), &json!({ "confirmation": "yes" }))
}

#[tokio::test]
async fn the_person_is_asked_first_and_whoever_began_is_let_in_once() {
    let real = OpenId::start(REDIRECT);
    let method = configured(&real, &json!({}), &json!({ "poll_interval": 2 })).await;
    let begun = begin(&method).await;
    let state = begun["state"].as_str().unwrap();
    assert_eq!(begun["poll_interval"], "2");
    let back = come_back(&real, &begun, "alice");
    // The page says from where, and nothing has happened yet.
    let (status, page) = visit(&method, back.clone()).await;
    assert!(status == 200 && page.contains("127.0.0.1") && page.contains("<b>web</b>"), "{page}");
    assert!(page.contains("name=\"confirmation\"") && page.contains(state));
    assert_eq!(poll(&method, state, "mine").await.unwrap_err().to_string(), "authorization_pending");
    let (status, page) = visit(&method, confirmed(&back)).await;
    assert!(status == 200 && page.contains("Signed in"), "{page}");
    let (status, _) = visit(&method, confirmed(&back)).await;
    assert_eq!(status, 400, "the browser comes twice");
    let login = poll(&method, state, "mine").await.unwrap();
    assert_eq!((login.display_name.as_str(), login.role.as_str()), ("alice", "web"));
    assert!(poll(&method, state, "mine").await.is_err());
}

#[tokio::test]
async fn a_role_that_does_not_ask_lets_in_at_the_first_visit() {
    let real = OpenId::start(REDIRECT);
    let role = json!({ "oidc_disable_confirmation": true });
    let method = configured(&real, &json!({}), &role).await;
    assert_eq!(method.read("role/web").await["oidc_disable_confirmation"], true);
    let begun = begin(&method).await;
    let (status, page) = visit(&method, come_back(&real, &begun, "alice")).await;
    assert!(status == 200 && page.contains("Signed in"), "{page}");
    assert!(decided(&method, begun["state"].as_str().unwrap()).await.is_ok());
    // The next write leaves it out: it asks again.
    let again = json!({ "user_claim": "sub", "callback_mode": "direct" });
    method.write("role/web", again).await;
    assert_eq!(method.read("role/web").await["oidc_disable_confirmation"], false);
}

#[tokio::test]
async fn why_somebody_is_not_let_in_is_told_to_browser_and_command_line() {
    let real = OpenId::start(REDIRECT);
    let method = configured(&real, &json!({}), &json!({})).await;
    let begun = begin(&method).await;
    let state = begun["state"].as_str().unwrap();
    let (status, page) = visit(&method, confirmed(&come_back(&real, &begun, "bob"))).await;
    assert!(status == 400 && page.contains("does not match any associated bound claim values"), "{page}");
    let why = poll(&method, state, "mine").await.unwrap_err();
    assert!(why.status() == 400 && why.to_string().contains("does not match any associated bound claim"), "{why}");
    assert!(poll(&method, state, "mine").await.unwrap_err().to_string().contains("Expired or missing OAuth state"));
    // The provider itself refuses.
    let begun = begin(&method).await;
    let state = begun["state"].as_str().unwrap();
    let refused = json!({ "state": state, "error": "access_denied", "error_description": "<b>no</b>" });
    let (status, page) = visit(&method, refused).await;
    assert!(status == 400 && page.contains("access_denied: &lt;b&gt;no") && !page.contains("<b>no"), "{page}");
    assert!(poll(&method, state, "mine").await.unwrap_err().to_string().contains("access_denied"));
    // A code that was never given.
    let begun = begin(&method).await;
    let wrong = json!({ "state": begun["state"], "code": "nonsense", "confirmation": "yes" });
    let (status, page) = visit(&method, wrong).await;
    assert!(status == 400 && page.contains("invalid_grant"), "{page}");
}

#[tokio::test]
async fn the_secret_is_needed_and_a_login_by_the_client_has_nothing_to_ask_for() {
    let real = OpenId::start(REDIRECT);
    let method = configured(&real, &json!({}), &json!({})).await;
    let body = json!({ "redirect_uri": REDIRECT });
    assert_eq!(method.refused("oidc/auth_url", body).await, (400, "missing client_nonce".to_owned()));
    let (status, text) = method.refused("oidc/auth_url", json!({ "client_nonce": "mine" })).await;
    assert_eq!((status, text.as_str()), (400, "missing redirect_uri"));
    let begun = begin(&method).await;
    let state = begun["state"].as_str().unwrap();
    let _ = visit(&method, confirmed(&come_back(&real, &begun, "alice"))).await;
    assert_eq!(poll(&method, state, "").await.unwrap_err().to_string(), "invalid client_nonce");
    assert!(poll(&method, state, "mine").await.is_err(), "one guess");
    // The state stays one of its kind when the role changes meanwhile.
    let begun = begin(&method).await;
    method.write("role/web", json!({ "user_claim": "sub", "callback_mode": "client" })).await;
    let back = come_back(&real, &begun, "alice");
    let (status, page) = visit(&method, back).await;
    assert!(status == 200 && page.contains("Confirm"), "{page}");
    let begun = begin(&method).await;
    assert!(begun.get("state").is_none() && begun.get("poll_interval").is_none(), "{begun}");
    let state = part(begun["auth_url"].as_str().unwrap(), "state");
    assert!(poll(&method, &state, "mine").await.unwrap_err().to_string().contains("Expired or missing"));
}

#[tokio::test]
async fn a_posted_answer_is_confirmed_without_standing_in_an_address() {
    let real = OpenId::start(REDIRECT);
    let method = configured(&real, &json!({ "oidc_response_mode": "form_post" }), &json!({})).await;
    let begun = begin(&method).await;
    let state = begun["state"].as_str().unwrap();
    let page = real.browse(begun["auth_url"].as_str().unwrap(), "alice");
    let code = page.split_once("name=\"code\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let posted = json!({ "state": state, "code": code });
    let reply = method.reply(Operation::Update, "oidc/callback", posted.clone()).await;
    let lessor_engine::Outcome::Raw(raw) = reply.outcome else { panic!("no page") };
    let page = String::from_utf8(raw.bytes).unwrap();
    assert!(page.contains("Confirm the login") && !page.contains(code), "{page}");
    assert!(method.refused("oidc/callback", posted).await.1.contains("Expired or missing"), "posted twice");
    let (status, _) = visit(&method, json!({ "state": state, "code": "", "confirmation": "yes" })).await;
    assert_eq!(status, 200);
    assert_eq!(poll(&method, state, "mine").await.unwrap().display_name, "alice");
}

#[tokio::test]
async fn whoever_asks_for_the_outcome_comes_from_where_tokens_are_bound_to() {
    let real = OpenId::start(REDIRECT);
    let method = configured(&real, &json!({}), &json!({ "token_bound_cidrs": "10.0.0.0/8" })).await;
    let inside = method.from("10.1.2.3");
    let begun = begin(&inside).await;
    let (status, _) = visit(&method, confirmed(&come_back(&real, &begun, "alice"))).await;
    assert_eq!(status, 200, "the browser may be anywhere");
    let state = begun["state"].as_str().unwrap();
    assert_eq!(poll(&method, state, "mine").await.unwrap_err().status(), 403);
    assert!(poll(&inside, state, "mine").await.is_ok());
}
