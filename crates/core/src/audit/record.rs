//! What is written, with every text of the payload replaced by a keyed hash.
use crate::request::Request;
use crate::response::Response;
use crate::token::Token;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What a line is about, before hashing.
pub struct Subject<'a> {
    /// The request.
    pub request: &'a Request,
    /// The caller, once known.
    pub token: Option<&'a Token>,
    /// The mount that was asked: path, type and accessor.
    pub mount: Option<(&'a str, &'a str, &'a str)>,
    /// When.
    pub time: Timestamp,
    /// The id of the request's namespace.
    pub namespace: &'a str,
}

/// One line, still to be hashed per device.
pub struct Line {
    value: Value,
}

fn hashed(salt: &hmac::Key, text: &str) -> Value {
    Value::String(format!("hmac-sha256:{}", hex::encode(hmac::sign(salt, text.as_bytes()))))
}

/// Hashes every text below; keys, numbers and booleans stay.
fn hash_texts(salt: &hmac::Key, value: &mut Value) {
    match value {
        Value::String(text) => *value = hashed(salt, text),
        Value::Array(items) => items.iter_mut().for_each(|item| hash_texts(salt, item)),
        Value::Object(map) => map.values_mut().for_each(|item| hash_texts(salt, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn hash_at(salt: &hmac::Key, value: &mut Value, pointer: &str) {
    if let Some(found) = value.pointer_mut(pointer) {
        hash_texts(salt, found);
    }
}

fn without_nulls(map: Value) -> Value {
    match map {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

impl Line {
    /// The line of a request.
    pub fn request(of: &Subject<'_>) -> Self {
        Self { value: json!({ "time": of.time, "type": "request", "auth": auth(of), "request": request(of) }) }
    }
    /// The line of an answer.
    pub fn response(of: &Subject<'_>, response: &Response) -> Self {
        let body = response.body.as_ref();
        let part = |name: &str| body.and_then(|body| body.get(name)).cloned().unwrap_or_default();
        let lease = part("lease_id");
        let secret = lease.as_str().filter(|id| !id.is_empty()).map(|id| json!({ "lease_id": id }));
        let answer = without_nulls(json!({
            "auth": part("auth"), "secret": secret, "data": part("data"),
            "warnings": part("warnings"), "wrap_info": part("wrap_info"),
        }));
        let mut value = json!({
            "time": of.time, "type": "response", "auth": auth(of), "request": request(of), "response": answer,
        });
        let errors = part("errors");
        if let (Some(errors), Some(map)) = (errors.as_array(), value.as_object_mut()) {
            let texts: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
            map.insert("error".into(), texts.join("; ").into());
        }
        Self { value }
    }
    /// The bytes for a device with this salt; `raw` shows everything in clear.
    pub fn bytes(&self, salt: &hmac::Key, raw: bool) -> Vec<u8> {
        let mut value = self.value.clone();
        if !raw {
            for pointer in [
                "/auth/client_token",
                "/auth/accessor",
                "/request/client_token",
                "/request/client_token_accessor",
                "/request/data",
                "/response/data",
                "/response/auth/client_token",
                "/response/auth/accessor",
                "/response/wrap_info/token",
                "/response/wrap_info/accessor",
                "/response/wrap_info/wrapped_accessor",
            ] {
                hash_at(salt, &mut value, pointer);
            }
        }
        let mut line = value.to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

fn auth(of: &Subject<'_>) -> Value {
    let Some(token) = of.token else { return json!({}) };
    without_nulls(json!({
        "client_token": of.request.token.as_ref().map(lessor_engine::Secret::expose),
        "accessor": token.accessor,
        "display_name": token.display_name,
        "policies": token.policies,
        "token_policies": token.policies,
        "entity_id": if token.entity_id.is_empty() { Value::Null } else { json!(token.entity_id) },
        "token_type": token.kind.word(),
        "token_ttl": token.creation_ttl,
        "token_issue_time": token.created,
        "metadata": if token.meta.is_empty() { Value::Null } else { json!(token.meta) },
    }))
}

fn request(of: &Subject<'_>) -> Value {
    let request = of.request;
    let (point, kind, accessor) = of.mount.unwrap_or_default();
    let mut map = Map::new();
    for (name, value) in [
        ("id", json!(request.id)),
        ("operation", json!(request.operation.word())),
        ("mount_point", json!(point)),
        ("mount_type", json!(kind)),
        ("mount_accessor", json!(accessor)),
        ("client_token", json!(request.token.as_ref().map(lessor_engine::Secret::expose))),
        ("client_token_accessor", json!(of.token.map(|token| &token.accessor))),
        ("namespace", json!({ "id": of.namespace, "path": request.namespace })),
        ("path", json!(request.path)),
        ("data", if request.fields.is_empty() { Value::Null } else { Value::Object(request.fields.clone()) }),
        ("remote_address", json!(request.client.map(|address| address.to_string()))),
        ("remote_port", json!(request.client_port)),
        ("wrap_ttl", json!(request.wrap_ttl.map(|ttl| ttl.as_secs()))),
    ] {
        if !value.is_null() && value != "" {
            map.insert(name.to_owned(), value);
        }
    }
    Value::Object(map)
}

/// The hash that audit lines show for `text`.
pub fn hash(salt: &hmac::Key, text: &str) -> String {
    format!("hmac-sha256:{}", hex::encode(hmac::sign(salt, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_hashed_at_every_depth_and_the_rest_stays() {
        let salt = hmac::Key::new(hmac::HMAC_SHA256, b"salt");
        let line = Line { value: json!({ "request": { "data": { "a": ["x", 1, { "b": "y" }], "flag": true } } }) };
        let text = String::from_utf8(line.bytes(&salt, false)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let data = &value["request"]["data"];
        assert_eq!(data["a"][0], hash(&salt, "x"));
        assert_eq!(data["a"][1], 1);
        assert_eq!(data["a"][2]["b"], hash(&salt, "y"));
        assert_eq!(data["flag"], true);
    }
}
