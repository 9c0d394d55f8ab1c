//! A whole answer: lease, token and wrapping rows before the data.

use serde_json::{Map, Value, json};

use super::value::{data_rows, show, sorted};
use crate::duration;

/// The rows of the `Key`/`Value` table.
pub fn rows(secret: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let seconds = secret["lease_duration"].as_i64().unwrap_or(0);
    match secret["lease_id"].as_str() {
        Some(id) if !id.is_empty() => {
            rows.push(row("lease_id", id));
            rows.push(row("lease_duration", &duration::short(seconds)));
            rows.push(row("lease_renewable", &show(&secret["renewable"])));
        }
        _ if seconds > 0 => rows.push(row("refresh_interval", &duration::short(seconds))),
        _ => {}
    }
    if secret["auth"].is_object() {
        auth_rows(&secret["auth"], &mut rows);
    }
    if secret["wrap_info"].is_object() {
        wrap_rows(&secret["wrap_info"], &mut rows);
    }
    rows.extend(data_rows(&secret["data"]));
    rows
}

fn row(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn quoted(list: &Value) -> String {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let items: Vec<String> = items.iter().map(|item| format!("{:?}", show(item))).collect();
    format!("[{}]", items.join(" "))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn auth_rows(auth: &Value, rows: &mut Vec<(String, String)>) {
    let mfa = &auth["mfa_requirement"];
    if mfa.is_object() {
        rows.push(row("mfa_request_id", text(&mfa["mfa_request_id"])));
        for (name, constraint) in mfa["mfa_constraints"].as_object().into_iter().flatten() {
            for method in constraint["any"].as_array().into_iter().flatten() {
                for key in ["type", "id", "uses_passcode", "name"] {
                    rows.push((format!("mfa_constraint_{name}_{}_{key}", text(&method["type"])), show(&method[key])));
                }
            }
        }
        return;
    }
    rows.push(row("token", text(&auth["client_token"])));
    rows.push(row("token_accessor", text(&auth["accessor"])));
    let seconds = auth["lease_duration"].as_i64().unwrap_or(0);
    let lives = if seconds == 0 { "∞".to_owned() } else { duration::short(seconds) };
    rows.push(row("token_duration", &lives));
    rows.push(row("token_renewable", &show(&auth["renewable"])));
    rows.push(row("token_policies", &quoted(&auth["token_policies"])));
    rows.push(row("identity_policies", &quoted(&auth["identity_policies"])));
    rows.push(row("policies", &quoted(&auth["policies"])));
    let mut meta: Vec<_> = auth["metadata"].as_object().into_iter().flatten().collect();
    meta.sort_by_key(|(key, _)| key.as_str());
    for (key, value) in meta {
        rows.push((format!("token_meta_{key}"), show(value)));
    }
}

fn wrap_rows(wrap: &Value, rows: &mut Vec<(String, String)>) {
    rows.push(row("wrapping_token:", text(&wrap["token"])));
    rows.push(row("wrapping_accessor:", text(&wrap["accessor"])));
    let seconds = wrap["ttl"].as_i64().unwrap_or(0);
    rows.push(row("wrapping_token_ttl:", &duration::short(seconds)));
    rows.push(row("wrapping_token_creation_time:", &go_time(text(&wrap["creation_time"]))));
    rows.push(row("wrapping_token_creation_path:", text(&wrap["creation_path"])));
    if !text(&wrap["wrapped_accessor"]).is_empty() {
        rows.push(row("wrapped_accessor:", text(&wrap["wrapped_accessor"])));
    }
}

/// `2026-11-22T13:45:46.06Z` as `2026-11-22 13:45:46.06 +0000 UTC`; other zones keep their offset.
fn go_time(time: &str) -> String {
    match (time.split_once('T'), time.strip_suffix('Z')) {
        (Some((date, _)), Some(whole)) => {
            format!("{date} {} +0000 UTC", &whole[(date.len() + 1).min(whole.len())..])
        }
        _ => time.to_owned(),
    }
}

/// The answer with its keys in the order machine formats print them.
pub fn envelope(secret: &Value) -> Value {
    let mut out = Map::new();
    out.insert("request_id".into(), secret.get("request_id").cloned().unwrap_or_else(|| json!("")));
    out.insert("lease_id".into(), secret.get("lease_id").cloned().unwrap_or_else(|| json!("")));
    let seconds = secret.get("lease_duration").cloned().unwrap_or_else(|| json!(0));
    out.insert("lease_duration".into(), seconds);
    let renewable = secret.get("renewable").cloned().unwrap_or_else(|| json!(false));
    out.insert("renewable".into(), renewable);
    out.insert("data".into(), sorted(&secret["data"]));
    out.insert("warnings".into(), secret["warnings"].clone());
    for (key, fields) in [("auth", AUTH), ("wrap_info", WRAP)] {
        if secret[key].is_object() {
            out.insert(key.into(), only(&secret[key], fields));
        }
    }
    Value::Object(out)
}

/// What the field's clients show of a login, in their order, and what stands there when it is missing.
const AUTH: &[(&str, Value)] = &[
    ("client_token", Value::String(String::new())),
    ("accessor", Value::String(String::new())),
    ("policies", Value::Null),
    ("token_policies", Value::Null),
    ("identity_policies", Value::Null),
    ("metadata", Value::Null),
    ("orphan", Value::Bool(false)),
    ("entity_id", Value::String(String::new())),
    ("lease_duration", Value::Null),
    ("renewable", Value::Bool(false)),
    ("mfa_requirement", Value::Null),
];

/// The same for a wrapped answer.
const WRAP: &[(&str, Value)] = &[
    ("token", Value::String(String::new())),
    ("accessor", Value::String(String::new())),
    ("ttl", Value::Null),
    ("creation_time", Value::Null),
    ("creation_path", Value::String(String::new())),
    ("wrapped_accessor", Value::String(String::new())),
];

fn only(value: &Value, fields: &[(&str, Value)]) -> Value {
    let pick = |(key, missing): &(&str, Value)| {
        let found = value.get(*key).filter(|value| !value.is_null()).unwrap_or(missing);
        ((*key).to_owned(), found.clone())
    };
    Value::Object(fields.iter().map(pick).collect())
}

#[cfg(test)]
mod tests {
    use super::super::key_value;
    use super::*;

    #[test]
    fn a_leased_secret_leads_with_its_lease() {
        let secret = json!({
            "lease_id": "db/creds/r/x", "lease_duration": 2_764_800, "renewable": true,
            "data": {"username": "u", "password": "p"},
        });
        assert_eq!(
            key_value(&rows(&secret)),
            "Key                Value\n---                -----\nlease_id           db/creds/r/x\n\
             lease_duration     768h\nlease_renewable    true\npassword           p\nusername           u"
        );
    }

    #[test]
    fn a_duration_without_a_lease_is_a_refresh_interval() {
        let rows = rows(&json!({"lease_id": "", "lease_duration": 2_764_800, "data": {"a": "b"}}));
        assert_eq!(rows, [row("refresh_interval", "768h"), row("a", "b")]);
    }

    #[test]
    fn a_root_token_lives_forever_and_policies_are_quoted() {
        let rows = rows(&json!({"auth": {
            "client_token": "t", "accessor": "", "lease_duration": 0, "renewable": false,
            "token_policies": ["root"], "policies": ["root"], "metadata": {"b": "2", "a": "1"},
        }}));
        let want = [
            row("token", "t"),
            row("token_accessor", ""),
            row("token_duration", "∞"),
            row("token_renewable", "false"),
            row("token_policies", "[\"root\"]"),
            row("identity_policies", "[]"),
            row("policies", "[\"root\"]"),
            row("token_meta_a", "1"),
            row("token_meta_b", "2"),
        ];
        assert_eq!(rows, want);
    }

    #[test]
    fn wrapping_rows_keep_their_colon() {
        let rows = rows(&json!({"wrap_info": {
            "token": "w", "accessor": "a", "ttl": 60, "creation_path": "p",
            "creation_time": "2026-11-22T13:45:46.060189529Z",
        }}));
        assert_eq!(rows[2], row("wrapping_token_ttl:", "1m"));
        assert_eq!(rows[3].1, "2026-11-22 13:45:46.060189529 +0000 UTC");
        assert_eq!(rows.len(), 5);
    }
}
