//! Putting a snapshot in the place of what is stored.
use super::file::{self, Header};
use crate::barrier::{KEYRING, Keyring};
use crate::node::Core;
use crate::paused::PAUSED;
use crate::record::EPOCH;
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Storage};
use std::fs::File;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Entries of a snapshot before they are moved to their places.
pub(super) const ASIDE: &str = "~restore/entry/";
/// There while a restore goes on: [`CLEARS`], then [`MOVES`].
pub(crate) const GOES_ON: &str = "~restore/goes-on";
const CLEARS: &[u8] = b"clears";
const MOVES: &[u8] = b"moves";
const PAGE: usize = 64;
/// Bytes of one commit; every storage engine takes as many.
const MOST: usize = 512 * 1024;

impl Core {
    /// Replaces everything that is stored, and seals the node. With the keys that it was sealed with it opens again by
    /// itself; a snapshot made with other keys wants theirs.
    ///
    /// # Errors
    /// When the file is damaged, or made with other keys and `force` is not set: then nothing has changed. When storage
    /// fails: then it is carried to its end at the next start, or by asking again.
    pub(crate) async fn restore(self: &Arc<Self>, file: File, force: bool) -> Result<()> {
        let (header, keyring) = read_through(&file).await?;
        let keys = self.current_keys().await?;
        let same = Keyring::open(&keys.root, &keyring).is_ok();
        if !same && !force {
            let text = "the snapshot was made with other keys: after restoring it only their holders can unseal; \
                        if that is what you want, restore with force";
            return Err(Error::invalid(text));
        }
        let storage = &self.parts.storage;
        put_aside(storage, file).await?;
        // From here on there is a way forward only. Every node sees the epoch move, and this.
        storage.commit(Batch::new().put(GOES_ON, CLEARS).put(EPOCH, Vec::new())).await?;
        self.seal().await;
        self.finish_restore().await?;
        let Header { version, taken, .. } = header;
        tracing::warn!(version, %taken, "a snapshot was restored; revocation is paused until sys/leases/resume");
        if same {
            let _change = self.change.lock().await;
            self.activate(keys).await?;
        }
        Ok(())
    }

    /// Carries a restore to its end, if one was begun.
    ///
    /// # Errors
    /// When storage fails; it can be called again.
    pub(crate) async fn finish_restore(&self) -> Result<()> {
        let storage = &self.parts.storage;
        let Some(step) = storage.get(GOES_ON).await? else { return Ok(()) };
        if step.value == CLEARS {
            clear(storage).await?;
            storage.commit(Batch::new().put(GOES_ON, MOVES)).await?;
        }
        move_in(storage).await?;
        Ok(storage.commit(Batch::new().put(PAUSED, Vec::new()).delete(GOES_ON)).await?)
    }
}

/// Reads the whole file, so that a damaged one is refused before anything changes; what it says of itself,
/// and the keyring in it.
async fn read_through(file: &File) -> Result<(Header, Vec<u8>)> {
    let file = file.try_clone().map_err(|error| Error::Internal(error.to_string()))?;
    blocking(move || {
        let mut keyring = None;
        let header = file::read(file, |key, value| {
            if key == KEYRING {
                keyring = Some(value.to_vec());
            }
            Ok(())
        })?;
        let missing = || Error::invalid("the snapshot has no keyring in it: it is not of a storage in use");
        Ok((header, keyring.ok_or_else(missing)?))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))?
}

async fn put_aside(storage: &Arc<dyn Storage>, file: File) -> Result<()> {
    remove_all(storage, ASIDE, &|_| true).await?;
    let (send, mut batches) = mpsc::channel::<Batch>(4);
    let reader = blocking(move || {
        let (mut batch, mut bytes) = (Batch::new(), 0);
        let stopped = |_| Error::Unavailable("storage takes no more of the snapshot".to_owned());
        file::read(file, |key, value| {
            bytes += key.len() + value.len();
            let next = std::mem::take(&mut batch).put(format!("{ASIDE}{key}"), value);
            if bytes > MOST || next.writes.len() >= PAGE {
                bytes = 0;
                return send.blocking_send(next).map_err(stopped);
            }
            batch = next;
            Ok(())
        })?;
        send.blocking_send(batch).map_err(stopped)
    });
    let writer = async {
        while let Some(batch) = batches.recv().await {
            storage.commit(batch).await?;
        }
        Ok(())
    };
    let (read, written): (Result<()>, Result<()>) = tokio::join!(reader, writer);
    written.and(read)
}

/// Takes away what was stored before.
async fn clear(storage: &Arc<dyn Storage>) -> Result<()> {
    remove_all(storage, "", &|key| key != GOES_ON && !key.starts_with(ASIDE)).await
}

async fn remove_all(storage: &Arc<dyn Storage>, prefix: &str, picks: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = storage.scan(prefix, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        let gone = page.into_iter().filter(|entry| picks(&entry.key));
        let batch = gone.fold(Batch::new(), |batch, entry| batch.delete(entry.key));
        if !batch.writes.is_empty() {
            storage.commit(batch).await?;
        }
    }
}

/// Each entry leaves where it was put aside in the commit that puts it in its place.
async fn move_in(storage: &Arc<dyn Storage>) -> Result<()> {
    loop {
        let page = storage.scan(ASIDE, None, PAGE).await?;
        if page.is_empty() {
            return Ok(());
        }
        let (mut batch, mut bytes) = (Batch::new(), 0);
        for entry in page {
            bytes += entry.value.len();
            if bytes > MOST && !batch.writes.is_empty() {
                break;
            }
            let place = entry.key[ASIDE.len()..].to_owned();
            batch = batch.put(place, entry.value).delete(entry.key);
        }
        storage.commit(batch).await?;
    }
}
