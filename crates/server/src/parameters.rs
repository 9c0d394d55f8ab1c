//! Where a request's parameters come from: the body of a write, the query of everything else.
use crate::config::JsonLimits;
use crate::json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use lessor_engine::Fields;
use serde_json::{Map, Value};

/// Why parameters cannot be read (400).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParameterError {
    /// No JSON.
    #[error("failed to decode JSON input: {0}")]
    Json(String),
    /// JSON, but an array.
    #[error(
        "failed to decode JSON input: json: cannot unmarshal array into Go value of type map[string]interface {{}}"
    )]
    Array,
}

/// The query as a map; a repeated name becomes an array.
pub fn query(query: &str) -> Fields {
    let mut fields: Fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = Value::String(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                fields.insert(name.into_owned(), value);
            }
        }
    }
    fields
}

/// The body as a map: JSON, or a form where the header says so and the text is no JSON. A question in OCSP, which is DER,
/// becomes the field `raw_body` in base64.
///
/// # Errors
/// When it is neither.
pub fn body(headers: &HeaderMap, bytes: &[u8], limits: &JsonLimits) -> Result<Fields, ParameterError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let Some(first) = first else { return Ok(Map::new()) };
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/ocsp-request") {
        return Ok(Map::from_iter([("raw_body".to_owned(), Value::String(STANDARD.encode(bytes)))]));
    }
    if kind.starts_with("application/x-www-form-urlencoded") && !matches!(first, b'{' | b'[') {
        return Ok(form(bytes));
    }
    match json::parse(bytes, limits) {
        Ok(Some(Value::Object(map))) => Ok(map),
        Ok(Some(Value::Array(_))) => Err(ParameterError::Array),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(ParameterError::Json(error.to_string())),
    }
}

/// Repeated names are joined with commas.
fn form(bytes: &[u8]) -> Fields {
    let mut fields: Fields = Map::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        match fields.get_mut(name.as_ref()) {
            Some(Value::String(text)) => {
                text.push(',');
                text.push_str(&value);
            }
            _ => {
                fields.insert(name.into_owned(), Value::String(value.into_owned()));
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(headers: &HeaderMap, bytes: &[u8]) -> Result<Fields, ParameterError> {
        super::body(headers, bytes, &JsonLimits::default())
    }

    #[test]
    fn repeated_query_names_become_arrays() {
        assert_eq!(Value::Object(query("a=1&b=x%20y&a=2&a=3")), json!({ "a": ["1", "2", "3"], "b": "x y" }));
    }

    #[test]
    fn bodies_are_objects_and_nothing_else_is_taken_for_one() {
        let plain = HeaderMap::new();
        assert_eq!(body(&plain, b" {\"a\": 1} trailing").unwrap()["a"], 1);
        assert!(body(&plain, b"").unwrap().is_empty());
        assert!(body(&plain, b"17").unwrap().is_empty());
        assert_eq!(body(&plain, b"[1]"), Err(ParameterError::Array));
        assert!(matches!(body(&plain, b"{bad"), Err(ParameterError::Json(_))));
    }

    #[test]
    fn forms_are_read_unless_they_hold_json() {
        let headers =
            HeaderMap::from_iter([(hyper::header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap())]);
        assert_eq!(Value::Object(body(&headers, b"a=1&a=2&b=3").unwrap()), json!({ "a": "1,2", "b": "3" }));
        assert_eq!(body(&headers, b"{\"a\":1}").unwrap()["a"], 1);
    }
}
