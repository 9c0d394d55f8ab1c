//! The end of a mount: its leases or tokens first, then what is half done, then its storage, then its entry.
use crate::active::Active;
use crate::lease::revoke::How;
use lessor_engine::Result;
use lessor_storage::Batch;

const PAGE: usize = 256;

impl Active {
    /// Takes a mount away; what fails leaves it tainted, to be asked for again.
    ///
    /// # Errors
    /// When a credential cannot be deleted, or storage fails.
    pub async fn unmount(&self, uuid: &str, how: How) -> Result<()> {
        let Some(mounted) = self.mounts.by_uuid(uuid) else { return Ok(()) };
        self.mounts.update(uuid, |entry| entry.tainted = true).await?;
        let _alone = mounted.gate.write().await;
        self.others_finish(uuid).await?;
        let path = mounted.entry.full_path();
        if mounted.entry.is_auth() {
            self.revoke_tokens_below(&path).await?;
        }
        self.revoke_wrapping_below(&mounted.entry.namespace, &mounted.entry.path).await?;
        self.revoke_prefix(&path, how).await?;
        self.finish_intents(uuid).await?;
        self.end_rotations(uuid).await?;
        self.remove_below(&mounted.entry.storage_prefix()).await?;
        self.quotas.forget(&mounted.entry.namespace, &mounted.entry.path).await?;
        self.mounts.remove(uuid).await
    }

    /// Removes every record below a prefix.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn remove_below(&self, prefix: &str) -> Result<()> {
        loop {
            let page = self.storage.scan(prefix, None, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let batch = page.into_iter().fold(Batch::new(), |batch, entry| batch.delete(entry.key));
            self.storage.commit(batch).await?;
        }
    }
}
