//! The body of an answer: bytes that are all there, or pieces that come.
use crate::pace::Busy;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;

/// What an answer carries.
pub enum Payload {
    /// All of it.
    Whole(Full<Bytes>),
    /// What comes, until the sender is gone.
    Pieces(Pieces),
}

/// Pieces that come, and the request they belong to.
pub struct Pieces {
    from: Receiver<Vec<u8>>,
    busy: Option<Busy>,
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl From<Receiver<Vec<u8>>> for Payload {
    fn from(from: Receiver<Vec<u8>>) -> Self {
        Self::Pieces(Pieces { from, busy: None })
    }
}

impl Payload {
    /// Whether it comes in pieces.
    pub fn is_endless(&self) -> bool {
        matches!(self, Self::Pieces(_))
    }
    /// Keeps a request under way for as long as pieces come.
    pub fn keep(&mut self, busy: Busy) {
        if let Self::Pieces(pieces) = self {
            pieces.busy = Some(busy);
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Pieces(pieces) => {
                pieces.from.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
            }
        }
    }
    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.is_end_stream())
    }
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
