//! `/v1/`: HTTP in, [`lessor_core::request::Request`] on, HTTP out.
use crate::answer::{Answer, finish, redirect, render};
use crate::body::receive;
use crate::edge::Edge;
use crate::forwarded::{self, Peer};
use crate::headers::{handed_on, namespace, text, token, wrap_ttl};
use crate::parameters::{body, query};
use crate::path::{Cleaned, clean};
use crate::traces::Begun;
use crate::{cors, redact, request_log};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request as HttpRequest};
use lessor_core::metrics;
use lessor_core::request::Request;
use lessor_core::response::Response;
use lessor_engine::{Fields, Operation};
use serde_json::{Value, json};
use std::time::Instant;

/// Answers one request; whatever is wrong with it is an answer too.
pub async fn handle(edge: &Edge, peer: &Peer, request: HttpRequest<Incoming>) -> Answer {
    let started = Instant::now();
    let (parts, payload) = request.into_parts();
    let mut answer = match cors::check(&edge.core, &parts.method, &parts.headers).await {
        Ok(cors::Verdict::Preflight(answer)) => answer,
        Ok(cors::Verdict::Serve(allowed)) => {
            let mut answer = serve(edge, peer, &parts, payload).await;
            answer.headers_mut().extend(allowed);
            answer
        }
        Err(refusal) => render(refusal, false),
    };
    if let Some(namespace) = parts.headers.get("x-vault-namespace") {
        answer.headers_mut().insert("x-vault-namespace", namespace.clone());
    }
    finish(edge, &mut answer);
    request_log::completed(edge, peer, &parts, answer.status(), started);
    answer
}

async fn serve(edge: &Edge, peer: &Peer, parts: &Parts, payload: Incoming) -> Answer {
    let path = match admitted(edge, parts) {
        Ok(Cleaned::Path(path)) => path,
        Ok(Cleaned::Elsewhere(path)) => return redirect(&path, parts.uri.query()),
        Err(refusal) => return render(refusal, false),
    };
    let unauthenticated = redact::applies(&path);
    if edge.listener.open_metrics && path == "sys/metrics" && parts.method == Method::GET {
        return render(metrics::answer(edge.core.settings(), &metrics_query(parts)), false);
    }
    let mut response = match read(edge, peer, parts, path, payload).await {
        // Dropping the request when its time is over revokes what it may have been given.
        Ok(request) => {
            let span = edge.process.traces.as_ref().map(|traces| (traces, Begun::new(edge, &request)));
            let answer =
                match tokio::time::timeout(edge.listener.limits.request_duration, edge.core.handle(request)).await {
                    Ok(answer) => answer,
                    Err(_) => Response::error(500, "context deadline exceeded"),
                };
            if let Some((traces, begun)) = span {
                traces.ended(begun, answer.status);
            }
            answer
        }
        Err(refusal) => refusal,
    };
    if unauthenticated {
        redact::blank(edge.listener.redact, &mut response);
    }
    render(response, parts.method == Method::HEAD)
}

/// The query of `sys/metrics`; scrapers may ask for their format by `Accept` instead.
fn metrics_query(parts: &Parts) -> Fields {
    let mut fields = query(parts.uri.query().unwrap_or_default());
    if text(&parts.headers, "accept").is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        fields.entry("format").or_insert("prometheus".into());
    }
    fields
}

/// What is refused before anything of it is read.
fn admitted(edge: &Edge, parts: &Parts) -> Result<Cleaned, Response> {
    if edge.listener.require_request_header && !parts.headers.contains_key("x-vault-request") {
        return Err(Response::error(412, "missing \"X-Vault-Request\" header"));
    }
    clean(parts.uri.path())
}

async fn read(edge: &Edge, peer: &Peer, parts: &Parts, path: String, payload: Incoming) -> Result<Request, Response> {
    let limits = &edge.listener.limits;
    let headers = &parts.headers;
    let client = match &edge.listener.forwarded {
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
    let (token, namespace) = (token(headers, limits.token_header)?, namespace(headers));
    if matches!(operation, Operation::Update | Operation::Patch) {
        let bytes = receive(payload, headers, limits.request_size, limits.read).await?;
        fields = parameters(edge, operation, headers, &bytes)?;
    }
    let path = match operation {
        Operation::List if !path.ends_with('/') => path + "/",
        Operation::Update if path.ends_with('/') => {
            return Err(Response::error(400, "cannot write to a path ending in '/'"));
        }
        _ => path,
    };
    Ok(Request {
        id: lessor_core::mount::entry::uuid(),
        operation,
        path,
        fields,
        token,
        namespace,
        wrap_ttl: wrap_ttl(headers)?,
        client: client.address.map(|address| forwarded::canonical(address.ip())),
        client_port: client.address.map_or(0, |address| address.port()),
        headers: handed_on(headers),
        certificates: client.certificates,
        help,
    })
}

fn operation(method: &Method, path: &str) -> Result<Operation, Response> {
    match method.as_str() {
        "GET" | "HELP" => Ok(Operation::Read),
        "HEAD" if path == "sys/health" => Ok(Operation::Read),
        "LIST" => Ok(Operation::List),
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

fn parameters(edge: &Edge, operation: Operation, headers: &HeaderMap, bytes: &Bytes) -> Result<Fields, Response> {
    if operation == Operation::Patch {
        let kind = text(headers, "content-type").unwrap_or_default();
        if !kind.starts_with("application/merge-patch+json") {
            let text = format!("PATCH requires Content-Type of application/merge-patch+json, provided {kind}");
            return Err(Response::error(415, text));
        }
    }
    body(headers, bytes, &edge.listener.limits.json).map_err(|error| Response::error(400, error.to_string()))
}
