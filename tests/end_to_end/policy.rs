//! Policies over HTTP, beside the peer: the same requests have to be let through and refused.
use crate::lessor::Lessor;
use crate::targets::bao::{Bao, Side};
use lessor_client::Method::{self, Delete, Get, Patch, Put};
use serde_json::{Value, json};

async fn both() -> (Lessor, Bao, [Side; 2]) {
    let (lessor, bao) = (Lessor::dev().await, Bao::dev().await);
    let sides = [Side::new(&lessor.address), bao.side()];
    for side in &sides {
        side.put("sys/mounts/kv1", json!({ "type": "kv" })).await;
        side.put("kv1/there", json!({ "x": "1" })).await;
        side.put("kv1/dir/a", json!({ "x": "1" })).await;
    }
    (lessor, bao, sides)
}

type Asked<'a> = (Method, &'a str, Option<Value>);

/// Whether a token with this policy is let through.
async fn passes(side: &Side, text: &str, (method, path, body): Asked<'_>) -> bool {
    side.policy("p", text).await;
    let token = side.token(&["p".to_owned()]).await;
    let (status, answer) = side.with(&token, None).ask(method, path, body).await;
    assert!(matches!(status, 200 | 204 | 403 | 404), "{path}: {status} {answer}");
    status != 403
}

const ALL: &str = "capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\", \"patch\"]";

