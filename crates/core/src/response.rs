//! An answer as core gives it, and the one envelope all of them share.
use serde_json::{Map, Value, json};

/// What goes back to the caller.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body; `None` is an empty one.
    pub body: Option<Value>,
    /// Sent as `Retry-After` on 429, in seconds.
    pub retry_after: Option<u64>,
}

/// The parts of an enveloped answer; see the HTTP contract's response envelope.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// The id of the lease, or empty.
    pub lease_id: String,
    /// Whether the lease can be renewed.
    pub renewable: bool,
    /// Seconds.
    pub lease_duration: u64,
    /// The payload, or null.
    pub data: Option<Map<String, Value>>,
    /// Shown to people; null when empty.
    pub warnings: Vec<String>,
    /// A token that was made or renewed.
    pub auth: Option<Value>,
    /// A wrapped answer.
    pub wrap_info: Option<Value>,
}

impl Response {
    /// 204.
    pub fn empty() -> Self {
        Self { status: 204, body: None, retry_after: None }
    }
    /// A body without the envelope.
    pub fn bare(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), retry_after: None }
    }
    /// `{"errors":[…]}`.
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self::bare(status, json!({ "errors": [message.into()] }))
    }
    /// `{"errors":[]}` with 404.
    pub fn missing() -> Self {
        Self::bare(404, json!({ "errors": [] }))
    }
    /// The envelope, all eight keys in Vault's order.
    pub fn envelope(status: u16, request_id: &str, envelope: Envelope) -> Self {
        let warnings = if envelope.warnings.is_empty() { Value::Null } else { envelope.warnings.into() };
        let mut body = Map::with_capacity(8);
        body.insert("request_id".into(), request_id.into());
        body.insert("lease_id".into(), envelope.lease_id.into());
        body.insert("renewable".into(), envelope.renewable.into());
        body.insert("lease_duration".into(), envelope.lease_duration.into());
        body.insert("data".into(), envelope.data.map_or(Value::Null, Value::Object));
        body.insert("wrap_info".into(), envelope.wrap_info.unwrap_or_default());
        body.insert("warnings".into(), warnings);
        body.insert("auth".into(), envelope.auth.unwrap_or_default());
        Self::bare(status, Value::Object(body))
    }
}
