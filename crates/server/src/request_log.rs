//! `log_requests_level`: one line per answered request. The query and the headers are left out: they may hold secrets.
use crate::edge::Edge;
use crate::forwarded::Peer;
use hyper::StatusCode;
use hyper::http::request::Parts;
use std::time::Instant;
use tracing::Level;

/// Logs a request that was answered.
pub fn completed(edge: &Edge, peer: &Peer, parts: &Parts, status: StatusCode, started: Instant) {
    let Some(level) = *edge.process.requests.get() else { return };
    let client = peer.address.map(|address| address.to_string()).unwrap_or_default();
    // The level of an event is part of its code.
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                client_address = client,
                request_method = %parts.method,
                request_path = parts.uri.path(),
                status_code = status.as_u16(),
                duration = ?started.elapsed(),
                "completed_request"
            )
        };
    }
    match level {
        Level::ERROR => line!(Level::ERROR),
        Level::WARN => line!(Level::WARN),
        Level::INFO => line!(Level::INFO),
        Level::DEBUG => line!(Level::DEBUG),
        _ => line!(Level::TRACE),
    }
}
