//! Rules over the parameters of a request.
use lessor_engine::Fields;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Names, lower-case, with the values that are meant; an empty list means all values, the name `*` all names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(BTreeMap<String, Vec<Value>>);

impl Parameters {
    /// Names that are lower-case already.
    pub fn new(names: BTreeMap<String, Vec<Value>>) -> Self {
        Self(names)
    }
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// As answers show it.
    pub fn shown(&self) -> Value {
        self.0.iter().map(|(name, values)| (name.clone(), Value::Array(values.clone()))).collect()
    }
    /// Adds what another policy says: all values win over some.
    pub(super) fn merge(&mut self, other: &Self) {
        for (name, values) in &other.0 {
            match self.0.get_mut(name) {
                None => {
                    self.0.insert(name.clone(), values.clone());
                }
                Some(mine) if mine.is_empty() || values.is_empty() => mine.clear(),
                Some(mine) => mine.extend(values.iter().cloned()),
            }
        }
    }
    fn values(&self, name: &str) -> Option<&[Value]> {
        let lower: Cow<'_, str> =
            if name.chars().any(char::is_uppercase) { name.to_lowercase().into() } else { name.into() };
        self.0.get(lower.as_ref()).map(Vec::as_slice)
    }
    /// As a blacklist: whether a parameter is denied.
    pub fn deny(&self, fields: &Fields) -> bool {
        if self.is_empty() || fields.is_empty() {
            return false;
        }
        let denied = |(name, value): (&String, &Value)| self.values(name).is_some_and(|list| meets(value, list, Any));
        self.0.contains_key("*") || fields.iter().any(denied)
    }
    /// As a whitelist: whether every parameter is allowed.
    pub fn allow(&self, fields: &Fields) -> bool {
        let others = self.0.contains_key("*");
        let allowed = |(name, value): (&String, &Value)| match self.values(name) {
            Some(list) => meets(value, list, All),
            None => others,
        };
        self.is_empty() || fields.iter().all(allowed)
    }
}

#[derive(Clone, Copy)]
enum Elements {
    Any,
    All,
}
use Elements::{All, Any};

/// Whether a value is in the list: as it is, or, where it is a list itself, by its elements (Vault since 1.21).
fn meets(value: &Value, list: &[Value], elements: Elements) -> bool {
    let listed = |value: &Value| list.iter().any(|entry| same(entry, value));
    if list.is_empty() || listed(value) {
        return true;
    }
    match (value, elements) {
        (Value::Array(values), Any) => values.iter().any(listed),
        (Value::Array(values), All) => !values.is_empty() && values.iter().all(listed),
        _ => false,
    }
}

/// Texts by glob, numbers and booleans by their text: an engine takes `1` and `"1"` for the same.
fn same(entry: &Value, value: &Value) -> bool {
    match (text(entry), text(value)) {
        (Some(entry), Some(value)) => glob(&entry, &value),
        _ => entry == value,
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `*` at one end or at both. A star alone is a star, as in Vault.
fn glob(pattern: &str, text: &str) -> bool {
    if pattern.len() < 2 {
        return pattern == text;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), Some(_)) => text.contains(end.strip_suffix('*').unwrap_or(end)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameters(value: Value) -> Parameters {
        let Value::Object(map) = value else { panic!() };
        Parameters::new(map.into_iter().map(|(name, list)| (name, list.as_array().unwrap().clone())).collect())
    }
    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!() };
        map
    }

    #[test]
    fn lists_are_compared_by_element() {
        let rule = parameters(json!({ "a": ["x", "y*"], "b": [["p", "q"]] }));
        for (given, allowed, denied) in [
            (json!({ "a": ["x"] }), true, true),
            (json!({ "a": ["x", "yes"] }), true, true),
            (json!({ "a": ["x", "z"] }), false, true),
            (json!({ "a": ["z"] }), false, false),
            (json!({ "a": [] }), false, false),
            (json!({ "b": ["p", "q"] }), true, true),
            (json!({ "b": ["p"] }), false, false),
        ] {
            assert_eq!(rule.allow(&fields(given.clone())), allowed, "allowed {given}");
            assert_eq!(rule.deny(&fields(given.clone())), denied, "denied {given}");
        }
    }

    #[test]
    fn numbers_and_booleans_count_as_their_text() {
        let rule = parameters(json!({ "n": [1], "t": ["2"], "b": [true] }));
        for given in [json!({ "n": 1 }), json!({ "n": "1" }), json!({ "t": 2 }), json!({ "b": "true" })] {
            assert!(rule.deny(&fields(given.clone())) && rule.allow(&fields(given)));
        }
        assert!(!rule.deny(&fields(json!({ "n": 2 }))));
    }
}
