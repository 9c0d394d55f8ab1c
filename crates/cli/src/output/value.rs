//! JSON values as table cells.

use serde_json::{Map, Value};

use crate::duration;

/// One value as a cell: lists `[a b]`, maps `map[k:v]`, null `<nil>`.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| key.as_str());
            let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}:{}", show(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

/// The rows of an object, sorted by key, durations in their short form.
pub fn data_rows(data: &Value) -> Vec<(String, String)> {
    let Some(map) = data.as_object() else { return Vec::new() };
    let mut rows: Vec<(String, String)> = map.iter().map(|(key, value)| (key.clone(), cell(key, value))).collect();
    rows.sort();
    rows
}

fn cell(key: &str, value: &Value) -> String {
    match value.as_i64() {
        Some(seconds) if is_duration(key) => duration::short(seconds),
        _ => show(value),
    }
}

fn is_duration(key: &str) -> bool {
    ["ttl", "period", "duration"]
        .iter()
        .any(|name| key.strip_suffix(name).is_some_and(|head| head.is_empty() || head.ends_with('_')))
        || matches!(key, "lease_max" | "ttl_max")
}

/// The same value with the keys of every object sorted.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| key.as_str());
            let pairs = pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_look_as_scripts_expect_them() {
        assert_eq!(show(&json!(["a", 1, null, true])), "[a 1 <nil> true]");
        assert_eq!(show(&json!({"b": {"c": []}, "a": 1})), "map[a:1 b:map[c:[]]]");
    }

    #[test]
    fn only_duration_keys_with_whole_numbers_become_durations() {
        let rows = data_rows(&json!({
            "ttl": 3600, "max_ttl": 0, "token_period": "5", "lease_duration": 2_764_800,
            "count": 60, "battle": 60,
        }));
        let find = |key: &str| rows.iter().find(|(k, _)| k == key).unwrap().1.clone();
        assert_eq!(find("ttl"), "1h");
        assert_eq!(find("max_ttl"), "0s");
        assert_eq!(find("token_period"), "5");
        assert_eq!(find("lease_duration"), "768h");
        assert_eq!((find("count"), find("battle")), ("60".into(), "60".into()));
    }
}
