//! The shapes of errors and of what old clients expect of `sys/`.
use crate::response::Response;
use lessor_engine::Error;
use serde_json::Value;

/// The field's multi-error format, which clients search for the text.
pub fn wrapped(status: u16, text: &str) -> Response {
    Response::error(status, format!("1 error occurred:\n\t* {text}\n\n"))
}

/// The answer to what went wrong.
pub fn refused(error: &Error) -> Response {
    match error {
        Error::Storage(lessor_storage::Error::Sealed) => Response::error(503, "Vault is sealed"),
        Error::NotFound(text) if text.is_empty() => Response::missing(),
        // What is nobody's input is a multi-error in Go, and clients search its text.
        _ if error.status() == 500 => wrapped(500, &error.to_string()),
        _ => Response::error(error.status(), error.to_string()),
    }
}

const INJECTED: [&str; 17] = [
    "sys/audit",
    "sys/audit-hash",
    "sys/auth",
    "sys/capabilities",
    "sys/capabilities-accessor",
    "sys/capabilities-self",
    "sys/config/auditing/request-headers",
    "sys/config/cors",
    "sys/ha-status",
    "sys/key-status",
    "sys/mounts",
    "sys/policy",
    "sys/rekey/backup",
    "sys/rekey/recovery-key-backup",
    "sys/remount",
    "sys/rotate",
    "sys/wrapping/wrap",
];

/// Those of them for which that is true of every path below too.
const BELOW: [&str; 6] =
    ["sys/audit", "sys/audit-hash", "sys/auth", "sys/config/auditing/request-headers", "sys/mounts", "sys/policy"];

/// Old clients read some answers of `sys/` at the top level; see the HTTP contract.
pub fn inject_data(path: &str, response: &mut Response) {
    let at = |prefix: &str| match path.strip_prefix(prefix) {
        Some("") => true,
        Some(rest) => rest.starts_with('/') && BELOW.contains(&prefix),
        None => false,
    };
    if response.status != 200 || !path.starts_with("sys/") || !INJECTED.iter().any(|prefix| at(prefix)) {
        return;
    }
    let Some(Value::Object(body)) = response.body.json_mut() else { return };
    let Some(Value::Object(data)) = body.get("data").cloned() else { return };
    let mut all = data;
    for (name, value) in std::mem::take(body) {
        all.entry(name).or_insert(value);
    }
    *body = all;
}
