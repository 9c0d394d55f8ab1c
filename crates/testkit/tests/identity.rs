//! Logins, entities and what follows from them, through the whole core with a small auth method.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lessor_core::request::Request;
use lessor_core::response::Response;
use lessor_engine::{
    Alias, AuthMethod, Backend, CommaList, Context, Error, Factory, Login, Operation, Params, Paths, Renewed, Reply,
    Result, TokenSettings,
};
use lessor_testkit::node::{Node, World, ok, request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lets everybody in who says a name.
struct Trusting;

#[derive(Params)]
struct Say {
    /// The name.
    name: String,
    /// The groups the platform knows.
    groups: CommaList,
}

async fn login(_: Arc<Trusting>, _: Context, say: Say) -> Result<Reply> {
    let alias = Alias { name: say.name.clone(), metadata: BTreeMap::from([("said".to_owned(), say.name.clone())]) };
    Ok(Reply::login(Login {
        display_name: say.name,
        alias: Some(alias),
        groups: say.groups.0,
        renewable: true,
        ..Login::default()
    }))
}

#[async_trait]
impl AuthMethod for Trusting {
    async fn renew(&self, _: &Context, _: &Value) -> Result<Renewed> {
        Ok(Renewed { token: TokenSettings::default(), same_policies: false, groups: Some(Vec::new()) })
    }
}

struct TrustingFactory;

impl Factory for TrustingFactory {
    fn kind(&self) -> &'static str {
        "trusting"
    }
    fn description(&self) -> &'static str {
        "lets everybody in"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let paths = Paths::new(Arc::new(Trusting));
        let paths = paths.path("login/{name}", "Logs in.", |path| path.write(login).open());
        Ok(Backend::new(paths.build()).auth(Arc::new(Trusting)))
    }
}

async fn node() -> (Node, String) {
    let mut world = World::new(Vec::new());
    world.methods.push(Arc::new(TrustingFactory));
    let node = world.initialise().await;
    node.write("sys/auth/trusting", json!({ "type": "trusting" })).await;
    let accessor = node.read("sys/auth").await["data"]["trusting/"]["accessor"].as_str().unwrap().to_owned();
    (node, accessor)
}

