//! One connection, from its first byte to its last.
use crate::api;
use crate::edge::Edge;
use crate::forwarded::Peer;
use crate::pace::{Pace, Paced};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// How long requests that are under way have when the server stops.
pub const GRACE: Duration = Duration::from_secs(10);
/// Requests of one HTTP/2 connection that are worked on at the same time.
const STREAMS: u32 = 250;

/// A connection as the listener made it.
pub struct Accepted<T> {
    /// Plain or behind TLS.
    pub io: T,
    /// Whether TLS agreed on HTTP/2.
    pub http2: bool,
    /// Who is at the other end.
    pub peer: Peer,
}

/// Serves its requests until it ends, expires or the server stops.
pub async fn serve<T>(edge: Arc<Edge>, accepted: Accepted<T>, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = Pace::new(&edge.listener.limits, accepted.http2);
    let io = TokioIo::new(Paced::new(accepted.io, Arc::clone(&pace)));
    let peer = Arc::new(accepted.peer);
    let requests = Arc::clone(&pace);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (edge, peer, busy) = (Arc::clone(&edge), Arc::clone(&peer), requests.request());
        async move {
            let mut answer = api::handle(&edge, &peer, request).await;
            // What has no end is under way until its caller leaves, and takes the time it takes.
            if answer.body().is_endless() {
                busy.endless();
                answer.body_mut().keep(busy);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    // Both kinds of connection have the same methods and no trait in common.
    macro_rules! drive {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            tokio::select! {
                ended = connection.as_mut() => note(ended),
                () = pace.expired() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection => note(ended),
                        () = pace.expired() => {}
                        () = tokio::time::sleep(GRACE) => {}
                    }
                }
            }
        }};
    }
    if accepted.http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
        drive!(builder.serve_connection(io, service));
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(None);
        drive!(builder.serve_connection(io, service));
    }
}

/// Clients that hang up or speak something else are no trouble of the server's.
fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
