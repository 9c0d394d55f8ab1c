//! Whether leases are left alone: a node on a restored backup must not delete what the backup does not know. Written
//! down, so that every node and every later start keeps to it until an operator says otherwise.
use crate::active::Active;
use crate::record::EPOCH;
use lessor_engine::Result;
use lessor_storage::Batch;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// There while nothing is revoked.
pub(crate) const PAUSED: &str = "core/paused";

impl Active {
    /// Whether the reaper leaves everything alone.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }
    /// Switches revocation off, on every node.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn pause(&self) -> Result<()> {
        self.storage.commit(Batch::new().put(PAUSED, Vec::new()).put(EPOCH, Vec::new())).await?;
        self.paused.store(true, Ordering::Release);
        Ok(())
    }
    /// Switches revocation on, on every node.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn resume(self: &Arc<Self>) -> Result<()> {
        self.storage.commit(Batch::new().delete(PAUSED).put(EPOCH, Vec::new())).await?;
        self.paused.store(false, Ordering::Release);
        self.wake.notify_one();
        self.take_over_waiting().await
    }
    /// Does as is written down.
    pub(crate) async fn load_paused(&self) -> Result<()> {
        let paused = self.storage.version(PAUSED).await?.is_some();
        if self.paused.swap(paused, Ordering::AcqRel) && !paused {
            self.wake.notify_one();
        }
        Ok(())
    }
}
