//! How long a connection may take over what it does: its head, its idleness, its request.
//!
//! hyper bounds the wait for a head from the end of the answer before it, so that a connection could only be idle for as
//! long as a head may take. Here a head has its own, short time from its first byte on, and idleness a long one.
//!
//! Whoever waits for the end looks again after the shortest of these times at the latest. A deadline that is set
//! meanwhile lies behind that, so a request that sets one has nobody to wake.
use crate::config::Limits;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

#[derive(Clone, Copy)]
enum Phase {
    /// No request is under way.
    Idle,
    /// The head of a request has begun to arrive.
    Head,
    /// So many requests are worked on (more than one with HTTP/2).
    Busy(usize),
}

struct State {
    phase: Phase,
    deadline: Option<Instant>,
}

/// The clock of one connection.
pub struct Pace {
    state: Mutex<State>,
    /// The shortest of the times below that is a bound; `None` if none is.
    shortest: Option<Duration>,
    idle: Duration,
    head: Duration,
    busy: Duration,
    /// With HTTP/2 bytes need not be the beginning of a request.
    bytes_are_heads: bool,
}

fn after(time: Duration) -> Option<Instant> {
    // Zero is no bound.
    if time.is_zero() { None } else { Instant::now().checked_add(time) }
}

impl Pace {
    /// Begins with the wait for the first head.
    pub fn new(limits: &Limits, http2: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { phase: Phase::Head, deadline: after(limits.read_header) }),
            shortest: [limits.idle, limits.read_header, limits.write].into_iter().filter(|time| !time.is_zero()).min(),
            idle: limits.idle,
            head: limits.read_header,
            busy: limits.write,
            bytes_are_heads: !http2,
        })
    }
    fn change(&self, step: impl FnOnce(&mut State)) {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
    fn bytes_moved(&self, read: bool) {
        self.change(|state| match state.phase {
            Phase::Idle if read && self.bytes_are_heads => {
                *state = State { phase: Phase::Head, deadline: after(self.head) };
            }
            Phase::Idle => state.deadline = after(self.idle),
            Phase::Head | Phase::Busy(_) => {}
        });
    }
    /// A request has arrived; it is worked on until the value is dropped.
    pub fn request(self: &Arc<Self>) -> Busy {
        self.change(|state| match &mut state.phase {
            Phase::Busy(count) => *count += 1,
            Phase::Idle | Phase::Head => *state = State { phase: Phase::Busy(1), deadline: after(self.busy) },
        });
        Busy(Arc::clone(self))
    }
    /// Returns when the connection has taken too long.
    pub async fn expired(&self) {
        let Some(shortest) = self.shortest else { return std::future::pending().await };
        loop {
            let (now, deadline) = (Instant::now(), self.state.lock().unwrap_or_else(PoisonError::into_inner).deadline);
            let Some(look) = now.checked_add(shortest) else { return std::future::pending().await };
            match deadline {
                Some(deadline) if deadline <= now => return,
                Some(deadline) => tokio::time::sleep_until(deadline.min(look)).await,
                None => tokio::time::sleep_until(look).await,
            }
        }
    }
}

/// A request that is worked on.
pub struct Busy(Arc<Pace>);

impl Busy {
    /// Lifts the bound of what is under way on the connection.
    pub fn endless(&self) {
        self.0.change(|state| state.deadline = None);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|state| match &mut state.phase {
            Phase::Busy(count) if *count > 1 => *count -= 1,
            _ => *state = State { phase: Phase::Idle, deadline: after(self.0.idle) },
        });
    }
}

/// A connection that tells its pace of the bytes that go over it.
pub struct Paced<T> {
    inner: T,
    pace: Arc<Pace>,
}

impl<T> Paced<T> {
    /// Wraps a connection.
    pub fn new(inner: T, pace: Arc<Pace>) -> Self {
        Self { inner, pace }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.bytes_moved(true);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.pace.bytes_moved(false);
        }
        written
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lasts(pace: &Pace, seconds: u64) -> bool {
        tokio::time::timeout(Duration::from_secs(seconds), pace.expired()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn heads_have_a_short_time_and_idleness_a_long_one() {
        let limits = Limits::default();
        assert!(!lasts(&Pace::new(&limits, false), 11).await);
        let pace = Pace::new(&limits, false);
        drop(pace.request());
        assert!(lasts(&pace, 299).await);
        pace.bytes_moved(true);
        assert!(lasts(&pace, 9).await);
        // More bytes of the same head do not buy more time.
        pace.bytes_moved(true);
        assert!(!lasts(&pace, 2).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_never_idle() {
        let pace = Pace::new(&Limits::default(), true);
        let (one, other) = (pace.request(), pace.request());
        assert!(lasts(&pace, 1000).await);
        drop(one);
        assert!(lasts(&pace, 1000).await);
        drop(other);
        assert!(!lasts(&pace, 301).await);
        let limits = Limits { write: Duration::from_secs(5), ..Limits::default() };
        let pace = Pace::new(&limits, false);
        let _request = pace.request();
        assert!(!lasts(&pace, 6).await);
    }
}
