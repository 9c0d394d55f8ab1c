//! What is written, with every text of the payload replaced by a keyed hash.
use super::headers::Headers;
use super::quotes::hash_quotes;
use crate::mount::Entry;
use crate::policy::Decision;
use crate::request::Request;
use crate::response::Response;
use crate::token::Token;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a line is about, before hashing.
pub struct Subject<'a> {
    /// The request.
    pub request: &'a Request,
    /// The caller, once known.
    pub token: Option<&'a Token>,
    /// What the policies say.
    pub decision: &'a Decision,
    /// The mount that was asked.
    pub mount: Option<&'a Entry>,
    /// When.
    pub time: Timestamp,
    /// The id of the request's namespace.
    pub namespace: &'a str,
    /// The request headers that are shown.
    pub headers: &'a Headers,
}

/// One line, still to be hashed per device.
pub struct Line {
    value: Value,
    /// Fields of requests and of answers that the mount shows in clear.
    clear: [Vec<String>; 2],
    lists: bool,
}

/// How a device writes its lines.
#[derive(Clone, Debug)]
pub struct Shape {
    raw: bool,
    hash_accessors: bool,
    elide_lists: bool,
    prefix: String,
}

impl Shape {
    /// Reads a device's options.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub fn read(options: &BTreeMap<String, String>) -> Result<Self> {
        let flag = |name: &str, default: bool| match options.get(name).map(String::as_str) {
            None | Some("") => Ok(default),
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(other) => Err(Error::invalid(format!("{name} '{other}': use true or false"))),
        };
        if let Some(format) = options.get("format").filter(|format| !matches!(format.as_str(), "" | "json")) {
            return Err(Error::invalid(format!("unknown format type {format:?}: only json is written")));
        }
        Ok(Self {
            raw: flag("log_raw", false)?,
            hash_accessors: flag("hmac_accessor", true)?,
            elide_lists: flag("elide_list_responses", false)?,
            prefix: options.get("prefix").cloned().unwrap_or_default(),
        })
    }
}

