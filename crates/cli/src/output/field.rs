//! `-field`: names of the envelope first, then the data.

use serde_json::Value;

/// Finds a field; `None` when the secret has no such field or its value is null.
pub fn lookup(secret: &Value, name: &str) -> Option<Value> {
    let auth = |key: &str| secret.get("auth").and_then(|auth| auth.get(key));
    let wrap = |key: &str| secret.get("wrap_info").and_then(|wrap| wrap.get(key));
    let special = match name {
        "token" => auth("client_token"),
        "token_accessor" => auth("accessor"),
        "token_duration" => auth("lease_duration"),
        "token_renewable" => auth("renewable"),
        "token_policies" => auth("token_policies"),
        "identity_policies" => auth("identity_policies"),
        "policies" => auth("policies"),
        "wrapping_token" => wrap("token"),
        "wrapping_accessor" => wrap("accessor"),
        "wrapping_token_ttl" | "ttl" => wrap("ttl"),
        "wrapping_token_creation_time" => wrap("creation_time"),
        "wrapping_token_creation_path" => wrap("creation_path"),
        "wrapped_accessor" => wrap("wrapped_accessor"),
        "lease_id" => secret.get("lease_id").filter(|id| id.as_str() != Some("")),
        "lease_duration" | "refresh_interval" => {
            secret.get("lease_duration").filter(|seconds| seconds.as_i64() != Some(0))
        }
        "lease_renewable" => secret.get("renewable"),
        "request_id" => secret.get("request_id"),
        "data" => secret.get("data"),
        _ => None,
    };
    let data = || secret.get("data").and_then(|data| data.get(name));
    special.filter(|value| !value.is_null()).or_else(data).filter(|value| !value.is_null()).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn envelope_names_reach_auth_wrap_info_and_data() {
        let secret = json!({
            "lease_id": "", "lease_duration": 0,
            "auth": {"client_token": "t"}, "wrap_info": {"token": "w"}, "data": {"ttl": 5, "x": ""},
        });
        assert_eq!(lookup(&secret, "token"), Some(json!("t")));
        assert_eq!(lookup(&secret, "wrapping_token"), Some(json!("w")));
        assert_eq!(lookup(&secret, "ttl"), Some(json!(5)));
        assert_eq!(lookup(&secret, "x"), Some(json!("")));
        assert_eq!(lookup(&secret, "lease_id"), None);
        assert_eq!(lookup(&secret, "nope"), None);
    }
}
