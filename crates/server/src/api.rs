//! `/v1/`: HTTP in, [`lessor_core::request::Request`] on, HTTP out.
use crate::parameters::{body, query};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Request as HttpRequest, Response as HttpResponse, StatusCode, header};
use lessor_core::node::Core;
use lessor_core::request::Request;
use lessor_core::response::{Body as Content, Response};
use lessor_engine::{Fields, Operation, Secret, duration};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const MAX_BODY: usize = 33_554_432;
const MAX_TOKEN: usize = 8192;
const MAX_DURATION: Duration = Duration::from_secs(90);

/// The service: one handler for every path, because paths are data.
pub fn router(core: Arc<Core>) -> axum::Router {
    axum::Router::new().fallback(handle).with_state(core)
}

async fn handle(State(core): State<Arc<Core>>, request: HttpRequest<Body>) -> HttpResponse<Body> {
    let head = request.method() == Method::HEAD;
    let namespace = request.headers().get("x-vault-namespace").cloned();
    let answer = match read(request).await {
        // Dropping the request when its time is over revokes what it may have been given.
        Ok(request) => match tokio::time::timeout(MAX_DURATION, core.handle(request)).await {
            Ok(answer) => answer,
            Err(_) => Response::error(500, "context deadline exceeded"),
        },
        Err(refusal) => refusal,
    };
    let mut response = write(&answer, head);
    if let Some(namespace) = namespace {
        response.headers_mut().insert("x-vault-namespace", namespace);
    }
    response
}

async fn read(request: HttpRequest<Body>) -> Result<Request, Response> {
    let (parts, payload) = request.into_parts();
    let path = parts.uri.path().strip_prefix("/v1/").ok_or_else(Response::missing)?;
    let path = decode(path)?;
    let mut fields = query(parts.uri.query().unwrap_or_default());
    let mut operation = operation(&parts.method, &path)?;
    let help = take_flag(&mut fields, "help")?;
    if take_flag(&mut fields, "list")? && operation == Operation::Read {
        operation = Operation::List;
    }
    let bytes = to_bytes(payload, MAX_BODY).await.map_err(|error| too_large(&error))?;
    if matches!(operation, Operation::Update | Operation::Patch) {
        fields = parameters(operation, &parts.headers, &bytes)?;
    }
    let path = match operation {
        Operation::List if !path.ends_with('/') => path + "/",
        Operation::Update if path.ends_with('/') => {
            return Err(Response::error(400, "cannot write to a path ending in '/'"));
        }
        _ => path,
    };
    let client = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    Ok(Request {
        id: lessor_core::mount::entry::uuid(),
        operation,
        path,
        fields,
        token: token(&parts.headers)?,
        namespace: namespace(&parts.headers),
        wrap_ttl: wrap_ttl(&parts.headers)?,
        client: client.map(|address| address.ip()),
        client_port: client.map_or(0, |address| address.port()),
        headers: Vec::new(),
        certificates: Vec::new(),
        help,
    })
}

fn too_large(error: &axum::Error) -> Response {
    let text = error.to_string();
    if text.contains("length limit") {
        return Response::error(413, "http: request body too large");
    }
    Response::error(400, format!("the body cannot be read: {text}"))
}

fn operation(method: &Method, path: &str) -> Result<Operation, Response> {
    match method.as_str() {
        "GET" => Ok(Operation::Read),
        "HEAD" if path == "sys/health" => Ok(Operation::Read),
        "LIST" => Ok(Operation::List),
        "POST" | "PUT" => Ok(Operation::Update),
        "PATCH" => Ok(Operation::Patch),
        "DELETE" => Ok(Operation::Delete),
        _ => Err(Response::bare(405, json!({ "errors": [] }))),
    }
}

/// The clean, decoded path.
fn decode(path: &str) -> Result<String, Response> {
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded = decoded.map_err(|_| Response::error(400, "the path is no UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(Response { status: 400, ..Response::empty() });
    }
    if decoded.split('/').any(|segment| segment == "..") {
        return Err(Response::error(400, "relative paths not supported"));
    }
    if decoded.contains("//") || decoded.starts_with('/') {
        return Err(Response::error(400, "the path has empty segments: use single slashes"));
    }
    Ok(decoded.into_owned())
}

fn take_flag(fields: &mut Fields, name: &str) -> Result<bool, Response> {
    match fields.remove(name).as_ref().and_then(Value::as_str) {
        None => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False" | "") => Ok(false),
        Some(_) => Err(Response::bare(400, json!({ "errors": [] }))),
    }
}

fn parameters(operation: Operation, headers: &HeaderMap, bytes: &Bytes) -> Result<Fields, Response> {
    if operation == Operation::Patch {
        let kind = text(headers, "content-type").unwrap_or_default();
        if !kind.starts_with("application/merge-patch+json") {
            let text = format!("PATCH requires Content-Type of application/merge-patch+json, provided {kind}");
            return Err(Response::error(415, text));
        }
    }
    body(headers, bytes).map_err(|error| Response::error(400, error.to_string()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

fn token(headers: &HeaderMap) -> Result<Option<Secret>, Response> {
    let bearer = || text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = text(headers, "x-vault-token").or_else(bearer);
    if token.is_some_and(|token| token.len() > MAX_TOKEN) {
        return Err(Response::error(431, "the token is too long"));
    }
    Ok(token.map(Secret::new))
}

/// Normalised: empty for the root, else with a trailing slash. Whether there is such a namespace is core's business.
fn namespace(headers: &HeaderMap) -> String {
    match text(headers, "x-vault-namespace").unwrap_or_default().trim_matches('/') {
        "" | "root" => String::new(),
        path => format!("{path}/"),
    }
}

fn wrap_ttl(headers: &HeaderMap) -> Result<Option<Duration>, Response> {
    let Some(value) = text(headers, "x-vault-wrap-ttl") else { return Ok(None) };
    let ttl = duration::parse(value)
        .map_err(|error| Response::error(400, format!("error parsing X-Vault-Wrap-TTL header: {error}")))?;
    Ok((!ttl.is_zero()).then_some(ttl))
}

fn write(answer: &Response, head: bool) -> HttpResponse<Body> {
    let body = match &answer.body {
        _ if head => Body::empty(),
        Content::Json(value) => {
            let mut text = value.to_string();
            text.push('\n');
            Body::from(text)
        }
        Content::Raw(raw) => Body::from(raw.bytes.clone()),
        Content::None => Body::empty(),
    };
    let mut response = HttpResponse::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    let kind = match &answer.body {
        Content::Raw(raw) => header::HeaderValue::from_str(&raw.content_type).ok(),
        _ => None,
    };
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(header::HeaderValue::from_static("application/json")));
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        header::HeaderValue::from_static("max-age=31536000; includeSubDomains"),
    );
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
