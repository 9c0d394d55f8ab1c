//! What a handler answers.
use crate::{Grant, Login, Stream, Terms};
use serde_json::{Map, Value};
use std::time::Duration;

/// A planned credential that core is to create and lease.
pub struct Issue {
    /// The plan.
    pub grant: Grant,
    /// TTL and bound by role or configuration.
    pub terms: Terms,
    /// TTL the caller asked for, where the endpoint takes one.
    pub ttl: Option<Duration>,
    /// Whether the lease can be renewed.
    pub renewable: bool,
}

/// Bytes that go to the caller as they are: a certificate list, a snapshot, metrics.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// The `Content-Type`.
    pub content_type: String,
    /// The body.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({}, {} bytes)", self.content_type, self.bytes.len())
    }
}

/// The kinds of answer.
pub enum Outcome {
    /// 204, or 200 when there are warnings.
    Empty,
    /// 200 with `data`.
    Data(Map<String, Value>),
    /// 200 with `data.keys`, or 404 when there are none.
    List(Vec<String>),
    /// 404 with an empty `errors` list (or an envelope, when there are warnings or data).
    Missing(Option<Map<String, Value>>),
    /// Core creates and leases it, then answers with its data.
    Issue(Box<Issue>),
    /// Core makes a token for whoever this is, and answers with it.
    Login(Box<Login>),
    /// A JSON body without the envelope.
    Bare(Value),
    /// Bytes without the envelope, with a content type of their own.
    Raw(Raw),
    /// Bytes that are not there yet.
    Stream(Stream),
    /// Core rotates the subject, then answers 204 or what [`crate::Rotating::answer`] says.
    Rotate(String),
    /// Core rotates the subject if [`crate::Rotating::is_due`] still says so when nobody else rotates it, then answers
    /// with what [`crate::Rotating::present`] says: for secrets that are renewed by whoever reads them.
    Refresh(String),
}

/// A lease that came to its end in the engine's own hands, before its time.
pub struct Ended {
    /// The path below the mount that it was issued at.
    pub path: String,
    /// [`Grant::name`] of its credential.
    pub name: String,
}

/// The lease part of an answer that speaks of a lease without issuing one (a renewal).
pub struct LeaseView {
    /// The lease's id.
    pub id: String,
    /// What is left of it, in whole seconds.
    pub duration: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
}

/// The answer of a handler.
pub struct Reply {
    /// Another status than the outcome's own, such as 202 for work that goes on behind the answer.
    pub status: Option<u16>,
    /// Fills the lease fields of the envelope.
    pub lease: Option<LeaseView>,
    /// The `auth` of the envelope: a token that was made or renewed.
    pub auth: Option<Value>,
    /// What kind.
    pub outcome: Outcome,
    /// Shown to the caller beside it.
    pub warnings: Vec<String>,
    /// `lease_duration` of an answer without a lease (the hint of KV v1).
    pub lease_duration: u64,
    /// Subjects whose rotation schedule changed: core asks [`crate::Rotating::next`] for each of them.
    pub reschedule: Vec<String>,
    /// Response headers by lower-case name.
    pub headers: Vec<(&'static str, String)>,
    /// Leases whose credentials the handler ended itself: core revokes them, which finds nothing left to do.
    pub ended: Vec<Ended>,
    /// Told as `wrapped_accessor` where the answer is wrapped (the accessor of a secret id).
    pub wrapped_accessor: Option<String>,
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        Self {
            status: None,
            lease: None,
            auth: None,
            outcome,
            warnings: Vec::new(),
            lease_duration: 0,
            reschedule: Vec::new(),
            headers: Vec::new(),
            ended: Vec::new(),
            wrapped_accessor: None,
        }
    }
}

impl Reply {
    /// 204.
    pub fn empty() -> Self {
        Outcome::Empty.into()
    }
    /// 200 with the fields of a JSON object; anything else becomes an empty object.
    pub fn data(data: Value) -> Self {
        let Value::Object(map) = data else { return Outcome::Data(Map::new()).into() };
        Outcome::Data(map).into()
    }
    /// A list of names.
    pub fn list(keys: Vec<String>) -> Self {
        Outcome::List(keys).into()
    }
    /// 404.
    pub fn missing() -> Self {
        Outcome::Missing(None).into()
    }
    /// A planned credential.
    pub fn issue(issue: Issue) -> Self {
        Outcome::Issue(Box::new(issue)).into()
    }
    /// Somebody who proved who they are.
    pub fn login(login: Login) -> Self {
        Outcome::Login(Box::new(login)).into()
    }
    /// A rotation of `subject`.
    pub fn rotate(subject: impl Into<String>) -> Self {
        Outcome::Rotate(subject.into()).into()
    }
    /// A secret that is renewed first where it is due.
    pub fn refresh(subject: impl Into<String>) -> Self {
        Outcome::Refresh(subject.into()).into()
    }
    /// A body without the envelope.
    pub fn bare(status: u16, body: Value) -> Self {
        Self { status: Some(status), ..Outcome::Bare(body).into() }
    }
    /// Bytes as they are.
    pub fn raw(content_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        Outcome::Raw(Raw { content_type: content_type.into(), bytes }).into()
    }
    /// Only the `auth` part of the envelope.
    pub fn auth(auth: Value) -> Self {
        Self { auth: Some(auth), ..Outcome::Empty.into() }
    }
    /// Answers with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
    /// Adds a warning.
    #[must_use]
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
    /// Asks core to schedule the subject's rotation anew.
    #[must_use]
    pub fn reschedule(mut self, subject: impl Into<String>) -> Self {
        self.reschedule.push(subject.into());
        self
    }
}
