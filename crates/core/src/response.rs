//! An answer as core gives it, and the one envelope all of them share.
use lessor_engine::{Raw, Stream};
use serde_json::{Map, Value, json};

/// What an answer holds.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// JSON.
    Json(Value),
    /// Bytes with a content type of their own.
    Raw(Raw),
    /// Bytes that are not there yet.
    Stream(Stream),
}

impl Body {
    /// The JSON, where it is JSON.
    pub fn json(&self) -> Option<&Value> {
        if let Self::Json(value) = self { Some(value) } else { None }
    }
    /// The JSON, to change it.
    pub fn json_mut(&mut self) -> Option<&mut Value> {
        if let Self::Json(value) = self { Some(value) } else { None }
    }
    /// The JSON, or null for everything else.
    pub fn into_value(self) -> Value {
        if let Self::Json(value) = self { value } else { Value::Null }
    }
}

/// Bodies hold secrets: only their kind is shown.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Json(_) => f.write_str("Json(..)"),
            Self::Raw(raw) => raw.fmt(f),
            Self::Stream(stream) => stream.fmt(f),
        }
    }
}

/// What goes back to the caller.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Body,
    /// Sent as `Retry-After` on 429, in seconds.
    pub retry_after: Option<u64>,
    /// More headers, by lower-case name.
    pub headers: Vec<(&'static str, String)>,
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
        Self { status: 204, body: Body::None, retry_after: None, headers: Vec::new() }
    }
    /// A body without the envelope.
    pub fn bare(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), ..Self::empty() }
    }
    /// Bytes as they are.
    pub fn raw(status: u16, raw: Raw) -> Self {
        Self { status, body: Body::Raw(raw), ..Self::empty() }
    }
    /// Bytes as they come.
    pub fn stream(stream: Stream) -> Self {
        Self { status: 200, body: Body::Stream(stream), ..Self::empty() }
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
