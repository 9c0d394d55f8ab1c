//! What the commands about mounts share.

use serde_json::{Map, Value, json};

use crate::duration;
use crate::flags::Args;

/// The mounts of an answer, sorted by path.
pub fn entries(answer: &Value) -> Vec<(String, Value)> {
    let source = if answer["data"].is_object() { &answer["data"] } else { answer };
    let mut found: Vec<(String, Value)> = source
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(path, value)| path.ends_with('/') && value.is_object())
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Puts a duration flag into `body` as the server wants it, when it was given.
pub fn put_duration(body: &mut Map<String, Value>, args: &Args, flag: &str, key: &str) {
    if let Some(value) = args.duration(flag) {
        body.insert(key.to_owned(), json!(duration::full(value)));
    }
}

/// Puts a text flag into `body`, when it was given.
pub fn put_text(body: &mut Map<String, Value>, args: &Args, flag: &str, key: &str) {
    if let Some(value) = args.text(flag) {
        body.insert(key.to_owned(), json!(value));
    }
}

/// Puts a repeatable flag into `body`, when it was given; an empty value clears the list.
pub fn put_list(body: &mut Map<String, Value>, args: &Args, flag: &str, key: &str) {
    if args.has(flag) {
        body.insert(key.to_owned(), json!(args.comma_list(flag)));
    }
}

/// The lists every mount may have.
pub const LISTS: [(&str, &str); 4] = [
    ("audit-non-hmac-request-keys", "audit_non_hmac_request_keys"),
    ("audit-non-hmac-response-keys", "audit_non_hmac_response_keys"),
    ("passthrough-request-headers", "passthrough_request_headers"),
    ("allowed-response-headers", "allowed_response_headers"),
];
