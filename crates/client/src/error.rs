use std::fmt;

use serde_json::Value;

use crate::Method;

/// Why a request gave no usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with a status of 400 or more.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The address is not a URL this client can talk to.
    #[error("invalid address {address:?}: {reason}")]
    Address {
        /// The address as configured.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header cannot be sent as configured.
    #[error("invalid header {name:?}: {reason}")]
    Header {
        /// Name of the header; the value may be secret and is not kept.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate, key or TLS setting cannot be used.
    #[error("TLS configuration: {0}")]
    Tls(String),
    /// No answer: the connection failed, broke or took too long.
    #[error("{method} \"{url}\": {reason}")]
    Transport {
        /// Method of the request.
        method: Method,
        /// Full URL of the request.
        url: String,
        /// The whole chain of causes.
        reason: String,
        /// True when the time limit passed.
        timeout: bool,
    },
    /// The server pointed from https to http.
    #[error("redirect would cause protocol downgrade: {from} to {to}")]
    Downgrade {
        /// Where the request went.
        from: String,
        /// Where it was to go next.
        to: String,
    },
    /// The answer is not JSON although the endpoint promises it.
    #[error("{method} \"{url}\": answer is not JSON: {reason}")]
    Decode {
        /// Method of the request.
        method: Method,
        /// Full URL of the request.
        url: String,
        /// What the decoder said.
        reason: String,
    },
}

impl Error {
    /// The server's answer, when there was one.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(api) => Some(api),
            _ => None,
        }
    }

    /// Status code of the server's answer, when there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.api().map(|api| api.status)
    }
}

/// An answer with an error status.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ApiError {
    /// Method of the request.
    pub method: Method,
    /// Full URL of the request.
    pub url: String,
    /// Namespace of the request, with a trailing slash, empty for the root.
    pub namespace: String,
    /// HTTP status code.
    pub status: u16,
    /// The `errors` array, or the raw body as its only entry.
    pub errors: Vec<String>,
    /// True when the body was not the usual JSON object.
    pub raw: bool,
    /// The JSON body: some 404 answers carry data or warnings beside the errors.
    pub body: Option<Value>,
}

impl ApiError {
    pub(crate) fn new(method: Method, url: String, namespace: String, status: u16, bytes: &[u8]) -> Self {
        let body: Option<Value> = serde_json::from_slice(bytes).ok();
        let listed = body.as_ref().and_then(|value| value.get("errors"));
        let (errors, raw) = match listed {
            Some(Value::Array(items)) => (items.iter().map(plain).collect(), false),
            _ if bytes.is_empty() => (Vec::new(), true),
            // A bare object such as sys/health's answer is shown as it came.
            _ => (vec![String::from_utf8_lossy(bytes).trim_end().to_owned()], true),
        };
        Self { method, url, namespace, status, errors, raw, body }
    }

    /// True when one of the errors contains `text`.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.errors.iter().any(|error| error.contains(text))
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Error making API request.\n\n")?;
        if !self.namespace.is_empty() && self.namespace != "root/" {
            writeln!(f, "Namespace: {}", self.namespace)?;
        }
        let label = if self.raw { "Raw Message" } else { "Errors" };
        write!(f, "URL: {} {}\nCode: {}. {label}:\n\n", self.method, self.url, self.status)?;
        if self.raw {
            return f.write_str(&self.errors.join("\n"));
        }
        let lines: Vec<String> = self.errors.iter().map(|error| format!("* {error}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_error_prints_url_code_and_every_error() {
        let error = ApiError::new(
            Method::Put,
            "http://h/v1/a".into(),
            String::new(),
            403,
            br#"{"errors":["permission denied"]}"#,
        );
        assert_eq!(
            error.to_string(),
            "Error making API request.\n\nURL: PUT http://h/v1/a\nCode: 403. Errors:\n\n* permission denied"
        );
    }

    #[test]
    fn bodies_that_are_not_json_are_shown_raw_with_the_namespace() {
        let error = ApiError::new(Method::Get, "http://h/v1/a".into(), "ns1/".into(), 502, b"bad gateway\n");
        assert_eq!(
            error.to_string(),
            "Error making API request.\n\nNamespace: ns1/\nURL: GET http://h/v1/a\nCode: 502. Raw Message:\n\nbad gateway"
        );
    }
}
