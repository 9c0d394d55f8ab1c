//! The body of a request, within its size and its time.
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use lessor_core::response::Response;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The whole body.
///
/// # Errors
/// The answer to one that is too large (413), too slow (408) or cut off (400).
pub async fn receive(
    body: Incoming,
    headers: &HeaderMap,
    limit: Option<usize>,
    time: Duration,
) -> Result<Bytes, Response> {
    let limit = limit.unwrap_or(usize::MAX);
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let room = announced.unwrap_or_default().min(limit).min(1 << 20);
    let collected = collect(body, limit, room);
    // Zero is no bound.
    let time = if time.is_zero() { Duration::MAX } else { time };
    tokio::time::timeout(time, collected)
        .await
        .unwrap_or_else(|_| Err(Response::error(408, format!("the request's body was not complete within {time:?}"))))
}

/// The whole body in a file without a name, however large it is.
///
/// # Errors
/// The answer to one that is cut off (400), or that there is no room for (500).
pub async fn spool(mut body: Incoming) -> Result<std::fs::File, Response> {
    let full = |error: std::io::Error| Response::error(500, format!("the body cannot be kept in a file: {error}"));
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
    let file = file.map_err(|error| Response::error(500, error.to_string()))?.map_err(full)?;
    let mut file = tokio::fs::File::from_std(file);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Response::error(400, format!("the body cannot be read: {error}")))?;
        if let Some(chunk) = frame.data_ref() {
            file.write_all(chunk).await.map_err(full)?;
        }
    }
    file.flush().await.map_err(full)?;
    Ok(file.into_std().await)
}

async fn collect(mut body: Incoming, limit: usize, room: usize) -> Result<Bytes, Response> {
    let mut bytes = BytesMut::with_capacity(room);
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Response::error(400, format!("the body cannot be read: {error}")))?;
        let Some(chunk) = frame.data_ref() else { continue };
        size = size.saturating_add(chunk.len());
        if size <= limit {
            bytes.extend_from_slice(chunk);
        } else if size > limit.saturating_mul(2) {
            break;
        }
        // Somewhat more than the limit is read and forgotten: a client that still writes would miss the answer.
    }
    if size > limit { Err(Response::error(413, "http: request body too large")) } else { Ok(bytes.freeze()) }
}
