//! An answer that has no end of its own.
use tokio::sync::mpsc::Receiver;

/// Pieces that go to the caller as they come, until the sender or the caller is gone.
pub struct Stream {
    /// The `Content-Type`.
    pub content_type: String,
    /// The pieces.
    pub pieces: Receiver<Vec<u8>>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({})", self.content_type)
    }
}
