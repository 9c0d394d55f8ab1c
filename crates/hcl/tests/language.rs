//! What the language promises, one spelling at a time.
use lessor_hcl::{MAX_DEPTH, Value, parse};
use serde_json::json;

fn json_of(text: &str) -> serde_json::Value {
    parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_json()
}

fn fault(text: &str) -> (usize, usize, String) {
    let Err(error) = parse(text) else { panic!("{text} was accepted") };
    (error.line, error.column, error.message)
}

#[test]
fn an_empty_text_is_an_empty_body() {
    for text in ["", "  \n\t", "# only a comment", "/* and\n another */ // one", "\u{feff}"] {
        assert!(parse(text).unwrap().items.is_empty(), "{text:?}");
    }
}

#[test]
fn attributes_may_share_a_line() {
    assert_eq!(json_of("a = 1 b = \"x\" c = true"), json!({"a": 1, "b": "x", "c": true}));
    assert_eq!(json_of("p { a = 1, b = 2 }"), json!({"p": {"a": 1, "b": 2}}));
}

#[test]
fn a_policy_is_read_as_it_was_written() {
    let text = r#"
        path "secret/data/+/x*" { capabilities = ["create", "read",] }
        "path" "auth/token/create"
        {
            policy = "write" // old spelling
            allowed_parameters { "*" = [] "ttl" = ["1h", 2] }
            required_parameters = ["a"]
            min_wrapping_ttl = "1s" # comment
        }"#;
    assert_eq!(
        json_of(text),
        json!({"path": {
            "secret/data/+/x*": {"capabilities": ["create", "read"]},
            "auth/token/create": {
                "policy": "write",
                "allowed_parameters": {"*": [], "ttl": ["1h", 2]},
                "required_parameters": ["a"],
                "min_wrapping_ttl": "1s",
            },
        }})
    );
}

