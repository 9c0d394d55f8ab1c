//! What the contract says of policies, example by example.
use super::*;
use crate::identity::Subject;
use crate::identity::subject::{SubjectAlias, SubjectGroup};
use lessor_engine::{Operation, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

fn now() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn acl(texts: &[&str]) -> Arc<Acl> {
    let sources: Vec<Source> =
        texts.iter().enumerate().map(|(at, text)| Source::new(&format!("p{at}"), parse(text).unwrap())).collect();
    Arc::new(Acl::compile(&sources, None, now()))
}

fn allows(acl: &Arc<Acl>, operation: Operation, path: &str, fields: Value) -> bool {
    let fields = if let Value::Object(map) = fields { map } else { Map::new() };
    acl.decide(&Ask { path, operation, fields: &fields, wrap_ttl: None, sudo: false }).allowed
}

#[test]
fn the_worked_example_of_the_contract_holds() {
    let acl = acl(&[r#"
        path "kv1/*" { capabilities = ["read"] }
        path "kv1/a*" { capabilities = ["update"] }
        path "kv1/abc" { capabilities = ["delete"] }
        path "kv1/+/x" { capabilities = ["list"] }
        path "kv1/+/+" { capabilities = ["create"] }
        path "kv1/foo/+" { capabilities = ["patch"] }
        path "kv1/bar/*" { capabilities = ["read", "sudo"] }
        path "kv1/bar/secretx" { capabilities = ["deny"] }
        path "+/zz" { capabilities = ["read"] }
        path "kv1/q/+/z*" { capabilities = ["read"] }
        path "kv1/q/r/*" { capabilities = ["update"] }"#]);
    for (path, capabilities) in [
        ("kv1", "deny"),
        ("kv1/", "read"),
        ("kv1/ab", "update"),
        ("kv1/abc", "delete"),
        ("kv1/b", "read"),
        ("kv1/b/x", "list"),
        ("kv1/b/y", "create"),
        ("kv1/b/c/d", "read"),
        ("kv1/foo/x", "patch"),
        ("kv1/bar/x", "read,sudo"),
        ("kv1/bar/secretx", "deny"),
        ("kv1/q/r/zz", "update"),
        ("kv1/q/s/zz", "read"),
        ("other/zz", "read"),
        ("/other/zz", "read"),
    ] {
        assert_eq!(acl.capabilities(path).join(","), capabilities, "{path}");
    }
}

#[test]
fn every_form_of_a_folder_grants_its_list() {
    for form in ["kv1/dir", "kv1/dir/", "kv1/dir/*", "kv1/+", "kv1/+/"] {
        let acl = acl(&[&format!("path \"{form}\" {{ capabilities = [\"list\"] }}")]);
        assert!(allows(&acl, Operation::List, "kv1/dir/", Value::Null), "{form}");
        assert!(!allows(&acl, Operation::Read, "kv1/dir", Value::Null), "{form}");
    }
}

#[test]
fn policies_add_up_and_deny_wins() {
    let read = r#"path "a/*" { capabilities = ["read"] } path "b" { capabilities = ["read"] }"#;
    let more = r#"path "a/*" { policy = "write" } path "b" { capabilities = ["deny", "read"] }"#;
    for texts in [[read, more], [more, read]] {
        let acl = acl(&texts);
        assert_eq!(acl.capabilities("a/x"), ["create", "delete", "list", "read", "update"]);
        assert_eq!(acl.capabilities("b"), ["deny"]);
    }
}

#[test]
fn whoever_granted_it_is_named() {
    let acl = acl(&[
        r#"path "a" { capabilities = ["read"] }"#,
        r#"path "a" { capabilities = ["list"] }"#,
        r#"path "a" { capabilities = ["read"] }"#,
    ]);
    let fields = Map::new();
    let ask = Ask { path: "a", operation: Operation::Read, fields: &fields, wrap_ttl: None, sudo: false };
    let names: Vec<String> = acl.decide(&ask).granting.iter().map(|granting| granting.name.to_string()).collect();
    assert_eq!(names, ["p0", "p2"]);
    assert!(acl.decide(&Ask { sudo: true, ..ask }).granting.is_empty());
}

#[test]
fn parameters_are_checked_as_the_contract_measured_them() {
    let allowed = acl(&[r#"path "k" { capabilities = ["create", "update", "read", "delete", "list"]
        allowed_parameters = { "req" = [] "a" = ["x", "y*"] } required_parameters = ["req"] }"#]);
    let denied = acl(&[r#"path "k" { capabilities = ["update"] denied_parameters = { "bad" = [] "v" = ["no"] } }"#]);
    let others = acl(&[r#"path "k" { capabilities = ["update"] allowed_parameters = { "*" = [] "a" = ["x"] } }"#]);
    let nothing = acl(&[r#"path "k" { capabilities = ["update"] denied_parameters = { "*" = [] } }"#]);
    for (acl, fields, expected) in [
        (&allowed, json!({ "req": "1" }), true),
        (&allowed, json!({ "a": "x" }), false),
        (&allowed, json!({ "req": "1", "a": "yes" }), true),
        (&allowed, json!({ "req": "1", "A": "yes" }), true),
        (&allowed, json!({ "req": "1", "a": "no" }), false),
        (&allowed, json!({ "req": "1", "c": "no" }), false),
        (&denied, json!({ "bad": "x" }), false),
        (&denied, json!({ "BAD": "x" }), false),
        (&denied, json!({ "v": "no" }), false),
        (&denied, json!({ "v": "yes", "w": 1 }), true),
        (&others, json!({ "a": "x", "b": "any" }), true),
        (&others, json!({ "a": "y", "b": "any" }), false),
        (&nothing, json!({ "b": "any" }), false),
        (&nothing, json!({}), true),
    ] {
        assert_eq!(allows(acl, Operation::Update, "k", fields.clone()), expected, "{fields}");
    }
    assert!(allows(&allowed, Operation::Delete, "k", Value::Null));
    assert!(allows(&allowed, Operation::List, "k/", Value::Null));
    assert!(!allows(&allowed, Operation::Read, "k", json!({ "version": "1" })));
}

#[test]
fn wrapping_stays_within_the_bounds_of_all_policies() {
    let bounds = r#"path "k" { capabilities = ["read"] min_wrapping_ttl = "10s" max_wrapping_ttl = 90 }"#;
    let lower = r#"path "k" { capabilities = ["read"] max_wrapping_ttl = "5s" }"#;
    let decide = |acl: &Arc<Acl>, ttl: Option<u64>| {
        let (fields, wrap_ttl) = (Map::new(), ttl.map(Duration::from_secs));
        acl.decide(&Ask { path: "k", operation: Operation::Read, fields: &fields, wrap_ttl, sudo: false }).allowed
    };
    let one = acl(&[bounds]);
    assert_eq!([None, Some(5), Some(60), Some(600)].map(|ttl| decide(&one, ttl)), [false, false, true, false]);
    let both = acl(&[bounds, lower]);
    assert_eq!([None, Some(3), Some(7), Some(60)].map(|ttl| decide(&both, ttl)), [false; 4]);
}

#[test]
fn pages_are_bounded() {
    let acl = acl(&[r#"path "k/" { capabilities = ["list"] pagination_limit = 10 }"#]);
    let limit = |given: Option<Value>| {
        let fields: Map<String, Value> = given.map(|value| ("limit".to_owned(), value)).into_iter().collect();
        let ask = Ask { path: "k/", operation: Operation::List, fields: &fields, wrap_ttl: None, sudo: false };
        let decision = acl.decide(&ask);
        (decision.allowed, decision.limit)
    };
    assert_eq!(limit(None), (true, Some(10)));
    assert_eq!(limit(Some(json!("5"))), (true, None));
    assert_eq!(limit(Some(json!("max"))), (true, Some(10)));
    assert_eq!(limit(Some(json!(0))), (true, Some(10)));
    for refused in [json!("11"), json!(-1), json!("x"), json!([1])] {
        assert_eq!(limit(Some(refused)), (false, None));
    }
}

#[test]
fn a_control_group_lets_nobody_through() {
    let acl = acl(&[r#"path "k" { capabilities = ["read"] control_group = { factor "a" { } } }"#]);
    assert!(!allows(&acl, Operation::Read, "k", Value::Null));
}

#[test]
fn rules_that_expired_do_not_count() {
    let text = |at: &str| format!("path \"k\" {{ capabilities = [\"read\"] expiration = \"{at}\" }}");
    assert!(allows(&acl(&[&text("2026-11-01T00:00:01Z")]), Operation::Read, "k", Value::Null));
    assert!(!allows(&acl(&[&text("2026-11-01T00:00:00Z")]), Operation::Read, "k", Value::Null));
}

fn subject() -> Subject {
    let map = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    Subject {
        id: "e-1".into(),
        name: "anna".into(),
        metadata: map("team", "red"),
        aliases: vec![SubjectAlias {
            id: "al-1".into(),
            mount_accessor: "auth_userpass_1".into(),
            name: "a*".into(),
            metadata: map("org", "x/y"),
            custom_metadata: map("floor", "3"),
        }],
        groups: vec![SubjectGroup { id: "g-1".into(), name: "ops".into(), metadata: map("site", "north") }],
        policies: Vec::new(),
    }
}

#[test]
fn templates_name_whoever_asks() {
    let resolve = |path: &str, switches| {
        let template = PathTemplate::parse(path).unwrap();
        template.resolve(Some(&subject()), switches).map(std::borrow::Cow::into_owned)
    };
    let strict = |path: &str| resolve(path, Switches::default());
    for (path, resolved) in [
        ("kv/{{identity.entity.id}}/x", "kv/e-1/x"),
        ("kv/{{ identity.entity.name }}", "kv/anna"),
        ("{{identity.entity.metadata.team}}/*", "red/*"),
        ("a/{{identity.entity.aliases.auth_userpass_1.id}}", "a/al-1"),
        ("a/{{identity.entity.aliases.auth_userpass_1.custom_metadata.floor}}", "a/3"),
        ("g/{{identity.groups.ids.g-1.name}}", "g/ops"),
        ("g/{{identity.groups.names.ops.id}}/{{identity.groups.names.ops.metadata.site}}", "g/g-1/north"),
    ] {
        assert_eq!(strict(path).as_deref(), Some(resolved), "{path}");
    }
    for unknown in [
        "{{identity.entity.metadata.none}}",
        "{{identity.entity.aliases.other.name}}",
        "{{identity.groups.names.none.id}}",
        "{{identity.groups.both.ops.id}}",
        "{{secret}}",
        "{{}}",
    ] {
        assert_eq!(strict(unknown), None, "{unknown}");
    }
    let wild = "kv/{{identity.entity.aliases.auth_userpass_1.name}}";
    let deep = "kv/{{identity.entity.aliases.auth_userpass_1.metadata.org}}";
    assert_eq!((strict(wild), strict(deep)), (None, None));
    let (wildcards, slashes) = (true, true);
    assert_eq!(resolve(wild, Switches { wildcards, slashes: false }).as_deref(), Some("kv/a*"));
    assert_eq!(resolve(deep, Switches { wildcards: false, slashes }).as_deref(), Some("kv/x/y"));
}

#[test]
fn a_rule_whose_template_says_nothing_is_dropped() {
    let policy = r#"path "kv/{{identity.entity.name}}" { capabilities = ["read"] }"#;
    let sources = [Source::new("p", parse(policy).unwrap())];
    assert_eq!(Acl::compile(&sources, None, now()).capabilities("kv/anna"), ["deny"]);
    assert_eq!(Acl::compile(&sources, Some(&subject()), now()).capabilities("kv/anna"), ["read"]);
}

#[test]
fn a_namespace_is_the_beginning_of_its_rules() {
    let mut source = Source::new("p", parse(r#"path "+/x" { capabilities = ["read"] }"#).unwrap());
    source.namespace = "team/".into();
    let acl = Acl::compile(&[source.clone()], None, now());
    assert_eq!((acl.capabilities("team/kv/x"), acl.capabilities("kv/x")), (vec!["read"], vec!["deny"]));
    source.name = "root".into();
    let root = Acl::compile(&[source], None, now());
    assert_eq!((root.capabilities("team/kv/x"), root.capabilities("kv/x")), (vec!["root"], vec!["deny"]));
}

#[test]
fn mounts_are_reached_by_any_rule_at_or_below_them() {
    for (path, reached) in [
        ("kv/", true),
        ("kv", true),
        ("kv/deep/down", true),
        ("kv/deep/*", true),
        ("k*", true),
        ("*", true),
        ("+/x", true),
        ("kv/+/x", true),
        ("+/+/+", true),
        ("kvx/a", false),
        ("other/+", false),
        ("+", true),
    ] {
        let acl = acl(&[&format!("path \"{path}\" {{ capabilities = [\"read\"] }}")]);
        assert_eq!(acl.reaches_below("kv/"), reached, "{path}");
    }
    assert!(!acl(&[r#"path "kv/*" { capabilities = ["deny"] }"#]).reaches_below("kv/"));
}

#[test]
fn faults_are_told_in_vaults_words() {
    for (text, told) in [
        ("path \"x\" { caps = [] }", "path \"x\": 1 error occurred:\n\t* invalid key \"caps\" on line 1\n\n"),
        ("a=1\nb=2", "2 errors occurred:\n\t* invalid key \"a\" on line 1\n\t* invalid key \"b\" on line 2\n\n"),
        ("path \"x\" { capabilities = [\"foo\"] }", "path \"x\": invalid capability \"foo\""),
        ("{\"path\":{\"x\":{\"capabilities\":[\"foo\"]}}}", "path \"x\": invalid capability \"foo\""),
        ("path \"x\" { policy = \"foo\" }", "path \"x\": invalid policy \"foo\""),
        ("path \"x\" {", "At 1:11: object expected closing RBRACE got: EOF"),
        ("path \"x+*\" {}", "path \"x+*\": invalid use of wildcards ('+*' is forbidden)"),
        ("path \"x{{y\" {}", "path \"x{{y\": failed to validate policy templating: unbalanced templating characters"),
        (
            "path \"x\" { min_wrapping_ttl = \"10s\" max_wrapping_ttl = \"5s\" }",
            "path \"x\": max_wrapping_ttl cannot be less than min_wrapping_ttl",
        ),
        (
            "path \"x\" { capabilities = [\"read\"]\n capabilities = [] }",
            "path \"x\": At 2:2: the argument \"capabilities\" was already set: each can be defined once",
        ),
        (
            "path \"x\" { capabilities = \"read\" }",
            "path \"x\": At 1:27: `capabilities` must be a list of strings, got a string",
        ),
        (
            "path \"x\" { allowed_parameters = { \"a\" = \"x\" } }",
            "path \"x\": At 1:41: `a` must be a list of values, got a string",
        ),
        (
            "path \"x\" { capabilities = [\"create\"] list_scan_response_keys_filter_path = \"{{ .key }}\" }",
            "path \"x\": list_scan_response_keys_filter_path needs to be used on a path with the list capability",
        ),
        (
            "path \"x\" { capabilities = [\"list\"] list_scan_response_keys_filter_path = \"same\" }",
            "path \"x\": list_scan_response_keys_filter_path resulted in same path for two different keys",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), format!("failed to parse policy: {told}"));
    }
    for text in ["path \"x\" { min_wrapping_ttl = \"abc\" }", "path \"x\" { max_wrapping_ttl = -5 }"] {
        assert!(parse(text).unwrap_err().to_string().contains("error parsing m"), "{text}");
    }
}

#[test]
fn hcl_and_json_say_the_same() {
    let hcl = r#"name = "n"
        path "a/*" { capabilities = ["read", "list"] allowed_parameters { "P" = ["1"] } }"#;
    let json = r#"{"path": {"a/*": {"capabilities": ["read", "list"], "allowed_parameters": {"P": ["1"]}}}}"#;
    assert_eq!(parse(hcl).unwrap(), parse(json).unwrap());
    assert!(parse("# nothing").unwrap().rules.is_empty());
}

#[test]
fn the_builtin_policies_can_be_read() {
    let acl = acl(&[DEFAULT]);
    assert_eq!(acl.capabilities("sys/leases/renew"), ["update"]);
    assert_eq!(acl.capabilities("sys/leases/revoke"), ["deny"]);
    assert_eq!(acl.capabilities("cubbyhole/a/b"), ["create", "delete", "list", "read", "update"]);
    assert_eq!(parse(RESPONSE_WRAPPING).unwrap().rules.len(), 2);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let whole = r#"name = "n" path "a/{{identity.entity.id}}/+/b*" { capabilities = ["read", "list"] policy = "read"
        allowed_parameters = { "a" = [1, true, ["x"]] } required_parameters = ["é"] min_wrapping_ttl = "1h"
        expiration = 1 pagination_limit = 3 control_group = { } list_scan_response_keys_filter_path = "{{ .key }}" }"#;
    let pieces = ["\"", "{", "}", "[", "]", "=", "\\", "{{", "}}", "+", "*", "\u{0}", "é", "<<E", "-1", "\n"];
    let ends = whole.char_indices().map(|(at, _)| at);
    for at in ends {
        let (before, behind) = whole.split_at(at);
        let _ = (parse(before), parse(behind));
        for piece in pieces {
            let _ = parse(&format!("{before}{piece}{behind}"));
        }
    }
}
