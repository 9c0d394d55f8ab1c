//! The identity endpoints beside the peer's: the same requests, the same answers. Ids, times and accessors are made equal
//! by the order of their first appearance; what differs on purpose stands in docs/compatibility.md.
use crate::lessor::Lessor;
use crate::targets::peer::Peer;
use lessor_client::{Client, Config, Error, Request, Token};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One server and what its answers were called.
struct Side {
    client: Client,
    /// `$name` of a step: what an earlier answer held.
    kept: HashMap<String, String>,
    /// Random texts by the order of their appearance.
    seen: Vec<String>,
}

/// A request, and the name its `data.id` is kept under.
type Step = (&'static str, &'static str, Value, &'static str);

impl Side {
    async fn new(address: &str) -> Self {
        let config = Config {
            address: address.to_owned(),
            token: Some(Token::new("root")),
            max_retries: 0,
            ..Config::default()
        };
        let mut side = Self { client: Client::new(config).unwrap(), kept: HashMap::new(), seen: Vec::new() };
        let end = Instant::now() + Duration::from_secs(30);
        while side.client.send(Request::get("sys/mounts")).await.is_err() {
            assert!(Instant::now() < end, "{address} does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = side.client.send(Request::put("sys/mounts/other", json!({ "type": "kv" }))).await.unwrap();
        let mounts = side.client.send(Request::get("sys/mounts")).await.unwrap().json.unwrap();
        for (name, path) in [("a", "secret/"), ("b", "other/")] {
            let accessor = mounts["data"][path]["accessor"].as_str().unwrap().to_owned();
            side.kept.insert(name.to_owned(), accessor);
        }
        side
    }
    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.kept {
            filled = filled.replace(&format!("${name}$"), value);
        }
        filled
    }
    async fn run(&mut self, (method, path, body, keep): &Step) -> Value {
        let path = self.fill(path);
        let body: Value = serde_json::from_str(&self.fill(&body.to_string())).unwrap();
        let request = match *method {
            "GET" => Request::get(&path),
            "LIST" => Request::list(&path),
            "DELETE" => Request::delete(&path),
            _ => Request::put(&path, body),
        };
        let (status, mut answer) = match self.client.send(request).await {
            Ok(response) => (response.status, response.json.unwrap_or_default()),
            Err(Error::Api(api)) => (api.status, json!({ "errors": api.errors })),
            Err(other) => panic!("{method} {path}: {other}"),
        };
        if !keep.is_empty() {
            let id = answer["data"]["id"].as_str().unwrap_or_else(|| panic!("{method} {path}: {answer}"));
            self.kept.insert((*keep).to_owned(), id.to_owned());
        }
        if let Some(map) = answer.as_object_mut() {
            for name in ["request_id", "lease_id", "lease_duration", "renewable", "wrap_info", "auth"] {
                map.remove(name);
            }
        }
        let answer = self.plain(answer);
        json!({ "status": status, "answer": answer })
    }
    /// Without what is random.
    fn plain(&mut self, value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut plain: Map<String, Value> = Map::new();
                let mut fields: Vec<(String, Value)> = map.into_iter().collect();
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                for (name, value) in fields {
                    let value = match name.as_str() {
                        "creation_time" | "last_update_time" => json!("time"),
                        _ => self.plain(value),
                    };
                    plain.insert(self.text(&name), value);
                }
                plain.into()
            }
            Value::Array(list) => {
                let mut list: Vec<Value> = list.into_iter().map(|value| self.plain(value)).collect();
                list.sort_by_key(Value::to_string);
                list.into()
            }
            Value::String(text) => self.text(&text).into(),
            other => other,
        }
    }
    fn text(&mut self, text: &str) -> String {
        let mut plain = text.to_owned();
        for (name, value) in &self.kept {
            plain = plain.replace(value, &format!("<{name}>"));
        }
        let words = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
        let random = |word: &str| {
            let made_up = word.starts_with("entity_") || word.starts_with("group_");
            word.len() == 36 && word.matches('-').count() == 4 || made_up && word.ends_with(".root")
        };
        let found: Vec<String> = plain.split(words).filter(|word| random(word)).map(str::to_owned).collect();
        for word in found {
            let at = self.seen.iter().position(|seen| *seen == word).unwrap_or_else(|| {
                self.seen.push(word.clone());
                self.seen.len() - 1
            });
            plain = plain.replace(&word, &format!("<{at}>"));
        }
        plain
    }
}