fn hashed(salt: &hmac::Key, text: &str) -> Value {
    Value::String(hash(salt, text))
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

/// Hashes the fields below, but for those that are shown in clear.
fn hash_fields(salt: &hmac::Key, value: &mut Value, pointer: &str, clear: &[String]) {
    match value.pointer_mut(pointer) {
        Some(Value::Object(fields)) => {
            for (_, field) in fields.iter_mut().filter(|(name, _)| !clear.contains(name)) {
                hash_texts(salt, field);
            }
        }
        Some(other) => hash_texts(salt, other),
        None => {}
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
        let value = json!({ "time": of.time, "type": "request", "auth": auth(of), "request": request(of) });
        Self { value, clear: clear(of), lists: false }
    }
    /// Whether this is the line of a request.
    pub fn is_request(&self) -> bool {
        self.value["type"] == "request"
    }
    /// The line of an answer.
    pub fn response(of: &Subject<'_>, response: &Response) -> Self {
        let body = response.body.json();
        let part = |name: &str| body.and_then(|body| body.get(name)).cloned().unwrap_or_default();
        let lease = part("lease_id");
        let secret = lease.as_str().filter(|id| !id.is_empty()).map(|id| json!({ "lease_id": id }));
        let answer = without_nulls(json!({
            "auth": part("auth"), "secret": secret, "data": part("data"),
            "warnings": part("warnings"), "wrap_info": part("wrap_info"),
            "mount_point": of.mount.map(|entry| &entry.path),
            "mount_type": of.mount.map(|entry| &entry.kind),
            "mount_accessor": of.mount.map(|entry| &entry.accessor),
        }));
        let mut value = json!({
            "time": of.time, "type": "response", "auth": auth(of), "request": request(of), "response": answer,
        });
        let errors = part("errors");
        if let (Some(errors), Some(map)) = (errors.as_array(), value.as_object_mut()) {
            let texts: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
            map.insert("error".into(), texts.join("; ").into());
        }
        Self { value, clear: clear(of), lists: of.request.operation.is_list() }
    }
    /// The first line of a device, which shows that it takes lines.
    pub fn probe(time: Timestamp) -> Self {
        let request =
            json!({ "operation": "update", "path": "sys/audit/test", "namespace": { "id": "root", "path": "" } });
        let value = json!({ "time": time, "type": "request", "auth": {}, "request": request });
        Self { value, clear: Default::default(), lists: false }
    }
    /// The bytes for a device with this salt.
    pub fn bytes(&self, salt: &hmac::Key, shape: &Shape) -> Vec<u8> {
        let mut value = self.value.clone();
        if shape.elide_lists && self.lists {
            elide(&mut value);
        }
        let plain = value.pointer_mut("/request/hashed_headers").map(Value::take);
        if !shape.raw {
            hash_payload(salt, &mut value, &self.clear);
            if shape.hash_accessors {
                for pointer in [
                    "/auth/accessor",
                    "/request/client_token_accessor",
                    "/response/auth/accessor",
                    "/response/wrap_info/accessor",
                    "/response/wrap_info/wrapped_accessor",
                ] {
                    hash_at(salt, &mut value, pointer);
                }
            }
        }
        if let Some(mut headers) = plain {
            if !shape.raw {
                hash_texts(salt, &mut headers);
            }
            merge_headers(&mut value, headers);
        }
        let mut line = shape.prefix.clone().into_bytes();
        line.extend(value.to_string().into_bytes());
        line.push(b'\n');
        line
    }
}

fn hash_payload(salt: &hmac::Key, value: &mut Value, clear: &[Vec<String>; 2]) {
    for pointer in
        ["/auth/client_token", "/request/client_token", "/response/auth/client_token", "/response/wrap_info/token"]
    {
        hash_at(salt, value, pointer);
    }
    hash_quotes(salt, value, &clear[0]);
    hash_fields(salt, value, "/request/data", &clear[0]);
    hash_fields(salt, value, "/response/data", &clear[1]);
}

/// Headers whose values are hashed stand beside the others in the line.
fn merge_headers(value: &mut Value, hashed: Value) {
    let Some(Value::Object(request)) = value.get_mut("request") else { return };
    request.shift_remove("hashed_headers");
    let Value::Object(hashed) = hashed else { return };
    if hashed.is_empty() {
        return;
    }
    if let Value::Object(headers) = request.entry("headers").or_insert_with(|| json!({})) {
        headers.extend(hashed);
    }
}

/// Long lists are replaced by their length.
fn elide(value: &mut Value) {
    let Some(Value::Object(data)) = value.pointer_mut("/response/data") else { return };
    for name in ["keys", "key_info"] {
        let length = match data.get(name) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(items)) => items.len(),
            _ => continue,
        };
        data.insert(name.to_owned(), json!(length));
    }
}

fn clear(of: &Subject<'_>) -> [Vec<String>; 2] {
    let config = of.mount.map(|entry| &entry.config);
    let lists = |config: &crate::mount::MountConfig| {
        [config.audit_non_hmac_request_keys.clone(), config.audit_non_hmac_response_keys.clone()]
    };
    config.map(lists).unwrap_or_default()
}

fn auth(of: &Subject<'_>) -> Value {
    let Some(token) = of.token else { return json!({}) };
    without_nulls(json!({
        "client_token": of.request.token.as_ref().map(lessor_engine::Secret::expose),
        "accessor": token.accessor,
        "display_name": token.display_name,
        "policies": token.policies,
        "token_policies": token.policies,
        "policy_results": of.decision.audited(),
        "entity_id": if token.entity_id.is_empty() { Value::Null } else { json!(token.entity_id) },
        "token_type": token.kind.word(),
        "token_ttl": token.creation_ttl,
        "token_issue_time": token.created,
        "metadata": if token.meta.is_empty() { Value::Null } else { json!(token.meta) },
    }))
}

