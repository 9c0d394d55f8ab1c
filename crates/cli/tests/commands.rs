//! Commands against a recorder (not a server): it answers what the test says and keeps what it was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::disallowed_methods, reason = "a test may block its own thread")]
mod harness;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use harness::program::{Outcome, run, watched};
use serde_json::{Value, json};

/// One request as it arrived.
#[derive(Clone, Debug)]
struct Seen {
    what: String,
    token: String,
    body: Vec<u8>,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

struct Recorder {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Answer = fn(&str) -> (u16, Vec<u8>);

impl Recorder {
    async fn start(answer: Answer) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let what = format!("{method} {uri}");
            let token =
                headers.get("x-vault-token").map(|token| token.to_str().unwrap().to_owned()).unwrap_or_default();
            kept.lock().unwrap().push(Seen { what: what.clone(), token, body: body.to_vec() });
            let (status, bytes) = answer(&what);
            (StatusCode::from_u16(status).unwrap(), bytes).into_response()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, seen }
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![("VAULT_ADDR".to_owned(), self.address.clone()), ("VAULT_TOKEN".to_owned(), "mine".to_owned())]
    }

    async fn run(&self, line: &str) -> Outcome {
        run("lessor", &words(line), &self.env(), "").await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn ok(value: &Value) -> (u16, Vec<u8>) {
    (200, value.to_string().into_bytes())
}

#[tokio::test]
async fn every_command_has_a_help_with_an_example() {
    let root = run("lessor", &words("-h"), &[], "").await;
    let mut left: Vec<String> = below(&root.out);
    let mut count = 0;
    while let Some(name) = left.pop() {
        let help = run("lessor", &words(&format!("{name} -h")), &[], "").await;
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{name}");
        assert!(help.out.contains("Example:"), "{name}: {}", help.out);
        assert!(help.out.contains("lessor "), "{name}: {}", help.out);
        if help.out.contains("Subcommands:") {
            left.extend(below(&help.out).into_iter().map(|word| format!("{name} {word}")));
        } else {
            count += 1;
        }
    }
    assert!(count > 90, "only {count} commands were found");
}

/// The words a help text lists.
fn below(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| !line.ends_with("ommands:")).skip(1);
    let list = list.take_while(|line| line.starts_with("    "));
    list.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[tokio::test]
async fn under_the_name_vault_or_bao_it_behaves_the_same() {
    let recorder = Recorder::start(|_| ok(&json!({"data": {"a": "1"}}))).await;
    let mut outcomes = Vec::new();
    for name in ["lessor", "/usr/local/bin/vault", "bao"] {
        outcomes.push(run(name, &words("read secret/x"), &recorder.env(), "").await);
        let curl = run(name, &words("read -output-curl-string secret/x"), &recorder.env(), "").await;
        let short = name.rsplit('/').next().unwrap();
        assert!(curl.out.contains(&format!("$({short} print token)")), "{}", curl.out);
    }
    assert!(outcomes.iter().all(|outcome| outcome == &outcomes[0]) && outcomes[0].code == 0, "{outcomes:?}");
}

#[tokio::test]
async fn an_oidc_login_listens_for_the_browser_and_trades_the_code_for_a_token() {
    let recorder = Recorder::start(|what| {
        if what.contains("auth_url") {
            return ok(&json!({"data": {"auth_url": "http://provider.example/authorize?state=st"}}));
        }
        if what.contains("code=bad") {
            return (400, br#"{"errors":["wrong code"]}"#.to_vec());
        }
        ok(&json!({"auth": {"client_token": "hvs.new", "policies": ["default"], "lease_duration": 60, "renewable": true}}))
    })
    .await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let line = format!("login -method=oidc -no-store role=staff listenaddress=127.0.0.1 port={port} skip_browser=true");
    let (out, task) = watched("lessor", &words(&line), &recorder.env());
    let client = |query: &str| format!("http://127.0.0.1:{port}/oidc/callback?{query}");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(std::time::Instant::now() < end, "nobody listens");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(browse(&client("error=access_denied&state=st")).await.contains("failed"), "a refusal is shown");
    assert!(browse(&client("code=bad&state=st")).await.contains("failed"), "and a second try is possible");
    assert!(browse(&client("code=good&state=st")).await.contains("Signed in"));
    task.await.unwrap();
    assert!(out.text().contains("token_duration       1m") && out.text().contains("hvs.new"), "{}", out.text());
    let seen = recorder.seen();
    assert_eq!(seen[0].what, "PUT /v1/auth/oidc/oidc/auth_url");
    assert_eq!(seen[0].token, "", "a login is anonymous");
    let asked = seen[0].json();
    assert_eq!(asked["redirect_uri"], json!(format!("http://localhost:{port}/oidc/callback")));
    let nonce = asked["client_nonce"].as_str().unwrap();
    assert!(nonce.len() >= 16);
    let last = &seen.last().unwrap().what;
    assert_eq!(last, &format!("GET /v1/auth/oidc/oidc/callback?client_nonce={nonce}&code=good&state=st"));
}

/// A GET as a browser makes it; returns the whole answer.
async fn browse(url: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    stream
        .write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn methods_of_vault_send_what_their_servers_expect() {
    let recorder = Recorder::start(|_| ok(&json!({"auth": {"client_token": "t", "lease_duration": 1}}))).await;
    let mut env = recorder.env();
    env.push(("VAULT_LDAP_PASSWORD".into(), "ldap-secret".into()));
    env.push(("USER".into(), "alice".into()));
    for line in [
        "login -method=ldap -token-only",
        "login -method=github -token-only -path=gh token=pat",
        "login -method=radius -token-only username=bob password=pw",
        "login -method=aws -token-only role=dev aws_access_key_id=AKIDEXAMPLE aws_secret_access_key=never-sent region=eu-west-1 header_value=lessor.example",
    ] {
        let outcome = run("lessor", &words(line), &env, "").await;
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, "t", ""), "{line}");
    }
    let seen = recorder.seen();
    let whats: Vec<&str> = seen.iter().map(|request| request.what.as_str()).collect();
    assert_eq!(
        whats,
        [
            "PUT /v1/auth/ldap/login/alice",
            "PUT /v1/auth/gh/login",
            "PUT /v1/auth/radius/login/bob",
            "PUT /v1/auth/aws/login"
        ]
    );
    assert_eq!(seen[0].json(), json!({"password": "ldap-secret"}));
    assert_eq!(seen[1].json(), json!({"token": "pat"}));
    assert_eq!(
        (seen[3].json()["role"].clone(), seen[3].json()["iam_http_request_method"].clone()),
        (json!("dev"), json!("POST"))
    );
    assert!(!String::from_utf8_lossy(&seen[3].body).contains("never-sent"));
    assert!(seen.iter().all(|request| request.token.is_empty()), "a login is anonymous");
}

#[tokio::test]
async fn snapshots_travel_unchanged_and_a_broken_one_leaves_no_file() {
    let recorder =
        Recorder::start(
            |what| {
                if what.starts_with("GET") { (200, vec![0x1f, 0x8b, 0, 0xff]) } else { (204, Vec::new()) }
            },
        )
        .await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.snap");
    let path = path.display();
    assert_eq!(recorder.run(&format!("operator raft snapshot save {path}")).await.code, 0);
    assert_eq!(std::fs::read(path.to_string()).unwrap(), [0x1f, 0x8b, 0, 0xff]);
    assert_eq!(recorder.run(&format!("operator raft snapshot restore -force {path}")).await.code, 0);
    let last = recorder.seen().pop().unwrap();
    assert_eq!(
        (last.what.as_str(), last.body.as_slice()),
        ("POST /v1/sys/storage/raft/snapshot-force", &[0x1f, 0x8b, 0, 0xff][..])
    );
    let refusing = Recorder::start(|_| (500, br#"{"errors":["no"]}"#.to_vec())).await;
    let other = directory.path().join("b.snap");
    assert_eq!(refusing.run(&format!("operator raft snapshot save {}", other.display())).await.code, 2);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn cluster_commands_show_their_columns() {
    let recorder = Recorder::start(|what| {
        if what.contains("ha-status") {
            return ok(&json!({"data": {"nodes": [{
                "hostname": "a", "api_address": "http://a", "cluster_address": "https://a", "active_node": true,
                "last_echo": null, "version": "1", "redundancy_zone": "z1"}]}}));
        }
        if what.contains("activity") {
            return ok(&json!({"data": {"start_time": "s", "end_time": "e",
                "by_namespace": [{"namespace_path": "", "counts": {"entity_clients": 2, "non_entity_clients": 1, "clients": 3}}],
                "total": {"entity_clients": 2, "non_entity_clients": 1, "clients": 3}}}));
        }
        ok(&json!({"data": {"config": {"servers": [
            {"node_id": "n1", "address": "a:1", "leader": true, "voter": true},
            {"node_id": "n2", "address": "b:1", "leader": false, "voter": false}]}}}))
    })
    .await;
    let peers = recorder.run("operator raft list-peers").await;
    assert_eq!(
        peers.out,
        "Node    Address    State       Voter\n----    -------    -----       -----\nn1      a:1        leader      true\nn2      b:1        follower    false\n"
    );
    let members = recorder.run("operator members").await;
    assert!(members.out.contains("Upgrade Version    Redundancy Zone    Last Echo"), "{}", members.out);
    let usage = recorder.run("operator usage").await;
    assert!(usage.out.contains("[root]            2                    1                    3"), "{}", usage.out);
}

#[tokio::test]
async fn migrate_takes_one_file_and_says_what_was_done() {
    let recorder = Recorder::start(|_| (500, Vec::new())).await;
    let done = recorder.run("operator migrate -config=m.hcl -start=k -max-parallel=4").await;
    assert!(done.code == 0 && done.out.starts_with("Success! All of the keys have been migrated."), "{}", done.out);
    assert!(done.out.contains(r#"config: "m.hcl", start: Some("k"), reset: false"#), "{}", done.out);
    let reset = recorder.run("operator migrate -config=m.hcl -reset").await;
    assert_eq!(reset.out, "Success! Migration lock reset (if it was set).\n");
    let broken = recorder.run("operator migrate -config=broken.hcl").await;
    assert!(broken.code == 1 && broken.err.contains("Error migrating: no"), "{}", broken.err);
    for words in ["operator migrate", "operator migrate -config=a -config=b"] {
        let refused = recorder.run(words).await;
        assert!(refused.code == 1 && refused.err.contains("exactly one config path"), "{}", refused.err);
    }
}

#[tokio::test]
async fn retries_happen_only_when_asked_for() {
    let recorder = Recorder::start(|_| (503, br#"{"errors":["Vault is sealed"]}"#.to_vec())).await;
    assert_eq!(recorder.run("read secret/x").await.code, 2);
    assert_eq!(recorder.seen().len(), 1);
    let mut env = recorder.env();
    env.push(("BAO_MAX_RETRIES".into(), "1".into()));
    assert_eq!(run("lessor", &words("read secret/x"), &env, "").await.code, 2);
    assert_eq!(recorder.seen().len(), 3);
}

#[tokio::test]
async fn a_page_is_asked_for_and_a_rate_that_is_none_is_refused_before_anything_is_sent() {
    let server = Recorder::start(|_| (200, br#"{"data":{"keys":["b"]}}"#.to_vec())).await;
    assert_eq!(server.run("list -after=a -limit=1 secret/metadata").await.code, 0);
    assert_eq!(server.run("scan -limit=0 secret/metadata").await.code, 0);
    let mut env = server.env();
    env.push(("VAULT_RATE_LIMIT".to_owned(), "5:x".to_owned()));
    let refused = run("lessor", &words("list secret/metadata"), &env, "").await;
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("VAULT_RATE_LIMIT") && refused.err.contains("10:50"), "{}", refused.err);
    let what: Vec<String> = server.seen.lock().unwrap().iter().map(|seen| seen.what.clone()).collect();
    assert_eq!(what, ["GET /v1/secret/metadata?after=a&limit=1&list=true", "GET /v1/secret/metadata?scan=true"]);
}