/// Both sides answer the same to every step but for the status of wrong input, where the peer says 500 to some.
async fn compare(steps: &[Step]) {
    let peer = Peer::start();
    let lessor = Lessor::dev().await;
    let (mut ours, mut theirs) = (Side::new(&lessor.address).await, Side::new(&peer.address).await);
    let mut differences = Vec::new();
    for step in steps {
        let (our, mut their) = (ours.run(step).await, theirs.run(step).await);
        if their["status"] == 500 && our["status"] == 400 {
            // Documented: wrong input is 400 here, without the list around a single error.
            let text = their["answer"]["errors"][0].as_str().unwrap_or_default();
            let bare = text.trim_start_matches("1 error occurred:\n\t* ").trim_end_matches("\n\n").to_owned();
            their = json!({ "status": 400, "answer": { "errors": [bare] } });
        }
        if our != their {
            differences.push(format!("{} {} {}\n  ours   {our}\n  theirs {their}", step.0, step.1, step.2));
        }
    }
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), steps.len(), differences.join("\n"));
}

fn none() -> Value {
    json!({})
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_aliases_and_merges_answer_as_the_peer_does() {
    let long = "x".repeat(513);
    let steps: Vec<Step> = vec![
        ("LIST", "identity/entity/id", none(), ""),
        ("POST", "identity/entity", none(), "e0"),
        (
            "POST",
            "identity/entity",
            json!({ "name": "bob", "metadata": { "a": "1" }, "policies": ["P1", "b", "p1"] }),
            "e1",
        ),
        ("GET", "identity/entity/id/$e1$", none(), ""),
        ("GET", "identity/entity/name/BOB", none(), ""),
        ("GET", "identity/entity/id/nope", none(), ""),
        ("GET", "identity/entity/name/nope", none(), ""),
        ("POST", "identity/entity", json!({ "name": "bob", "metadata": { "b": "2" } }), ""),
        ("GET", "identity/entity/name/bob", none(), ""),
        ("POST", "identity/entity", json!({ "id": "$e1$", "name": "robert", "policies": "a,b" }), ""),
        ("GET", "identity/entity/id/$e1$", none(), ""),
        ("POST", "identity/entity/id/$e1$", json!({ "disabled": true }), ""),
        ("POST", "identity/entity", json!({ "id": "nope", "name": "y" }), ""),
        ("POST", "identity/entity/id/nope", json!({ "name": "q" }), ""),
        ("POST", "identity/entity", json!({ "name": "r", "policies": ["root"] }), ""),
        ("POST", "identity/entity/name/new", json!({ "metadata": { "k": "v" } }), "new"),
        ("POST", "identity/entity/name/new", json!({ "id": "$e1$" }), ""),
        ("POST", "identity/entity", json!({ "name": "m", "metadata": { "": "x" } }), ""),
        ("POST", "identity/entity", json!({ "name": "m", "metadata": { "k": long } }), ""),
        ("POST", "identity/entity", json!({ "name": "a/b" }), "slash"),
        ("GET", "identity/entity/name/a/b", none(), ""),
        ("POST", "identity/entity", json!({ "name": "wrn", "foo": "1" }), "wrn"),
        ("LIST", "identity/entity/id", none(), ""),
        ("LIST", "identity/entity/name", none(), ""),
        (
            "POST",
            "identity/entity-alias",
            json!({ "name": "al", "canonical_id": "$e1$", "mount_accessor": "$a$", "custom_metadata": { "c": "1" } }),
            "al",
        ),
        ("POST", "identity/entity-alias", json!({ "name": "al", "canonical_id": "$e1$", "mount_accessor": "$a$" }), ""),
        (
            "POST",
            "identity/entity-alias",
            json!({ "name": "al2", "canonical_id": "$e1$", "mount_accessor": "$a$" }),
            "",
        ),
        ("POST", "identity/entity-alias", json!({ "name": "al", "canonical_id": "$e0$", "mount_accessor": "$b$" }), ""),
        ("POST", "identity/entity-alias", json!({ "name": "al", "canonical_id": "$e0$", "mount_accessor": "$a$" }), ""),
        ("POST", "identity/entity-alias", json!({ "name": "x", "canonical_id": "nope", "mount_accessor": "$a$" }), ""),
        ("POST", "identity/entity-alias", json!({ "name": "x", "canonical_id": "$e0$", "mount_accessor": "nope" }), ""),
        ("POST", "identity/entity-alias", json!({ "canonical_id": "$e0$", "mount_accessor": "$a$" }), ""),
        ("POST", "identity/entity-alias", json!({ "name": "x", "canonical_id": "$e0$" }), ""),
        ("POST", "identity/entity-alias", json!({ "id": "nope", "name": "x" }), ""),
        ("POST", "identity/entity-alias", json!({ "id": "$al$", "custom_metadata": { "d": "2" } }), ""),
        ("GET", "identity/entity-alias/id/$al$", none(), ""),
        ("GET", "identity/entity-alias/id/nope", none(), ""),
        (
            "POST",
            "identity/entity-alias/id/$al$",
            json!({ "name": "renamed", "canonical_id": "$e0$", "mount_accessor": "$a$" }),
            "",
        ),
        ("GET", "identity/entity-alias/id/$al$", none(), ""),
        ("POST", "identity/entity-alias/id/$al$", json!({ "canonical_id": "nope" }), ""),
        ("POST", "identity/entity-alias/id/$al$", json!({ "custom_metadata": { "": "x" } }), ""),
        ("POST", "identity/entity-alias/id/$al$", json!({ "custom_metadata": { "k": long } }), ""),
        ("GET", "identity/entity/id/$e0$", none(), ""),
        ("GET", "identity/entity/id/$e1$", none(), ""),
        ("POST", "identity/lookup/entity", none(), ""),
        ("POST", "identity/lookup/entity", json!({ "name": "ROBERT" }), ""),
        ("POST", "identity/lookup/entity", json!({ "id": "$e1$" }), ""),
        ("POST", "identity/lookup/entity", json!({ "id": "nope" }), ""),
        ("POST", "identity/lookup/entity", json!({ "alias_id": "$al$" }), ""),
        ("POST", "identity/lookup/entity", json!({ "alias_name": "renamed", "alias_mount_accessor": "$a$" }), ""),
        ("POST", "identity/lookup/entity", json!({ "alias_name": "al" }), ""),
        ("POST", "identity/lookup/entity", json!({ "name": "a", "id": "b" }), ""),
        ("GET", "identity/lookup/entity", none(), ""),
        ("POST", "identity/entity", json!({ "name": "m1", "metadata": { "a": "1" }, "policies": ["p1"] }), "m1"),
        ("POST", "identity/entity", json!({ "name": "m2", "metadata": { "b": "2" }, "policies": ["p2"] }), "m2"),
        ("POST", "identity/entity", json!({ "name": "m3" }), "m3"),
        (
            "POST",
            "identity/entity-alias",
            json!({ "name": "x1", "canonical_id": "$m1$", "mount_accessor": "$a$" }),
            "x1",
        ),
        (
            "POST",
            "identity/entity-alias",
            json!({ "name": "x2", "canonical_id": "$m2$", "mount_accessor": "$b$" }),
            "x2",
        ),
        (
            "POST",
            "identity/entity-alias",
            json!({ "name": "x3", "canonical_id": "$m3$", "mount_accessor": "$a$" }),
            "x3",
        ),
        ("POST", "identity/entity/merge", none(), ""),
        ("POST", "identity/entity/merge", json!({ "to_entity_id": "$m1$" }), ""),
        ("POST", "identity/entity/merge", json!({ "to_entity_id": "nope", "from_entity_ids": ["$m2$"] }), ""),
        ("POST", "identity/entity/merge", json!({ "to_entity_id": "$m1$", "from_entity_ids": ["nope"] }), ""),
        ("POST", "identity/entity/merge", json!({ "to_entity_id": "$m1$", "from_entity_ids": ["$m1$"] }), ""),
        ("POST", "identity/entity/merge", json!({ "to_entity_id": "$m1$", "from_entity_ids": ["$m2$"] }), ""),
        ("GET", "identity/entity/id/$m1$", none(), ""),
        ("GET", "identity/entity/id/$m2$", none(), ""),
        ("POST", "identity/entity/merge", json!({ "to_entity_id": "$m1$", "from_entity_ids": ["$m3$"] }), ""),
        ("DELETE", "identity/entity-alias/id/nope", none(), ""),
        ("DELETE", "identity/entity-alias/id/$al$", none(), ""),
        ("GET", "identity/entity-alias/id/$al$", none(), ""),
        ("DELETE", "identity/entity/id/nope", none(), ""),
        ("DELETE", "identity/entity/name/new", none(), ""),
        ("POST", "identity/entity/batch-delete", none(), ""),
        ("POST", "identity/entity/batch-delete", json!({ "entity_ids": ["nope", "$e0$"] }), ""),
        ("GET", "identity/entity/id/$e0$", none(), ""),
        ("GET", "identity/entity", none(), ""),
        ("POST", "identity/zzz", none(), ""),
    ];
    compare(&steps).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_their_aliases_answer_as_the_peer_does() {
    let steps: Vec<Step> = vec![
        ("POST", "identity/entity", json!({ "name": "bob" }), "e"),
        ("LIST", "identity/group/name", none(), ""),
        ("POST", "identity/group", none(), "g0"),
        (
            "POST",
            "identity/group",
            json!({ "name": "g1", "policies": ["P", "q"], "metadata": { "x": "y" }, "member_entity_ids": ["$e$"] }),
            "g1",
        ),
        ("GET", "identity/group/id/$g1$", none(), ""),
        ("GET", "identity/group/name/G1", none(), ""),
        ("POST", "identity/group", json!({ "name": "g1", "policies": "r" }), ""),
        ("POST", "identity/group", json!({ "name": "g9", "member_entity_ids": ["nope"] }), ""),
        ("POST", "identity/group", json!({ "name": "g9", "member_group_ids": ["nope"] }), ""),
        ("POST", "identity/group", json!({ "name": "g9", "type": "weird" }), ""),
        ("POST", "identity/group", json!({ "name": "g1", "type": "external" }), ""),
        ("POST", "identity/group", json!({ "name": "gx", "type": "external", "member_entity_ids": ["$e$"] }), ""),
        ("POST", "identity/group", json!({ "name": "gx", "type": "external", "member_group_ids": ["$g1$"] }), ""),
        ("POST", "identity/group", json!({ "name": "gx", "type": "external", "policies": ["xp"] }), "gx"),
        ("POST", "identity/group", json!({ "name": "gy", "type": "external" }), "gy"),
        ("GET", "identity/group/id/$gx$", none(), ""),
        ("POST", "identity/group/id/nope", json!({ "name": "u" }), ""),
        ("POST", "identity/group", json!({ "name": "rt", "policies": ["root"] }), ""),
        ("POST", "identity/group", json!({ "name": "g2", "member_group_ids": ["$g1$"], "policies": ["p2"] }), "g2"),
        ("POST", "identity/group/name/g3", json!({ "member_group_ids": ["$g2$"] }), "g3"),
        ("POST", "identity/group/id/$g1$", json!({ "member_group_ids": ["$g3$"] }), ""),
        ("POST", "identity/group/id/$g1$", json!({ "member_group_ids": ["$g1$"] }), ""),
        ("GET", "identity/entity/id/$e$", none(), ""),
        ("POST", "identity/group/id/$g1$", json!({ "name": "g2" }), ""),
        ("POST", "identity/group/id/$g1$", json!({ "name": "g1b" }), ""),
        ("GET", "identity/group/name/g1", none(), ""),
        ("LIST", "identity/group/id", none(), ""),
        ("LIST", "identity/group/name", none(), ""),
        ("POST", "identity/group-alias", none(), ""),
        ("POST", "identity/group-alias", json!({ "name": "ga", "canonical_id": "$gx$" }), ""),
        ("POST", "identity/group-alias", json!({ "name": "ga", "mount_accessor": "nope", "canonical_id": "$gx$" }), ""),
        ("POST", "identity/group-alias", json!({ "name": "ga", "mount_accessor": "$a$", "canonical_id": "nope" }), ""),
        ("POST", "identity/group-alias", json!({ "name": "ga", "mount_accessor": "$a$", "canonical_id": "$g1$" }), ""),
        (
            "POST",
            "identity/group-alias",
            json!({ "name": "ga", "mount_accessor": "$a$", "canonical_id": "$gx$" }),
            "ga",
        ),
        ("GET", "identity/group-alias/id/$ga$", none(), ""),
        ("GET", "identity/group-alias/id/nope", none(), ""),
        ("POST", "identity/group-alias", json!({ "name": "ga", "mount_accessor": "$a$", "canonical_id": "$gy$" }), ""),
        ("POST", "identity/group-alias", json!({ "id": "nope", "name": "gb", "mount_accessor": "$a$" }), ""),
        ("LIST", "identity/group-alias/id", none(), ""),
        ("POST", "identity/lookup/group", none(), ""),
        ("POST", "identity/lookup/group", json!({ "name": "g2" }), ""),
        ("POST", "identity/lookup/group", json!({ "id": "nope" }), ""),
        ("POST", "identity/lookup/group", json!({ "alias_id": "$ga$" }), ""),
        ("POST", "identity/lookup/group", json!({ "alias_name": "ga", "alias_mount_accessor": "$a$" }), ""),
        ("POST", "identity/lookup/group", json!({ "alias_name": "q" }), ""),
        ("DELETE", "identity/group-alias/id/$ga$", none(), ""),
        ("DELETE", "identity/group-alias/id/nope", none(), ""),
        ("DELETE", "identity/group/id/$g1$", none(), ""),
        ("DELETE", "identity/group/name/nope", none(), ""),
        ("GET", "identity/entity/id/$e$", none(), ""),
    ];
    compare(&steps).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_tokens_and_the_provider_answer_as_the_peer_does() {
    let steps: Vec<Step> = vec![
        ("GET", "identity/oidc/config", none(), ""),
        ("POST", "identity/oidc/config", json!({ "issuer": "https://x/path" }), ""),
        ("POST", "identity/oidc/config", json!({ "issuer": "https://iss.example:8200" }), ""),
        ("GET", "identity/oidc/.well-known/openid-configuration", none(), ""),
        ("GET", "identity/oidc/.well-known/keys", none(), ""),
        ("LIST", "identity/oidc/key", none(), ""),
        ("GET", "identity/oidc/key/default", none(), ""),
        ("GET", "identity/oidc/key/nope", none(), ""),
        ("POST", "identity/oidc/key/k2", json!({ "algorithm": "nope" }), ""),
        ("POST", "identity/oidc/key/k2", json!({ "rotation_period": 10 }), ""),
        ("POST", "identity/oidc/key/k2", json!({ "rotation_period": "1m" }), ""),
        (
            "POST",
            "identity/oidc/key/k2",
            json!({ "algorithm": "EdDSA", "rotation_period": "1h", "verification_ttl": "2h" }),
            "",
        ),
        ("GET", "identity/oidc/key/k2", none(), ""),
        ("POST", "identity/oidc/key/k2/rotate", none(), ""),
        ("POST", "identity/oidc/key/nope/rotate", none(), ""),
        ("DELETE", "identity/oidc/key/default", none(), ""),
        ("DELETE", "identity/oidc/key/nope", none(), ""),
        ("POST", "identity/oidc/role/r1", none(), ""),
        ("POST", "identity/oidc/role/r1", json!({ "key": "nope" }), ""),
        ("POST", "identity/oidc/role/r1", json!({ "key": "k2", "ttl": "3h" }), ""),
        (
            "POST",
            "identity/oidc/role/r1",
            json!({ "key": "k2", "ttl": "1h", "client_id": "c", "template": "eyJhIjoiYiJ9" }),
            "",
        ),
        ("GET", "identity/oidc/role/r1", none(), ""),
        ("POST", "identity/oidc/role/r2", json!({ "key": "k2", "template": "{\"a\":{{identity.entity.nope}}}" }), ""),
        ("POST", "identity/oidc/role/r2", json!({ "key": "k2", "template": "{\"aud\":\"x\"}" }), ""),
        ("LIST", "identity/oidc/role", none(), ""),
        ("DELETE", "identity/oidc/key/k2", none(), ""),
        ("GET", "identity/oidc/token/r1", none(), ""),
        ("GET", "identity/oidc/token/zz", none(), ""),
        ("LIST", "identity/oidc/assignment", none(), ""),
        ("GET", "identity/oidc/assignment/allow_all", none(), ""),
        ("POST", "identity/oidc/assignment/allow_all", none(), ""),
        ("DELETE", "identity/oidc/assignment/allow_all", none(), ""),
        ("POST", "identity/oidc/assignment/a1", json!({ "entity_ids": ["nope"], "group_ids": "x" }), ""),
        ("GET", "identity/oidc/assignment/a1", none(), ""),
        ("LIST", "identity/oidc/scope", none(), ""),
        ("POST", "identity/oidc/scope/openid", none(), ""),
        ("POST", "identity/oidc/scope/s1", json!({ "template": "{\"a\":1}", "description": "d" }), ""),
        ("GET", "identity/oidc/scope/s1", none(), ""),
        ("POST", "identity/oidc/client/c1", json!({ "key": "nope" }), ""),
        ("POST", "identity/oidc/client/c1", json!({ "assignments": "zz" }), ""),
        ("POST", "identity/oidc/client/c1", json!({ "client_type": "zz" }), ""),
        ("POST", "identity/oidc/client/c1", json!({ "id_token_ttl": "48h" }), ""),
        ("POST", "identity/oidc/client/c1", json!({ "redirect_uris": "https://app/cb", "assignments": "a1" }), ""),
        ("POST", "identity/oidc/client/c1", json!({ "key": "k2" }), ""),
        ("POST", "identity/oidc/client/c1", json!({ "client_type": "public" }), ""),
        ("DELETE", "identity/oidc/assignment/a1", none(), ""),
        ("POST", "identity/oidc/provider/p1", json!({ "issuer": "nope" }), ""),
        ("POST", "identity/oidc/provider/p1", json!({ "scopes_supported": ["zz"] }), ""),
        (
            "POST",
            "identity/oidc/provider/p1",
            json!({ "scopes_supported": ["s1"], "issuer": "https://iss.example" }),
            "",
        ),
        ("GET", "identity/oidc/provider/p1", none(), ""),
        ("GET", "identity/oidc/provider/zz", none(), ""),
        ("DELETE", "identity/oidc/provider/default", none(), ""),
        ("DELETE", "identity/oidc/scope/s1", none(), ""),
        ("GET", "identity/oidc/provider/p1/.well-known/openid-configuration", none(), ""),
        ("POST", "identity/mfa/method/totp", none(), ""),
        ("POST", "identity/mfa/method/totp", json!({ "issuer": "x", "digits": 7 }), ""),
        ("POST", "identity/mfa/method/totp", json!({ "issuer": "x", "skew": 2 }), ""),
        ("POST", "identity/mfa/method/totp", json!({ "issuer": "x", "algorithm": "MD5" }), ""),
        ("POST", "identity/mfa/method/totp", json!({ "issuer": "x", "key_size": 0 }), ""),
        ("POST", "identity/mfa/method/duo", none(), ""),
        ("POST", "identity/mfa/method/okta", none(), ""),
        ("POST", "identity/mfa/method/pingid", none(), ""),
        ("POST", "identity/mfa/method/totp/admin-generate", none(), ""),
        ("POST", "identity/mfa/method/totp/admin-destroy", none(), ""),
        ("LIST", "identity/mfa/method", none(), ""),
        ("POST", "identity/mfa/login-enforcement/le", none(), ""),
        ("POST", "identity/mfa/login-enforcement/le", json!({ "mfa_method_ids": ["nope"] }), ""),
        ("GET", "identity/mfa/login-enforcement/le", none(), ""),
        ("POST", "sys/mfa/validate", none(), ""),
        ("POST", "sys/mfa/validate", json!({ "mfa_request_id": "nope" }), ""),
    ];
    compare(&steps).await;
}
