use std::fmt;

use serde_json::Value;

use crate::{Error, Token};

/// HTTP methods the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads, and lists through `?list=true`.
    Get,
    /// Writes.
    Put,
    /// Create-type calls: mounts, audit devices, tokens.
    Post,
    /// Merge-patch.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Put => reqwest::Method::PUT,
            Self::Post => reqwest::Method::POST,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One request, before it is bound to an address.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) token: Option<Token>,
    pub(crate) wrap: bool,
}

impl Request {
    /// A request for `path` below `/v1/`.
    #[must_use]
    pub fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.trim_start_matches('/').to_owned(),
            query: Vec::new(),
            body: None,
            bytes: None,
            token: None,
            wrap: true,
        }
    }

    /// A GET of `path`.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new(Method::Get, path)
    }

    /// A list of `path`: GET with `?list=true`.
    #[must_use]
    pub fn list(path: &str) -> Self {
        Self::get(path).query("list", "true")
    }

    /// A list of everything below `path`.
    #[must_use]
    pub fn scan(path: &str) -> Self {
        Self::get(path).query("scan", "true")
    }

    /// A PUT of `body` to `path`.
    #[must_use]
    pub fn put(path: &str, body: Value) -> Self {
        Self::new(Method::Put, path).body(body)
    }

    /// A POST of `body` to `path`.
    #[must_use]
    pub fn post(path: &str, body: Value) -> Self {
        Self::new(Method::Post, path).body(body)
    }

    /// A DELETE of `path`.
    #[must_use]
    pub fn delete(path: &str) -> Self {
        Self::new(Method::Delete, path)
    }

    /// Adds one query parameter.
    #[must_use]
    pub fn query(mut self, key: &str, value: &str) -> Self {
        self.query.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets the JSON body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets a body that is no JSON, such as a snapshot; it is sent as it is.
    #[must_use]
    pub fn bytes(mut self, bytes: Vec<u8>) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Sends this token instead of the client's.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Never asks for a wrapped answer, whatever the client's settings.
    #[must_use]
    pub fn unwrapped(mut self) -> Self {
        self.wrap = false;
        self
    }

    /// Method of the request.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Path below `/v1/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True when the request asks for a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.query.iter().any(|(key, value)| key == "list" && value == "true")
    }

    /// The JSON body.
    #[must_use]
    pub fn body_ref(&self) -> Option<&Value> {
        self.body.as_ref()
    }
}

impl fmt::Debug for Request {
    /// Bodies hold secrets: only method and path are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// An answer with a status below 400.
#[derive(Clone)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// The decoded body; `None` for an empty body or one that is not JSON.
    pub json: Option<Value>,
    pub(crate) raw: Vec<u8>,
    pub(crate) method: Method,
    pub(crate) url: String,
}

impl Response {
    pub(crate) fn new(method: Method, url: String, status: u16, raw: Vec<u8>) -> Self {
        Self { status, json: serde_json::from_slice(&raw).ok(), raw, method, url }
    }

    /// The body as it came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The decoded body, or an error when there is a body that is no JSON.
    ///
    /// # Errors
    /// [`Error::Decode`] when the body is missing or cannot be decoded.
    pub fn into_json(self) -> Result<Value, Error> {
        let Self { json, raw, method, url, .. } = self;
        match json {
            Some(value) => Ok(value),
            None => Err(Error::Decode {
                method,
                url,
                reason: match serde_json::from_slice::<Value>(&raw) {
                    Err(error) => error.to_string(),
                    Ok(_) => "empty answer".to_owned(),
                },
            }),
        }
    }
}

impl fmt::Debug for Response {
    /// Answers hold credentials: only what is safe to log is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}
