//! Core's answer as HTTP, and the headers that every answer carries.
use crate::edge::Edge;
use crate::pieces::Payload;
use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response as HttpResponse, StatusCode};
use lessor_core::response::{Body, Response};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer on its way out.
pub type Answer = HttpResponse<Payload>;

/// Turns core's answer into bytes; `head` leaves the body away.
pub fn render(response: Response, head: bool) -> Answer {
    let plain = response.status == 400 && matches!(response.body, Body::None);
    let (kind, bytes) = match response.body {
        Body::Stream(stream) if !head => {
            let mut answer = HttpResponse::new(Payload::from(stream.pieces));
            answer
                .headers_mut()
                .extend(HeaderValue::from_str(&stream.content_type).map(|kind| (header::CONTENT_TYPE, kind)));
            return answer;
        }
        Body::Stream(_) => (None, Bytes::new()),
        Body::None => (Some(JSON), Bytes::new()),
        Body::Json(value) => {
            let mut text = Vec::with_capacity(512);
            // A value of JSON can be written, and memory takes it.
            let _ = serde_json::to_writer(&mut text, &value);
            text.push(b'\n');
            (Some(JSON), text.into())
        }
        Body::Raw(raw) => (HeaderValue::from_str(&raw.content_type).ok(), raw.bytes.into()),
    };
    let mut answer = HttpResponse::new(Payload::from(if head { Bytes::new() } else { bytes }));
    // A body that is only left away because of HEAD is no 204.
    let status = if head && response.status == 204 { 200 } else { response.status };
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    if let Some(kind) = kind.filter(|_| !plain) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(seconds) = response.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    for (name, value) in response.headers {
        // One that cannot be sent is left out.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
    if response.status == 408 {
        // What is left of the body is not waited for.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// 307 to the clean form of a path.
pub fn redirect(path: &str, query: Option<&str>) -> Answer {
    let to = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut answer = HttpResponse::new(Payload::from(Bytes::new()));
    *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    // It came out of a request's head, where only what a header may hold is let through.
    if let Ok(location) = HeaderValue::from_str(&to) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

/// The headers of every answer, and those the operator asked for.
pub fn finish(edge: &Edge, answer: &mut Answer) {
    let status = answer.status().as_u16();
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    if let Some(hostname) = &edge.process.hostname {
        headers.insert("x-vault-hostname", hostname.clone());
    }
    edge.headers.get().apply(status, headers);
}
