//! Why an ACME request is refused, in the words of RFC 8555, 6.7.
use lessor_engine::Error;
use serde_json::{Value, json};

/// A refusal for the client, or trouble of our own.
pub(crate) enum Fault {
    Problem(Problem),
    Engine(Error),
}

/// A problem document.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
    pub(crate) subproblems: Vec<Value>,
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Engine(error.into())
    }
}

pub(crate) type Outcome<T> = Result<T, Fault>;

pub(crate) fn problem(kind: &'static str, detail: impl Into<String>) -> Problem {
    Problem { kind, detail: detail.into(), subproblems: Vec::new() }
}

pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
    problem("malformed", detail)
}

/// Ends a request.
pub(crate) fn refuse<T>(kind: &'static str, detail: impl Into<String>) -> Outcome<T> {
    Err(problem(kind, detail).into())
}

impl Problem {
    pub(crate) fn status(&self) -> u16 {
        match self.kind {
            "externalAccountRequired" | "unauthorized" | "userActionRequired" => 401,
            "caa" | "orderNotReady" => 403,
            "rateLimited" => 429,
            "connection" | "dns" | "serverInternal" | "tls" => 500,
            _ => 400,
        }
    }
    /// As it stands in an answer, in a challenge or in an order.
    pub(crate) fn show(&self) -> Value {
        let mut document = json!({
            "type": format!("urn:ietf:params:acme:error:{}", self.kind),
            "detail": self.detail,
            "status": self.status(),
        });
        if !self.subproblems.is_empty() {
            document["subproblems"] = json!(self.subproblems);
        }
        document
    }
}
