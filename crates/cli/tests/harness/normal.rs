//! What two runs of the same command may differ in, replaced by names.
use std::sync::LazyLock;

use regex_lite::Regex;

use super::program::Outcome;

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        // The hints of this program come after what the field's prints.
        (r"\n*\nHint: .*", ""),
        (r"-----BEGIN ([A-Z ]+)-----[A-Za-z0-9+/=\n\\]+-----END [A-Z ]+-----", "PEM ${1}"),
        (r"\b([0-9a-f]{2}:){15,}[0-9a-f]{2}\b", "COLONS"),
        // Keys and certificates of OpenSSH; a certificate's number.
        (r"\bAAAA[A-Za-z0-9+/]{40,}=*", "BLOB"),
        (r#"(serial_number"?:? +(String\(")?)[0-9a-f]{8,16}\b"#, "${1}SERIAL"),
        (r"\x1b\[[0-9;]*m", ""),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
        (r"\b[sb]\.[A-Za-z0-9_-]{24,}", "TOKEN"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z|[+-]\d\d:\d\d)?", "TIME"),
        (r"\d{1,2} [A-Z][a-z]{2} \d\d \d\d:\d\d UTC", "DATE"),
        (r"(_)[0-9a-f]{8}\b", "${1}ACCESSOR"),
        (r"(vault-cluster-)[0-9a-f]{8}", "${1}ID"),
        (r"\b[A-Za-z0-9+/]{43}=", "KEY"),
        (r"(Key \d+:|Encoded Token) +\S+", "${1} KEY"),
        (r"\b[A-Za-z0-9]{24,26}\b", "RANDOM"),
        (r"\b[0-9a-f]{64}\b", "HEX"),
        (r"\b\d{10}\b", "UNIX"),
        (r"\b(\d+h)?\d+m\d+s", "DURATION"),
        // An hour that has begun to run out.
        (r"\bNumber\(3(59\d|600)\)", "Number(HOUR)"),
        (r"https://127\.0\.0\.1:\d+", "CLUSTER"),
        (r"OpenBao|Vault|Lessor", "Product"),
        (r"BAO_", "VAULT_"),
        (r"\b(bao|vault|lessor)(\s+)([a-z])", "program${2}${3}"),
    ];
    rules.iter().map(|(pattern, with)| (Regex::new(pattern).unwrap(), *with)).collect()
});

/// Replaces what is random, and the given texts of this side by their names.
pub fn outcome(outcome: &Outcome, known: &[(String, String)]) -> Outcome {
    let named = |text: &str| {
        let mut text = text.to_owned();
        for (name, value) in known.iter().filter(|(_, value)| !value.is_empty()) {
            text = text.replace(value, name);
        }
        for (rule, with) in RULES.iter() {
            text = rule.replace_all(&text, *with).into_owned();
        }
        text
    };
    let text = |text: &str| named(&sorted_json(text, &named)).trim_end().to_owned();
    let err = text(&outcome.err);
    Outcome { code: outcome.code, out: text(&outcome.out), err: err.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// JSON documents are compared as values, so that the order of keys does not count: as they are `named` when what is
/// random in them is replaced.
fn sorted_json(text: &str, named: &dyn Fn(&str) -> String) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if value.is_object() => format!("{:#?}", sorted(&value, named)),
        _ => text.to_owned(),
    }
}

fn sorted(value: &serde_json::Value, named: &dyn Fn(&str) -> String) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| named(key));
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&map[key], named))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| sorted(item, named)).collect()),
        other => other.clone(),
    }
}
