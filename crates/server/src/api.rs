//! `/v1/`: HTTP in, [`lessor_core::request::Request`] on, HTTP out.
use crate::answer::{Answer, finish, redirect, render};
use crate::body::{receive, spool};
use crate::edge::Edge;
use crate::envelope::{Envelope, admitted};
use crate::forwarded::Peer;
use crate::path::Cleaned;
use crate::traces::Begun;
use crate::{cors, gate, redact, request_log};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request as HttpRequest};
use lessor_core::request::Request;
use lessor_core::response::Response;
use std::time::{Duration, Instant};

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
    let path = match admitted(&edge.listener, parts) {
        Ok(Cleaned::Path(path)) => path,
        Ok(Cleaned::Elsewhere(path)) => return redirect(&path, parts.uri.query()),
        Err(refusal) => return render(refusal, false),
    };
    let unauthenticated = redact::applies(&path);
    if let Some(answer) = gate::open(&edge.listener.gates, &edge.core, parts, &path) {
        return render(answer, false);
    }
    let mut response = match read(edge, peer, parts, path, payload).await {
        // Dropping the request when its time is over revokes what it may have been given.
        Ok(request) => {
            let span = edge.process.traces.as_ref().map(|traces| (traces, Begun::new(edge, &request)));
            // A snapshot takes as long as it takes.
            let limit = if request.upload.is_some() { Duration::MAX } else { edge.listener.limits.request_duration };
            let answer = match tokio::time::timeout(limit, edge.core.handle(request)).await {
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

async fn read(edge: &Edge, peer: &Peer, parts: &Parts, path: String, payload: Incoming) -> Result<Request, Response> {
    let limits = &edge.listener.limits;
    let envelope = Envelope::read(&edge.listener, peer, parts, path)?;
    if envelope.takes_file() {
        // Nobody fills the disk who would be refused afterwards.
        edge.core.would_admit(envelope.request()).await?;
        return Ok(envelope.with_file(spool(payload).await?));
    }
    let bytes = match envelope.takes_body() {
        true => receive(payload, &parts.headers, limits.request_size, limits.read).await?,
        false => Bytes::new(),
    };
    envelope.with_body(&limits.json, &parts.headers, &bytes)
}