fn request(of: &Subject<'_>) -> Value {
    let request = of.request;
    let (plain, hashed) = of.headers.shown(&request.headers);
    let set = |fields: Map<String, Value>| if fields.is_empty() { Value::Null } else { Value::Object(fields) };
    let class = of.mount.map(|entry| if entry.is_auth() { "auth" } else { "secret" });
    let mut map = Map::new();
    for (name, value) in [
        ("id", json!(request.id)),
        ("client_id", json!(of.token.map(|token| &token.entity_id))),
        ("operation", json!(request.operation.word())),
        ("mount_point", json!(of.mount.map(|entry| &entry.path))),
        ("mount_type", json!(of.mount.map(|entry| &entry.kind))),
        ("mount_accessor", json!(of.mount.map(|entry| &entry.accessor))),
        ("mount_running_version", json!(of.mount.map(|_| concat!("v", env!("CARGO_PKG_VERSION"), "+builtin")))),
        ("mount_class", json!(class)),
        ("client_token", json!(request.token.as_ref().map(lessor_engine::Secret::expose))),
        ("client_token_accessor", json!(of.token.map(|token| &token.accessor))),
        ("namespace", json!({ "id": of.namespace, "path": request.namespace })),
        ("path", json!(request.path)),
        ("data", set(request.fields.clone())),
        ("remote_address", json!(request.client.map(|address| address.to_string()))),
        ("remote_port", json!(request.client_port)),
        ("wrap_ttl", json!(request.wrap_ttl.map(|ttl| ttl.as_secs()))),
        ("headers", set(plain)),
        ("hashed_headers", set(hashed)),
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

    fn written(value: Value, options: &[(&str, &str)], clear: [Vec<String>; 2], lists: bool) -> Value {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let line = Line { value, clear, lists };
        let bytes = line.bytes(&salt(), &Shape::read(&options).unwrap());
        serde_json::from_slice(&bytes).unwrap()
    }
    fn salt() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, b"salt")
    }

    #[test]
    fn texts_are_hashed_at_every_depth_and_the_rest_stays() {
        let value = json!({ "request": { "data": { "a": ["x", 1, { "b": "y" }], "flag": true, "shown": "z" } } });
        let value = written(value, &[], [vec!["shown".to_owned()], Vec::new()], false);
        let data = &value["request"]["data"];
        assert_eq!(data["a"][0], hash(&salt(), "x"));
        assert_eq!(data["a"][1], 1);
        assert_eq!(data["a"][2]["b"], hash(&salt(), "y"));
        assert_eq!((&data["flag"], &data["shown"]), (&json!(true), &json!("z")));
    }

    #[test]
    fn headers_are_hashed_where_they_are_told_to() {
        let value = json!({ "request": { "headers": { "a": ["1"] }, "hashed_headers": { "b": ["2"] } } });
        let value = written(value, &[], Default::default(), false);
        assert_eq!(value["request"]["headers"], json!({ "a": ["1"], "b": [hash(&salt(), "2")] }));
        assert!(value["request"].get("hashed_headers").is_none());
    }

    #[test]
    fn options_of_a_device_shape_its_lines() {
        let value = json!({ "auth": { "accessor": "acc" }, "response": { "data": { "keys": ["a", "b"] } } });
        let shown = written(
            value.clone(),
            &[("hmac_accessor", "false"), ("elide_list_responses", "true")],
            Default::default(),
            true,
        );
        assert_eq!((&shown["auth"]["accessor"], &shown["response"]["data"]["keys"]), (&json!("acc"), &json!(2)));
        let raw = written(value, &[("log_raw", "true")], Default::default(), true);
        assert_eq!(raw["response"]["data"]["keys"], json!(["a", "b"]));
        let wrong = Shape::read(&[("format".to_owned(), "jsonx".to_owned())].into()).unwrap_err();
        assert!(wrong.to_string().contains("only json"));
    }
}
