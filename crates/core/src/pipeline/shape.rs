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

const INJECTED: [&str; 14] = [
    "sys/audit",
    "sys/audit-hash",
    "sys/auth",
    "sys/capabilities",
    "sys/config/auditing/request-headers",
    "sys/config/cors",
    "sys/ha-status",
    "sys/key-status",
    "sys/mounts",
    "sys/policy",
    "sys/rekey",
    "sys/remount",
    "sys/rotate",
    "sys/wrapping/wrap",
];

/// Old clients read some answers of `sys/` at the top level; see the HTTP contract.
pub fn inject_data(path: &str, response: &mut Response) {
    let at =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '-']));
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
