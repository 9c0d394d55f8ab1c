//! Taking a snapshot: the storage's own, on its way to the caller piece by piece.
use super::file::{Encoder, Header};
use super::restore::ASIDE;
use crate::node::Core;
use lessor_engine::{Error, Result, Stream};
use lessor_storage::Snapshot;
use tokio::sync::mpsc;

/// Pieces that wait for a slow caller.
const PIECES: usize = 8;
/// What belongs to the nodes that run now.
const CLUSTER: &str = "cluster/";

impl Core {
    /// Begins a snapshot of everything as of now.
    ///
    /// # Errors
    /// When storage fails, or its engine takes no snapshots.
    pub(crate) async fn take_snapshot(&self) -> Result<Stream> {
        let snapshot = self.parts.storage.snapshot().await?;
        let header = Header::new(&self.parts.settings.version, self.parts.clock.now());
        let (send, pieces) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            if let Err(error) = write(snapshot, &header, &send).await {
                // The end of the file is missing, which whoever reads it notices.
                tracing::error!(%error, "a snapshot broke off");
            }
        });
        Ok(Stream { content_type: "application/gzip".to_owned(), pieces })
    }
}

async fn write(mut snapshot: Box<dyn Snapshot>, header: &Header, to: &mpsc::Sender<Vec<u8>>) -> Result<()> {
    let gone = |_| Error::Unavailable("whoever asked for it is gone".into());
    let mut encoder = Encoder::new(header)?;
    loop {
        let page = snapshot.page().await?;
        if page.is_empty() {
            return to.send(encoder.finish()?).await.map_err(gone);
        }
        // Compressing is work, not waiting.
        let done = tokio::task::spawn_blocking(move || {
            let kept = page.iter().filter(|entry| !entry.key.starts_with(CLUSTER) && !entry.key.starts_with(ASIDE));
            encoder.entries(kept.map(|entry| (entry.key.as_str(), entry.value.as_slice())))?;
            Ok::<_, Error>((encoder.ready(), encoder))
        });
        let (piece, next) = done.await.map_err(|error| Error::Internal(error.to_string()))??;
        encoder = next;
        if !piece.is_empty() {
            to.send(piece).await.map_err(gone)?;
        }
    }
}