async fn enter(node: &Node, name: &str, fields: Value) -> Value {
    node.write(&format!("auth/trusting/login/{name}"), fields).await["auth"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn error(answer: &Response) -> (u16, String) {
    let text = answer.body.json().and_then(|body| body["errors"][0].as_str());
    (answer.status, text.unwrap_or_default().to_owned())
}

/// With these headers and no token.
async fn send(node: &Node, operation: Operation, path: &str, fields: Value, headers: &[(&str, String)]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    node.send(Request { headers, token: None, ..request(operation, path, fields) }).await
}

#[tokio::test(start_paused = true)]
async fn a_login_makes_an_entity_and_the_next_one_finds_it() {
    let (node, accessor) = node().await;
    let first = enter(&node, "bob", json!({})).await;
    let second = enter(&node, "bob", json!({})).await;
    assert_eq!(first["entity_id"], second["entity_id"]);
    let entity = node.read(&format!("identity/entity/id/{}", text(&first["entity_id"]))).await;
    let alias = &entity["data"]["aliases"][0];
    assert_eq!(
        (alias["mount_accessor"].as_str(), alias["mount_path"].as_str()),
        (Some(accessor.as_str()), Some("auth/trusting/"))
    );
    assert_eq!((&alias["name"], &alias["metadata"]["said"]), (&json!("bob"), &json!("bob")));
}

#[tokio::test(start_paused = true)]
async fn policies_of_entity_and_groups_show_at_once_in_every_answer() {
    let (node, accessor) = node().await;
    let group =
        node.write("identity/group", json!({ "name": "g", "type": "external", "policies": ["of-group"] })).await;
    let alias = json!({ "name": "devs", "mount_accessor": accessor, "canonical_id": group["data"]["id"] });
    node.write("identity/group-alias", alias).await;
    let auth = enter(&node, "bob", json!({ "groups": "devs" })).await;
    assert_eq!(auth["identity_policies"], json!(["of-group"]));
    assert_eq!(auth["policies"], json!(["default", "of-group"]));
    let token = text(&auth["client_token"]);
    let id = text(&auth["entity_id"]);
    node.write(&format!("identity/entity/id/{id}"), json!({ "policies": ["of-entity"] })).await;
    let shown = node.ask_as(&token, Operation::Read, "auth/token/lookup-self", json!({})).await;
    assert_eq!(ok("lookup-self", shown)["data"]["identity_policies"], json!(["of-entity", "of-group"]));
    let policy = "path \"sys/mounts\" { capabilities = [\"read\"] }";
    let mounts = || node.ask_as(&token, Operation::Read, "sys/mounts", json!({}));
    assert_eq!(mounts().await.status, 403);
    node.write("sys/policies/acl/of-entity", json!({ "policy": policy })).await;
    assert_eq!(mounts().await.status, 200, "what the entity may do, its token may do");
    let renewed = node.ask_as(&token, Operation::Update, "auth/token/renew-self", json!({})).await;
    assert_eq!(
        ok("renew-self", renewed)["auth"]["identity_policies"],
        json!(["of-entity"]),
        "the platform named no group"
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_disabled_or_deleted_entity_are_refused() {
    let (node, _) = node().await;
    let auth = enter(&node, "bob", json!({})).await;
    let (token, id) = (text(&auth["client_token"]), text(&auth["entity_id"]));
    let path = format!("identity/entity/id/{id}");
    let look = || node.ask_as(&token, Operation::Read, "auth/token/lookup-self", json!({}));
    node.write(&path, json!({ "disabled": true })).await;
    assert_eq!(error(&look().await), (403, "permission denied".into()));
    let refused = node.ask(Operation::Update, "auth/trusting/login/bob", json!({})).await;
    assert_eq!(error(&refused), (403, "permission denied".into()));
    node.write(&path, json!({ "disabled": false })).await;
    assert_eq!(look().await.status, 200);
    node.ask(Operation::Delete, &path, json!({})).await;
    assert_eq!(look().await.status, 403);
}

/// The code of an authenticator app that read the URL, `steps` periods from now.
fn code(url: &str, now: i64, steps: i64) -> String {
    let secret = url.split("secret=").nth(1).unwrap();
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &(now / 30 + steps).to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn with_mfa(node: &Node, entity: &str) -> (String, String) {
    let made = node.write("identity/mfa/method/totp", json!({ "issuer": "Lessor", "method_name": "app" })).await;
    let method = text(&made["data"]["method_id"]);
    let enrol = json!({ "method_id": method, "entity_id": entity });
    let made = node.write("identity/mfa/method/totp/admin-generate", enrol).await;
    let png = STANDARD.decode(made["data"]["barcode"].as_str().unwrap()).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    let enforce = json!({ "mfa_method_ids": [method], "auth_method_types": ["trusting"] });
    node.write("identity/mfa/login-enforcement/all", enforce).await;
    (method, text(&made["data"]["url"]))
}

#[tokio::test(start_paused = true)]
async fn a_login_under_mfa_gives_its_token_in_the_second_step_and_takes_a_code_once() {
    let (node, _) = node().await;
    let entity = text(&enter(&node, "bob", json!({})).await["entity_id"]);
    let (method, url) = with_mfa(&node, &entity).await;
    let now = node.core.clock().now().as_second();
    let auth = enter(&node, "bob", json!({})).await;
    assert_eq!(auth["client_token"], "");
    let any = &auth["mfa_requirement"]["mfa_constraints"]["all"]["any"][0];
    assert_eq!(any, &json!({ "type": "totp", "id": method, "uses_passcode": true, "name": "app" }));
    let waiting = text(&auth["mfa_requirement"]["mfa_request_id"]);
    let validate = async |code: &str| {
        let fields = json!({ "mfa_request_id": waiting, "mfa_payload": { &method: [code] } });
        send(&node, Operation::Update, "sys/mfa/validate", fields, &[]).await
    };
    let wrong = validate("000000").await;
    assert!(error(&wrong).1.starts_with("failed to satisfy enforcement all. error: 2 errors occurred:"), "{wrong:?}");
    let right = code(&url, now, 0);
    let done = ok("validate", validate(&right).await);
    assert_eq!((&done["auth"]["entity_id"], done["auth"]["client_token"].as_str().is_some()), (&json!(entity), true));
    assert_eq!(error(&validate(&right).await), (400, "invalid request ID".into()));

    let path = "auth/trusting/login/bob";
    let header = |code: &str| [("x-vault-mfa", format!("app:{code}"))];
    let again = send(&node, Operation::Update, path, json!({}), &header(&right)).await;
    assert_eq!(error(&again), (403, "permission denied".into()), "a code is good once");
    let next = send(&node, Operation::Update, path, json!({}), &header(&code(&url, now, 1))).await;
    assert!(!ok(path, next)["auth"]["client_token"].as_str().unwrap().is_empty());
    for _ in 0..6 {
        send(&node, Operation::Update, path, json!({}), &header("000000")).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let later = send(&node, Operation::Update, path, json!({}), &header(&code(&url, now, 2))).await;
    assert_eq!(later.status, 200, "guesses are forgotten in the next period");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_waits_for_its_second_step_is_forgotten_in_time() {
    let (node, _) = node().await;
    let entity = text(&enter(&node, "bob", json!({})).await["entity_id"]);
    let (method, _) = with_mfa(&node, &entity).await;
    let mut waiting = Vec::new();
    for _ in 0..9 {
        let auth = enter(&node, "bob", json!({})).await;
        waiting.push(text(&auth["mfa_requirement"]["mfa_request_id"]));
    }
    let fields = |id: &str| json!({ "mfa_request_id": id, "mfa_payload": { &method: ["1"] } });
    let validate = async |id: &str| send(&node, Operation::Update, "sys/mfa/validate", fields(id), &[]).await;
    assert_eq!(error(&validate(&waiting[0]).await), (400, "invalid request ID".into()), "eight of one entity may wait");
    assert_eq!(validate(&waiting[1]).await.status, 403);
    tokio::time::sleep(std::time::Duration::from_secs(301)).await;
    assert_eq!(error(&validate(&waiting[8]).await), (400, "invalid request ID".into()));
}

async fn client(node: &Node, fields: Value) -> (String, String) {
    node.write("identity/oidc/client/app", fields).await;
    let client = node.read("identity/oidc/client/app").await;
    let secret = client["data"]["client_secret"].as_str().unwrap_or_default().to_owned();
    (text(&client["data"]["client_id"]), secret)
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn somebody_logs_in_to_an_application_by_code_and_proof_key() {
    let (node, _) = node().await;
    let bob = enter(&node, "bob", json!({})).await;
    let template = "{\"who\":{{identity.entity.name}}}";
    node.write("identity/oidc/scope/profile", json!({ "template": template })).await;
    node.write("identity/oidc/provider/p", json!({ "allowed_client_ids": "*", "scopes_supported": "profile" })).await;
    let redirect = "https://app.example/cb";
    let fields = json!({ "redirect_uris": redirect, "assignments": "allow_all" });
    let (id, secret) = client(&node, fields).await;
    let verifier = "v".repeat(43);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let ask = json!({
        "scope": "openid profile", "response_type": "code", "client_id": id, "redirect_uri": redirect, "state": "s",
        "nonce": "n", "code_challenge": URL_SAFE_NO_PAD.encode(digest), "code_challenge_method": "S256",
    });
    let nobody = node.ask(Operation::Update, "identity/oidc/provider/p/authorize", ask.clone()).await;
    assert_eq!(nobody.body.into_value()["error"], "access_denied", "the root token is nobody");
    // As bob: the endpoint itself is what is tested here, not the policy that lets him in.
    let code = authorize(&node, &text(&bob["client_token"]), ask).await;
    let basic = [("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))];
    let exchange = json!({
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier,
    });
    let path = "identity/oidc/provider/p/token";
    let stranger =
        send(&node, Operation::Update, path, exchange.clone(), &[("authorization", "Basic YTpi".into())]).await;
    assert_eq!((stranger.status, &stranger.body.into_value()["error"]), (401, &json!("invalid_client")));
    let done = ok(path, send(&node, Operation::Update, path, exchange.clone(), &basic).await);
    let told = claims(done["id_token"].as_str().unwrap());
    assert_eq!((&told["sub"], &told["aud"], &told["nonce"]), (&bob["entity_id"], &json!(id), &json!("n")));
    let again = send(&node, Operation::Update, path, exchange, &basic).await;
    assert_eq!(
        (again.status, &again.body.into_value()["error"]),
        (400, &json!("invalid_grant")),
        "a code is good once"
    );
    let bearer = |token: &str| [("authorization", format!("Bearer {token}"))];
    let path = "identity/oidc/provider/p/userinfo";
    let access = text(&done["access_token"]);
    let info = ok(path, send(&node, Operation::Read, path, json!({}), &bearer(&access)).await);
    assert_eq!((&info["sub"], &info["who"]), (&bob["entity_id"], &told["who"]));
    let root = send(&node, Operation::Read, path, json!({}), &bearer("root")).await;
    assert_eq!(root.status, 401);
    let disabled = format!("identity/entity/id/{}", text(&bob["entity_id"]));
    node.write(&disabled, json!({ "disabled": true })).await;
    assert_eq!(send(&node, Operation::Read, path, json!({}), &bearer(&access)).await.status, 403);
}

/// Asks the handler as the owner of `token`.
async fn authorize(node: &Node, token: &str, ask: Value) -> String {
    let answer = as_entity(node, token, Operation::Update, "oidc/provider/p/authorize", ask).await.unwrap();
    text(&answer["code"])
}

/// Runs an identity endpoint as the owner of a token, without asking policies.
async fn as_entity(node: &Node, token: &str, operation: Operation, path: &str, fields: Value) -> Result<Value, Error> {
    let active = node.core.active()?;
    let found = active.tokens.find(token, active.now()).await?.unwrap();
    let mounted = active.mounts.find("", "identity/x").unwrap();
    let matched = mounted.backend.paths.find(path).unwrap();
    let spec = matched.operation(operation).unwrap();
    let mut from = lessor_core::active::From::default();
    from.caller.entity_id.clone_from(&found.token.entity_id);
    from.caller.accessor.clone_from(&found.token.accessor);
    let cx = active.context(&mounted, from, path);
    let Value::Object(fields) = fields else { return Err(Error::invalid("an object")) };
    let reply = matched.call(spec, cx, fields).await?;
    match reply.outcome {
        lessor_engine::Outcome::Bare(body) => Ok(body),
        lessor_engine::Outcome::Data(data) => Ok(data.into()),
        _ => Err(Error::invalid("another answer")),
    }
}

#[tokio::test]
async fn an_independent_library_verifies_the_tokens_of_every_algorithm() {
    let (node, _) = node().await;
    let bob = text(&enter(&node, "bob", json!({})).await["client_token"]);
    let mut tokens = Vec::new();
    for algorithm in ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let name = algorithm.to_lowercase();
        let key = json!({ "algorithm": algorithm, "allowed_client_ids": "*" });
        node.write(&format!("identity/oidc/key/{name}"), key).await;
        node.write(&format!("identity/oidc/role/{name}"), json!({ "key": name, "client_id": "app" })).await;
        let path = format!("oidc/token/{name}");
        let made = as_entity(&node, &bob, Operation::Read, &path, json!({})).await.unwrap();
        let token = text(&made["token"]);
        let told = node.write("identity/oidc/introspect", json!({ "token": token, "client_id": "app" })).await;
        assert_eq!(told, json!({ "active": true }));
        node.write(&format!("identity/oidc/key/{name}/rotate"), json!({})).await;
        tokens.push((algorithm, token));
    }
    let keys = node.read("identity/oidc/.well-known/keys").await;
    let given = json!({ "keys": keys["keys"], "tokens": tokens }).to_string();
    let cache =
        std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap()));
    let python = format!("{cache}/lessor-targets/pyjwt-2/bin/python");
    if !std::path::Path::new(&python).exists() {
        println!("SKIPPED PyJWT: {python} is missing, tests/install.sh installs it");
        assert!(std::env::var_os("CI").is_none(), "PyJWT has to be there");
        return;
    }
    let script = "import json, sys, jwt\n\
                  given = json.loads(sys.argv[1])\n\
                  keys = {k['kid']: jwt.PyJWK(k) for k in given['keys']}\n\
                  for algorithm, token in given['tokens']:\n    \
                      kid = jwt.get_unverified_header(token)['kid']\n    \
                      claims = jwt.decode(token, keys[kid].key, algorithms=[algorithm], audience='app', \
                      options={'verify_exp': False, 'verify_iat': False})\n    \
                      print(algorithm, claims['sub'])\n";
    let output = tokio::process::Command::new(python).args(["-c", script, &given]).output().await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(shown.lines().count(), 7, "{shown}");
}
