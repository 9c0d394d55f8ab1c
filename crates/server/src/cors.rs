//! Cross-origin requests of browsers.
use crate::answer::{Answer, render};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use lessor_core::cors::Cors;
use lessor_core::node::Core;
use lessor_core::response::Response;
use serde_json::json;
use std::sync::Arc;

const METHODS: &str = "DELETE, GET, OPTIONS, POST, PUT, PATCH, LIST";

/// What becomes of a request.
pub enum Verdict {
    /// It is served; its answer gets these headers.
    Serve(HeaderMap),
    /// This answers it.
    Preflight(Answer),
}

/// Looks at the origin, if there is one and the setting is on. While sealed the setting cannot be read, and nothing
/// is allowed to other origins.
///
/// # Errors
/// The answer to an origin (403) or a method (405) that is not allowed.
pub async fn check(core: &Arc<Core>, method: &Method, headers: &HeaderMap) -> Result<Verdict, Response> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(Verdict::Serve(HeaderMap::new())) };
    let Some(cors) = setting(core).await else { return Ok(Verdict::Serve(HeaderMap::new())) };
    if !origin.to_str().is_ok_and(|origin| cors.allows(origin)) {
        return Err(Response::error(403, "origin not allowed"));
    }
    let mut allowed = HeaderMap::new();
    allowed.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    allowed.insert(header::VARY, HeaderValue::from_static("Origin"));
    if cors.allow_credentials {
        allowed.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|method| method.to_str().ok());
    let (Some(asked), true) = (asked, *method == Method::OPTIONS) else { return Ok(Verdict::Serve(allowed)) };
    if !METHODS.split(", ").any(|known| known == asked) {
        return Err(Response::bare(405, json!({ "errors": [] })));
    }
    allowed.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    // Names that no header can have are left out when the setting is written by hand into storage.
    if let Ok(names) = HeaderValue::from_str(&cors.allowed_headers.join(",")) {
        allowed.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    allowed.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("300"));
    let mut answer = render(Response::empty(), false);
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().extend(allowed);
    Ok(Verdict::Preflight(answer))
}

async fn setting(core: &Arc<Core>) -> Option<Cors> {
    let storage = Arc::clone(&core.active().ok()?.storage);
    Cors::load(storage).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the cross-origin setting cannot be read: other origins are not served");
        None
    })
}
