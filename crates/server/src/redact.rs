//! Status answers that everybody may read, with what the operator hides left empty.
use crate::config::Redact;
use lessor_core::response::Response;
use serde_json::Value;

/// Whether the path answers everybody.
pub fn applies(path: &str) -> bool {
    matches!(path, "sys/health" | "sys/seal-status" | "sys/leader" | "sys/ha-status")
}

/// Leaves fields empty.
pub fn blank(redact: Redact, response: &mut Response) {
    let Some(body) = response.body.json_mut() else { return };
    let mut empty = |names: &[&str]| {
        for name in names {
            if let Some(value @ Value::String(_)) = body.get_mut(*name) {
                *value = Value::String(String::new());
            }
        }
    };
    if redact.addresses {
        empty(&["leader_address", "leader_cluster_address"]);
    }
    if redact.cluster_name {
        empty(&["cluster_name"]);
    }
    if redact.version {
        empty(&["version", "build_date"]);
    }
}