fn with(more: &str) -> String {
    format!("path \"kv1/*\" {{ {ALL}\n {more} }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_operations_and_folders_are_judged_as_by_the_peer() {
    let (_lessor, _bao, sides) = both().await;
    let write = |body: Value| (Put, "kv1/there", Some(body));
    let whitelist = with(
        r#"allowed_parameters = { "req" = [] "a" = ["x", "y*", "*z", "*m*", "*"] } required_parameters = ["req"]"#,
    );
    let blacklist = with(r#"denied_parameters = { "bad" = [] "V" = ["no", "n*"] "flag" = [true] }"#);
    let others = with(r#"allowed_parameters = { "*" = [] "a" = ["x"] }"#);
    let none = with(r#"denied_parameters = { "*" = [] }"#);
    let whole = with(r#"allowed_parameters = { "a" = [["x", "y"]] "b" = [{ "k" = "v" }] }"#);
    let version = with(r#"denied_parameters = { "version" = [] }"#);
    let verb = |path: &str, word: &str| format!("path \"{path}\" {{ capabilities = [\"{word}\"] }}");
    let list = |path: &'static str| (Get, path, None);
    let mut cases: Vec<(String, Asked<'_>)> = Vec::new();
    for body in [
        json!({ "req": "1" }),
        json!({ "a": "x" }),
        json!({ "req": "1", "a": "yes" }),
        json!({ "req": "1", "a": "buzz" }),
        json!({ "req": "1", "a": "amb" }),
        json!({ "req": "1", "a": "no" }),
        json!({ "req": "1", "a": "*" }),
        json!({ "req": "1", "A": "no" }),
        json!({ "REQ": "1" }),
        json!({ "req": "1", "c": "no" }),
        json!({ "req": "1", "a": null }),
    ] {
        cases.push((whitelist.clone(), write(body)));
    }
    for body in [
        json!({ "bad": "x" }),
        json!({ "BAD": 1 }),
        json!({ "v": "no" }),
        json!({ "v": "nothing" }),
        json!({ "v": "yes" }),
        json!({ "flag": true }),
        json!({ "flag": false }),
        json!({ "w": { "bad": 1 } }),
    ] {
        cases.push((blacklist.clone(), write(body)));
    }
    for body in [json!({ "a": "x", "b": 1 }), json!({ "a": "y", "b": 1 }), json!({ "b": 1 })] {
        cases.push((others.clone(), write(body.clone())));
        cases.push((none.clone(), write(body)));
    }
    for body in
        [json!({ "a": ["x", "y"] }), json!({ "a": ["y", "x"] }), json!({ "a": "x" }), json!({ "b": { "k": "w" } })]
    {
        cases.push((whole.clone(), write(body)));
    }
    cases.push((version.clone(), (Get, "kv1/there?version=1", None)));
    cases.push((version.clone(), (Get, "kv1/there", None)));
    cases.push((version, (Delete, "kv1/nothing?version=1", None)));
    cases.push((whitelist, list("kv1/dir?list=true")));
    for (word, path) in
        [("create", "kv1/there"), ("update", "kv1/there"), ("create", "kv1/new"), ("update", "kv1/other")]
    {
        cases.push((verb("kv1/*", word), (Put, path, Some(json!({ "x": 1 })))));
    }
    for form in ["kv1/dir", "kv1/dir/", "kv1/dir/*", "kv1/di*", "kv1/+", "kv1/+/", "kv1/dir/a", "kv1/dirx*"] {
        cases.push((verb(form, "list"), list("kv1/dir?list=true")));
        cases.push((verb(form, "read"), list("kv1/dir?list=true")));
    }
    cases.push((verb("sys/audit", "read"), list("sys/audit")));
    cases.push(("path \"sys/audit\" { capabilities = [\"read\", \"sudo\"] }".into(), list("sys/audit")));
    cases.push((verb("sys/mounts", "read"), list("sys/mounts")));
    cases.push((verb("sys/auth", "read"), list("sys/auth")));
    cases.push((verb("sys/policies/*", "list"), list("sys/policies/acl?list=true")));
    cases.push((verb("sys/leases/lookup/*", "list"), list("sys/leases/lookup/kv1?list=true")));
    cases.push((verb("auth/token/accessors", "list"), list("auth/token/accessors?list=true")));
    for (text, request) in cases {
        let passed = [passes(&sides[0], &text, request.clone()).await, passes(&sides[1], &text, request.clone()).await];
        assert_eq!(passed[0], passed[1], "ours, theirs: {request:?} under {text}");
    }
}

/// What differs on purpose: lists by element, as Vault has it since 1.21, and numbers by their text.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_judged_by_element_and_numbers_by_their_text() {
    let (_lessor, _bao, sides) = both().await;
    let allowed = with(r#"allowed_parameters = { "a" = ["x", "y", 1] }"#);
    let denied = with(r#"denied_parameters = { "a" = ["x", 1] }"#);
    for (text, body, ours, theirs) in [
        (&allowed, json!({ "a": ["x"] }), true, false),
        (&allowed, json!({ "a": ["x", "y"] }), true, false),
        (&allowed, json!({ "a": ["x", "z"] }), false, false),
        (&allowed, json!({ "a": 1 }), true, false),
        (&denied, json!({ "a": ["x"] }), false, true),
        (&denied, json!({ "a": ["z", "x"] }), false, true),
        (&denied, json!({ "a": ["z"] }), true, true),
        (&denied, json!({ "a": 1 }), false, true),
    ] {
        let request = (Put, "kv1/there", Some(body));
        let passed = [passes(&sides[0], text, request.clone()).await, passes(&sides[1], text, request.clone()).await];
        assert_eq!(passed, [ours, theirs], "{request:?} under {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapping_is_bounded_as_by_the_peer() {
    let (_lessor, _bao, sides) = both().await;
    for bounds in [
        "min_wrapping_ttl = \"10s\" max_wrapping_ttl = \"90s\"",
        "min_wrapping_ttl = 10",
        "max_wrapping_ttl = \"1m30s\"",
        "min_wrapping_ttl = \"0s\"",
    ] {
        let text = with(bounds);
        let mut seen = Vec::new();
        for side in &sides {
            side.policy("p", &text).await;
            let token = side.token(&["p".to_owned()]).await;
            let mut statuses = Vec::new();
            for ttl in [None, Some("5s"), Some("10s"), Some("60s"), Some("90s"), Some("600s")] {
                statuses.push(side.with(&token, ttl).ask(Get, "kv1/there", None).await.0);
            }
            seen.push(statuses);
        }
        assert_eq!(seen[0], seen[1], "ours, theirs: {bounds}");
        assert!(seen[0].iter().all(|status| matches!(status, 200 | 403)), "{seen:?}");
    }
}

/// What is the same on both sides of an answer.
fn essence(mut body: Value) -> Value {
    if !body["errors"].is_null() {
        let text = body["errors"].to_string().replace("1 error occurred:\\n\\t* ", "").replace("\\n\\n", "");
        return text.into();
    }
    if let Some(data) = body["data"].as_object_mut() {
        data.remove("modified");
        for names in ["keys", "policies"] {
            if let Some(Value::Array(names)) = data.get_mut(names) {
                names.sort_by_key(ToString::to_string);
            }
        }
    }
    json!({ "data": body["data"].take(), "warnings": body["warnings"].take() })
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_kept_and_shown_as_by_the_peer() {
    let (_lessor, _bao, sides) = both().await;
    let text = "path \"kv1/*\" { capabilities = [\"read\"] }";
    let base64 = "cGF0aCAia3YxLyoiIHsgY2FwYWJpbGl0aWVzID0gWyJyZWFkIl0gfQ==";
    let policy = |more: Value| {
        let mut body = json!({ "policy": text });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(body)
    };
    let steps = [
        (Get, "sys/policies/acl", None),
        (Get, "sys/policies/acl?list=true", None),
        (Get, "sys/policies/acl/nope", None),
        (Get, "sys/policies/acl/root", None),
        (Put, "sys/policies/acl/root", policy(json!({}))),
        (Put, "sys/policies/acl/response-wrapping", policy(json!({}))),
        (Delete, "sys/policies/acl/root", None),
        (Delete, "sys/policies/acl/default", None),
        (Delete, "sys/policies/acl/nope", None),
        (Put, "sys/policies/acl/A.B", policy(json!({}))),
        (Get, "sys/policies/acl/a.b", None),
        (Put, "sys/policies/acl/a/b", Some(json!({ "policy": base64 }))),
        (Get, "sys/policies/acl/a/b", None),
        (Get, "sys/policies/acl/a?list=true", None),
        (Put, "sys/policies/acl/e", Some(json!({ "policy": "" }))),
        (Put, "sys/policies/acl/e", Some(json!({}))),
        (Put, "sys/policies/acl/e", Some(json!({ "policy": "foo = 1" }))),
        (Put, "sys/policies/acl/e", Some(json!({ "policy": "path \"x\" { caps = [] }" }))),
        (Put, "sys/policy/e", Some(json!({}))),
        (Put, "sys/policy/e", Some(json!({ "rules": text }))),
        (Get, "sys/policy/e", None),
        (Put, "sys/policy/e", policy(json!({}))),
        (Get, "sys/policy", None),
        (Get, "sys/policy/root", None),
        (Delete, "sys/policy/e", None),
        (Get, "sys/policy/e", None),
        (Put, "sys/policies/acl/c", policy(json!({ "cas": 5 }))),
        (Put, "sys/policies/acl/c", policy(json!({ "cas": -1 }))),
        (Put, "sys/policies/acl/c", policy(json!({ "cas": -1 }))),
        (Put, "sys/policies/acl/c", policy(json!({ "cas": 1, "cas_required": true }))),
        (Put, "sys/policies/acl/c", policy(json!({}))),
        (Put, "sys/policies/acl/c", policy(json!({ "cas": 2 }))),
        (Get, "sys/policies/acl/c", None),
        (Put, "sys/policies/acl/d", policy(json!({ "ttl": "1h", "expiration": "2050-01-01T00:00:00Z" }))),
        (Put, "sys/policies/acl/d", policy(json!({ "expiration": "2020-01-01T00:00:00Z" }))),
        (Put, "sys/policies/acl/d", policy(json!({ "expiration": "2050-01-01T00:00:00Z" }))),
        (Get, "sys/policies/acl/d", None),
        (Patch, "sys/policies/acl/nope", Some(json!({ "cas_required": true }))),
        (Patch, "sys/policies/acl/d", Some(json!({ "policy": "foo = 1" }))),
        (Patch, "sys/policies/acl/d", Some(json!({ "cas": 7 }))),
        (Put, "sys/capabilities", Some(json!({ "token": "root", "paths": ["a", "b"] }))),
        (Put, "sys/capabilities", Some(json!({ "token": "nope", "paths": ["a"] }))),
        (Put, "sys/capabilities", Some(json!({ "token": "root" }))),
        (Put, "sys/capabilities-accessor", Some(json!({ "accessor": "x", "paths": ["a"] }))),
        (Put, "sys/capabilities-accessor", Some(json!({ "paths": ["a"] }))),
        (Put, "sys/capabilities-self", Some(json!({}))),
        (Put, "sys/capabilities-self", Some(json!({ "path": "a" }))),
        (Get, "sys/internal/ui/resultant-acl", None),
    ];
    for (method, path, body) in steps {
        let mut answers = Vec::new();
        for side in &sides {
            let (status, answer) = side.ask(method, path, body.clone()).await;
            answers.push((status, essence(answer)));
        }
        assert_eq!(answers[0], answers[1], "ours, theirs: {method} {path} {body:?}");
    }
    for side in &sides {
        let (status, _) = side.ask(Patch, "sys/policies/acl/d", Some(json!({ "cas_required": true }))).await;
        assert!((200..300).contains(&status));
        let data = side.ask(Get, "sys/policies/acl/d", None).await.1["data"].take();
        assert_eq!((&data["version"], &data["cas_required"], &data["policy"]), (&json!(2), &json!(true), &json!(text)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_sees_its_own_rules_and_the_mounts_in_their_reach() {
    let (_lessor, _bao, sides) = both().await;
    let text = r#"path "kv1/deep/*" { capabilities = ["read"] } path "kv1/d" { capabilities = ["deny"] }
        path "kv1/a" { capabilities = ["update", "create"] required_parameters = ["q"] min_wrapping_ttl = 10 }
        path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }"#;
    let mut seen = Vec::new();
    for side in &sides {
        side.policy("p", text).await;
        let token = side.token(&["p".to_owned()]).await;
        let (mine, nobody, wrong) = (side.with(&token, None), side.with("", None), side.with("nope", None));
        let acl = mine.ask(Get, "sys/internal/ui/resultant-acl", None).await;
        let names = |(status, body): (u16, Value)| {
            let names = |part: &str| body["data"][part].as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
            (status, names("secret"), names("auth"))
        };
        let all = names(mine.ask(Get, "sys/internal/ui/mounts", None).await);
        assert!(all.1.as_ref().unwrap().contains(&"kv1/".to_owned()));
        assert!(!all.1.as_ref().unwrap().contains(&"secret/".to_owned()));
        let before = names(nobody.ask(Get, "sys/internal/ui/mounts", None).await);
        side.put("sys/mounts/kv1/tune", json!({ "listing_visibility": "unauth" })).await;
        let mut after = nobody.ask(Get, "sys/internal/ui/mounts", None).await.1["data"]["secret"].take();
        // `{}` or null, as it happens to be kept.
        after["kv1/"].as_object_mut().unwrap().remove("options").unwrap();
        let one = mine.ask(Get, "sys/internal/ui/mounts/kv1/zzz", None).await.1["data"]["path"].take();
        let mut refused = Vec::new();
        for (side, path) in [(&mine, "secret/a"), (&mine, "none/a"), (&nobody, "kv1/a"), (&wrong, "kv1/a")] {
            let (status, body) = side.ask(Get, &format!("sys/internal/ui/mounts/{path}"), None).await;
            refused.push((status, body));
        }
        seen.push((acl.0, acl.1["data"].clone(), all, before, after, one, refused));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_keys_out_of_reach_are_left_out_as_by_the_peer() {
    let (_lessor, _bao, sides) = both().await;
    let text = r#"path "kv1/dir/" { capabilities = ["list"] list_scan_response_keys_filter_path = "{{ .path }}{{ .key }}" }
        path "kv1/dir/b" { capabilities = ["read"] } path "kv1/dir/d/" { capabilities = ["list"] }"#;
    for side in &sides {
        for path in ["kv1/dir/b", "kv1/dir/c", "kv1/dir/d/e", "kv1/dir/f/g"] {
            side.put(path, json!({ "x": 1 })).await;
        }
        side.policy("p", text).await;
        let token = side.token(&["p".to_owned()]).await;
        let (status, body) = side.with(&token, None).ask(Get, "kv1/dir?list=true", None).await;
        assert_eq!((status, &body["data"]), (200, &json!({ "keys": ["b", "d/"] })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_names_the_policies_that_let_a_request_through() {
    let lessor = Lessor::dev().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.log");
    let side = Side::new(&lessor.address);
    side.put("sys/audit/file", json!({ "type": "file", "options": { "file_path": file } })).await;
    side.policy("p", "path \"secret/data/a\" { capabilities = [\"read\"] }").await;
    let mine = side.with(&side.token(&["p".to_owned()]).await, None);
    mine.ask(Get, "secret/data/a", None).await;
    mine.ask(Delete, "secret/data/a", None).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results = |operation: &str| {
        let of =
            |line: &&Value| line["request"]["path"] == "secret/data/a" && line["request"]["operation"] == operation;
        lines.iter().find(of).unwrap()["auth"]["policy_results"].clone()
    };
    let granting = json!([{ "name": "p", "namespace_id": "root", "type": "acl" }]);
    assert_eq!(results("read"), json!({ "allowed": true, "granting_policies": granting }));
    assert_eq!(results("delete"), json!({ "allowed": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_in_force_at_the_next_request() {
    let lessor = Lessor::dev().await;
    let side = Side::new(&lessor.address);
    let text = |word: &str| format!("path \"secret/data/a\" {{ capabilities = [\"{word}\"] }}");
    side.put("secret/data/a", json!({ "data": { "x": 1 } })).await;
    side.policy("p", &text("read")).await;
    let mine = side.with(&side.token(&["p".to_owned()]).await, None);
    for _ in 0..20 {
        assert_eq!(mine.ask(Get, "secret/data/a", None).await.0, 200);
        side.policy("p", &text("deny")).await;
        let (status, body) = mine.ask(Get, "secret/data/a", None).await;
        assert_eq!((status, &body["errors"][0]), (403, &json!("1 error occurred:\n\t* permission denied\n\n")));
        side.policy("p", &text("read")).await;
    }
    side.ask(Delete, "sys/policies/acl/p", None).await;
    assert_eq!(mine.ask(Get, "secret/data/a", None).await.0, 403);
}
