//! One HTTP request as core takes it: everything that is read from its line, its headers and its body, without a socket.
use crate::config::{JsonLimits, Listener};
use crate::forwarded::{self, Peer};
use crate::gate;
use crate::headers::{handed_on, namespace, text, token, wrap_ttl};
use crate::parameters::{body, query};
use crate::path::Cleaned;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request as HttpRequest};
use lessor_core::request::Request;
use lessor_core::response::Response;
use lessor_engine::{Fields, Operation};
use serde_json::{Value, json};
use std::sync::Arc;

/// Reads a request whose body is complete, as a listener would: what core is asked, or `None` where the client is sent to
/// the clean form of its path.
///
/// # Errors
/// The status of the refusal.
pub fn read_request(listener: &Listener, request: HttpRequest<Vec<u8>>) -> Result<Option<Request>, u16> {
    let (parts, bytes) = request.into_parts();
    let read = || {
        let Cleaned::Path(path) = admitted(listener, &parts)? else { return Ok(None) };
        let envelope = Envelope::read(listener, &Peer::default(), &parts, path)?;
        envelope.with_body(&listener.limits.json, &parts.headers, &bytes).map(Some)
    };
    read().map_err(|refusal: Response| refusal.status)
}

/// What is refused before anything of it is read.
pub fn admitted(listener: &Listener, parts: &Parts) -> Result<Cleaned, Response> {
    if listener.require_request_header && !parts.headers.contains_key("x-vault-request") {
        return Err(Response::error(412, "missing \"X-Vault-Request\" header"));
    }
    gate::enter(&listener.gates, parts.uri.path())
}

/// The query of `sys/metrics`; scrapers may ask for their format by `Accept` instead.
pub fn metrics_query(parts: &Parts) -> Fields {
    let mut fields = query(parts.uri.query().unwrap_or_default());
    if text(&parts.headers, "accept").is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        fields.entry("format").or_insert("prometheus".into());
    }
    fields
}

/// A request whose body is still to come.
pub struct Envelope(Request);

impl Envelope {
    /// Reads what is known without the body.
    ///
    /// # Errors
    /// The answer to what cannot be read.
    pub fn read(listener: &Listener, peer: &Peer, parts: &Parts, path: String) -> Result<Self, Response> {
        let headers = &parts.headers;
        let client = match &listener.forwarded {
            Some(settings) => forwarded::client(settings, peer, headers)?,
            None => peer.clone(),
        };
        let mut fields =
            if path == "sys/metrics" { metrics_query(parts) } else { query(parts.uri.query().unwrap_or_default()) };
        let mut operation = operation(&parts.method, &path)?;
        let help = take_flag(&mut fields, "help")? || parts.method.as_str() == "HELP";
        if take_flag(&mut fields, "list")? && operation == Operation::Read {
            operation = Operation::List;
        }
        if take_flag(&mut fields, "scan")? {
            operation = match operation {
                Operation::Read => Operation::Scan,
                // Both at once is neither.
                Operation::List => return Err(Response::bare(400, json!({ "errors": [] }))),
                other => other,
            };
        }
        let namespace = gate::namespace(&listener.gates, &path, namespace(headers));
        Ok(Self(Request {
            id: lessor_core::mount::entry::uuid(),
            operation,
            path: slashed(operation, path)?,
            fields,
            token: token(headers, listener.limits.token_header)?,
            namespace,
            wrap_ttl: wrap_ttl(headers)?,
            client: client.address.map(|address| forwarded::canonical(address.ip())),
            client_port: client.address.map_or(0, |address| address.port()),
            headers: handed_on(headers),
            certificates: client.certificates,
            upload: None,
            help,
        }))
    }

    /// Whether its parameters stand in the body.
    pub fn takes_body(&self) -> bool {
        matches!(self.0.operation, Operation::Update | Operation::Patch)
    }

    /// Whether its body is a file.
    pub fn takes_file(&self) -> bool {
        let path = self.0.path.as_str();
        self.0.operation == Operation::Update
            && matches!(path, "sys/storage/raft/snapshot" | "sys/storage/raft/snapshot-force")
    }

    /// What is known before the body.
    pub fn request(&self) -> &Request {
        &self.0
    }

    /// The whole request, with a file for its body.
    pub fn with_file(self, file: std::fs::File) -> Request {
        Request { upload: Some(Arc::new(file)), ..self.0 }
    }

    /// The whole request.
    ///
    /// # Errors
    /// The answer to a body that cannot be read.
    pub fn with_body(self, limits: &JsonLimits, headers: &HeaderMap, bytes: &[u8]) -> Result<Request, Response> {
        if !self.takes_body() {
            return Ok(self.0);
        }
        let fields = parameters(self.0.operation, limits, headers, bytes)?;
        Ok(Request { fields, ..self.0 })
    }
}

/// Lists end in a slash, writes never do.
fn slashed(operation: Operation, path: String) -> Result<String, Response> {
    match operation {
        Operation::List | Operation::Scan if !path.is_empty() && !path.ends_with('/') => Ok(path + "/"),
        Operation::Update if path.ends_with('/') => Err(Response::error(400, "cannot write to a path ending in '/'")),
        _ => Ok(path),
    }
}

fn operation(method: &Method, path: &str) -> Result<Operation, Response> {
    match method.as_str() {
        "GET" | "HELP" => Ok(Operation::Read),
        // ACME clients ask for nonces like this (RFC 8555, 7.2).
        "HEAD" if path == "sys/health" || path.ends_with("acme/new-nonce") => Ok(Operation::Read),
        "LIST" => Ok(Operation::List),
        "SCAN" => Ok(Operation::Scan),
        "POST" | "PUT" => Ok(Operation::Update),
        "PATCH" => Ok(Operation::Patch),
        "DELETE" => Ok(Operation::Delete),
        _ => Err(Response::bare(405, json!({ "errors": [] }))),
    }
}

fn take_flag(fields: &mut Fields, name: &str) -> Result<bool, Response> {
    match fields.remove(name).as_ref().and_then(Value::as_str) {
        None => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False" | "") => Ok(false),
        Some(_) => Err(Response::bare(400, json!({ "errors": [] }))),
    }
}

fn parameters(
    operation: Operation,
    limits: &JsonLimits,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<Fields, Response> {
    if operation == Operation::Patch {
        let kind = text(headers, "content-type").unwrap_or_default();
        if !kind.starts_with("application/merge-patch+json") {
            let text = format!("PATCH requires Content-Type of application/merge-patch+json, provided {kind}");
            return Err(Response::error(415, text));
        }
    }
    body(headers, bytes, limits).map_err(|error| Response::error(400, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str) -> Result<Option<Request>, u16> {
        let request = HttpRequest::builder().method(method).uri(uri).body(Vec::new()).unwrap();
        read_request(&Listener::plain("127.0.0.1:0"), request)
    }

    #[test]
    fn lists_end_in_one_slash_and_the_root_has_none() {
        let path = |uri: &str| read("GET", uri).unwrap().unwrap().path;
        assert_eq!(path("/v1/secret/metadata?list=true"), "secret/metadata/");
        assert_eq!(path("/v1/secret/metadata/?list=true"), "secret/metadata/");
        assert_eq!(path("/v1/?list=true"), "");
        assert_eq!(read("PUT", "/v1/secret/").unwrap_err(), 400);
        assert!(read("GET", "/v1//secret").unwrap().is_none());
    }
}