#[test]
fn numbers_have_three_bases_and_floats() {
    let text = "a = 0x10 b = -0xF c = 010 d = -7 e = 1.5 f = 2e3 g = -1.25e-2 h = 0 i = 9223372036854775807";
    let want = json!({"a": 16, "b": -15, "c": 8, "d": -7, "e": 1.5, "f": 2000.0, "g": -0.0125, "h": 0, "i": i64::MAX});
    assert_eq!(json_of(text), want);
    for bad in ["a = 08", "a = 0x", "a = 9223372036854775808", "a = 1e999", "a = 1e", "a = -", "a = +1"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn escapes_are_resolved_and_templates_are_not() {
    assert_eq!(json_of(r#"a = "\n\t\"\\ \x41 \101 \u00e9 \U0001F511""#), json!({"a": "\n\t\"\\ A A é 🔑"}));
    assert_eq!(json_of(r#"a = "\xc3\xa9""#), json!({"a": "é"}));
    assert_eq!(json_of(r#"a = "x ${f("{\n}")} $y {{z}}" b = 1"#), json!({"a": "x ${f(\"{\\n}\")} $y {{z}}", "b": 1}));
    assert_eq!(json_of("a = \"${\n}\""), json!({"a": "${\n}"}));
    for bad in [r#"a = "\q""#, r#"a = "\xff""#, r#"a = "\ud800""#, "a = \"x\ny\"", "a = \"x", r#"a = "\400""#] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn heredocs_keep_their_lines_and_lose_their_indent() {
    assert_eq!(json_of("a = <<EOF\none\n  two\nEOF\nb = 1"), json!({"a": "one\n  two\n", "b": 1}));
    assert_eq!(json_of("a = <<EOF\nEOF"), json!({"a": ""}));
    assert_eq!(json_of("a = <<-EOF\n  one\n    two\n  EOF\n"), json!({"a": "one\n  two\n"}));
    assert_eq!(json_of("a = <<-EOF\none\n  two\n  EOF\n"), json!({"a": "one\n  two\n"}));
    assert_eq!(json_of("a = <<EOF\r\none\r\nEOF\r\n"), json!({"a": "one\r\n"}));
    assert_eq!(json_of("l = [<<A\nx\nA\n, \"y\"]"), json!({"l": ["x\n", "y"]}));
    for bad in ["a = <<EOF\nx\n", "a = <<\nx\n", "a = <EOF", "a = <<EOF x\nEOF", "a = <<EOF\nEOFX"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn lists_nest_and_may_end_in_a_comma() {
    assert_eq!(json_of("a = [1, [2, \"x\",], {b = 1} {b = 2}, ]"), json!({"a": [1, [2, "x"], {"b": 1}, {"b": 2}]}));
    assert!(parse("a = [1 2]").is_err());
    assert!(parse("a = [x]").is_err());
    assert!(parse("a = [1").is_err());
}

#[test]
fn faults_name_their_place() {
    assert_eq!(fault("a = 1\n  b = $"), (2, 7, "illegal character '$'".into()));
    assert_eq!(fault("a b = 1").2, "nested object expected: LBRACE got: ASSIGN");
    assert_eq!(fault("path \"x\"").2, "key 'path x' expected start of object ('{') or assignment ('=')");
    assert_eq!(fault("a {\n b = 1").0, 2);
    assert_eq!(fault("é = \"x").1, 5);
    assert_eq!(fault("}"), (1, 1, "expected: IDENT | STRING got: RBRACE".into()));
    assert_eq!(fault("a = foo"), (1, 5, "unknown value `foo`; strings need quotes".into()));
    assert_eq!(fault("/* x").2, "comment not terminated");
    assert_eq!(parse("\n a = ,").unwrap_err().to_string(), "At 2:6: expected a value, got: COMMA");
    for bad in ["a", "=", "= 1", "true = 1", "a = ", "1 = 2", "a / b", "a = {", "a } b", "[]", "a = 1,, b = 2"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn nodes_carry_their_place() {
    let body = parse("a = 1\nb \"l\" {\n  c = \"x\"\n}").unwrap();
    let Value::Object(inner) = &body.items[1].value.value else {
        panic!("no object");
    };
    let c = &inner.items[0];
    assert_eq!((c.span().line, c.span().column), (3, 3));
    assert_eq!((c.value.span.line, c.value.span.column, c.value.span.offset), (3, 7, 20));
    assert_eq!(body.items[1].keys[1].span.column, 3);
    assert!(body.items[1].keys[1].quoted);
}

#[test]
fn depth_is_limited() {
    let ok = format!("a = {}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert!(parse(&ok).is_ok());
    for open in ["a = [", "a = {b = ", "a { "] {
        let deep = open.replace("a = [", "[").repeat(100_000);
        assert!(parse(&format!("x = {deep}")).is_err());
        assert!(parse(&deep).is_err());
    }
    let json = format!("{{\"a\": {}", "[".repeat(100_000));
    assert!(parse(&json).unwrap_err().message.contains("nested deeper"));
}

#[test]
fn json_gives_the_same_body() {
    let hcl = parse(r#"path "a" { caps = ["x"] n = 1 } ttl = 1.5 on = true"#).unwrap();
    let json = parse(r#" {"path": {"a": {"caps": ["x"], "n": 1}}, "ttl": 1.5, "on": true}"#).unwrap();
    assert_eq!(hcl.to_json(), json.to_json());
    let text = json_of(r#"{"a": "\u00e9\ud83d\udd11\/\n", "b": null, "c": [], "d": {}, "e": -1e2}"#);
    assert_eq!(text, json!({"a": "é🔑/\n", "b": null, "c": [], "d": {}, "e": -100.0}));
    for bad in [
        "{",
        "{}x",
        "{\"a\"}",
        "{\"a\": 1,}",
        "{\"a\": 01}",
        "{a: 1}",
        "{\"a\": [1,]}",
        r#"{"a": "\ud800"}"#,
        "{\"a\": tru}",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn blocks_are_found_in_every_spelling() {
    let spellings = [
        r#"listener "tcp" { address = "a" } listener "unix" { address = "b" }"#,
        r#"listener { tcp { address = "a" } unix { address = "b" } }"#,
        r#"listener = { tcp = { address = "a" }, unix = { address = "b" } }"#,
        r#"{"listener": [{"tcp": {"address": "a"}}, {"unix": {"address": "b"}}]}"#,
        r#"{"listener": {"tcp": [{"address": "a"}], "unix": {"address": "b"}}}"#,
    ];
    for text in spellings {
        let body = parse(text).unwrap();
        let blocks = body.blocks("listener", 1).unwrap();
        let found: Vec<_> = blocks.iter().map(|b| (b.label(0), b.body.string("address").unwrap())).collect();
        assert_eq!(found, [(Some("tcp"), Some("a")), (Some("unix"), Some("b"))], "{text}");
    }
    let body = parse(r#"x "a" "b" {} y = 1 z {}"#).unwrap();
    assert!(body.blocks("x", 1).is_err());
    assert_eq!(body.blocks("x", 2).unwrap().len(), 1);
    assert!(body.blocks("y", 0).is_err());
    assert_eq!(body.blocks("z", 0).unwrap().len(), 1);
    assert!(body.blocks("none", 0).unwrap().is_empty());
}

#[test]
fn attributes_are_read_by_type_with_a_place_for_the_fault() {
    let body = parse("s = \"x\"\nl = [\"a\", \"b\"]\nb = \"true\" n = \"42\" m = 7\nbad = [1]\nb = false").unwrap();
    assert_eq!(body.string("s").unwrap(), Some("x"));
    assert_eq!(body.strings("l").unwrap(), Some(vec!["a", "b"]));
    assert_eq!(body.strings("s").unwrap(), Some(vec!["x"]));
    assert_eq!(body.bool("b").unwrap(), Some(false), "the last one wins");
    assert_eq!((body.int("n").unwrap(), body.int("m").unwrap()), (Some(42), Some(7)));
    assert_eq!(body.int("none").unwrap(), None);
    let error = body.strings("bad").unwrap_err();
    assert_eq!((error.line, error.column), (4, 8));
    assert_eq!(body.unknown(&["s", "l", "b", "n"]).map(lessor_hcl::Item::name).collect::<Vec<_>>(), ["m", "bad"]);
    assert_eq!(body.duplicates().map(|i| i.span().line).collect::<Vec<_>>(), [5]);
}
