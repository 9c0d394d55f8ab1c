//! The same requests to Lessor and to the peer, one after the other: status, errors and data have to be the same, but for
//! what a step says about itself (and `docs/compatibility.md` says why).
//!
//! A step is `[method, path, body, options]`. Options: `keep` names values of the answer for later steps, `token: false`
//! sends none, `only: "status"` compares no more, and `ours` (status, and a part of the text) is what Lessor answers
//! instead.
use crate::lessor::{Lessor, free_port};
use crate::targets::tool;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Peer {
    child: Child,
    address: String,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peer(program: &std::path::Path) -> Peer {
    let listen = format!("127.0.0.1:{}", free_port());
    let child = Command::new(program)
        .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address={listen}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let peer = Peer { child, address: format!("http://{listen}") };
    let end = Instant::now() + Duration::from_secs(30);
    while Side::new(&peer.address).ask("GET", "sys/health", &Value::Null, false).0 != 200 {
        assert!(Instant::now() < end, "the peer does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    peer
}

/// One of the two servers, and what was kept of its answers.
struct Side {
    address: String,
    kept: BTreeMap<String, String>,
}

impl Side {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), kept: BTreeMap::new() }
    }
    fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }
    /// Status and body, the way any client sends it.
    fn ask(&self, method: &str, path: &str, body: &Value, token: bool) -> (u16, Value) {
        let url = format!("{}/v1/{}", self.address, self.filled(path).replace(' ', "%20"));
        let mut curl = Command::new("curl");
        curl.args(["-s", "-m", "20", "-X", method, "-w", "\n%{http_code}", &url]);
        if token {
            curl.args(["-H", "X-Vault-Token: root"]);
        }
        if !body.is_null() {
            curl.args(["-d", &self.filled(&body.to_string())]);
        }
        let text = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }
    fn keep(&mut self, answer: &Value, options: &Value) {
        for (name, field) in options["keep"].as_object().into_iter().flatten() {
            let value = answer["data"][field.as_str().unwrap()].as_str().unwrap_or_default();
            self.kept.insert(name.clone(), value.to_owned());
        }
    }
}

/// What a client can tell apart, without what differs from one request to the next and what Vault has and the peer has not.
fn seen(answer: &Value) -> Value {
    const VAULTS: [&str; 3] = ["allowed_organizations", "ocsp_max_retries", "ocsp_this_update_max_age"];
    const CHANCE: [&str; 9] = [
        "role_id",
        "secret_id",
        "secret_id_accessor",
        "creation_time",
        "expiration_time",
        "last_updated_time",
        "client_token",
        "accessor",
        "entity_id",
    ];
    let strip = |part: &Value| {
        let strip = |object: &Map<String, Value>| {
            let mut object = object.clone();
            object.retain(|name, _| !CHANCE.contains(&name.as_str()) && !VAULTS.contains(&name.as_str()));
            if let Some(seconds) = object.get("lease_duration").and_then(Value::as_u64) {
                // A second may have passed since the login.
                object.insert("lease_duration".into(), json!((seconds + 1) / 10));
            }
            object.sort_keys();
            Value::Object(object)
        };
        part.as_object().map_or_else(|| part.clone(), strip)
    };
    json!({ "data": strip(&answer["data"]), "auth": strip(&answer["auth"]), "warnings": answer["warnings"] })
}

fn errors(answer: &Value) -> String {
    let all = answer["errors"].as_array().cloned().unwrap_or_default();
    let text = all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
    let inner = text.trim().strip_prefix("1 error occurred:").unwrap_or(&text);
    inner.trim().trim_start_matches("* ").trim().to_owned()
}

/// `None` where the two are the same to a client.
fn difference(ours: &(u16, Value), theirs: &(u16, Value), options: &Value) -> Option<String> {
    let same = if let Some(expected) = options["ours"].as_array() {
        let text = format!("{} {}", errors(&ours.1), seen(&ours.1));
        expected[0] == ours.0 && text.contains(expected[1].as_str().unwrap())
    } else if options["only"] == "status" {
        ours.0 == theirs.0
    } else {
        // An error of ours may say more than theirs: what would be right.
        ours.0 == theirs.0 && seen(&ours.1) == seen(&theirs.1) && errors(&ours.1).contains(&errors(&theirs.1))
    };
    (!same).then(|| format!("ours:   {} {}\ntheirs: {} {}", ours.0, ours.1, theirs.0, theirs.1))
}

async fn compare(kind: &str, steps: &str, least: usize) {
    let program = tool("bao-2.7.2", "bao");
    let peer = peer(&program);
    let lessor = Lessor::dev().await;
    let (mut ours, mut theirs) = (Side::new(&lessor.address), Side::new(&peer.address));
    for side in [&ours, &theirs] {
        assert_eq!(side.ask("POST", &format!("sys/auth/{kind}"), &json!({ "type": kind }), true).0, 204);
    }
    let steps: Vec<Vec<Value>> = serde_json::from_str(steps).unwrap();
    assert!(steps.len() >= least);
    let mut different = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let nothing = Value::Null;
        let (method, path) = (step[0].as_str().unwrap(), format!("auth/{kind}/{}", step[1].as_str().unwrap()));
        let (body, options) = (step.get(2).unwrap_or(&nothing), step.get(3).unwrap_or(&nothing));
        let token = options["token"] != false;
        let answers = (ours.ask(method, &path, body, token), theirs.ask(method, &path, body, token));
        ours.keep(&answers.0.1, options);
        theirs.keep(&answers.1.1, options);
        if let Some(text) = difference(&answers.0, &answers.1, options) {
            different.push(format!("{number}: {method} {path} {body}\n{text}"));
        }
    }
    assert!(different.is_empty(), "{} of {}:\n{}", different.len(), steps.len(), different.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn approle_answers_as_the_peer_does() {
    compare("approle", include_str!("approle.pairs.json"), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn userpass_answers_as_the_peer_does() {
    compare("userpass", include_str!("userpass.pairs.json"), 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cert_answers_as_the_peer_does() {
    compare("cert", include_str!("cert.pairs.json"), 30).await;
}
