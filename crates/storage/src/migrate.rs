//! From one storage into another, while no server runs on either.
use crate::{Batch, Entry, Error, Result, Storage};

/// Lies in the destination until everything is there and verified; a server does not start on it.
pub(crate) const MARKER: &str = "migration/unfinished";

/// Entries that are read at a time.
const PAGE: usize = 256;
/// Bytes and entries of one commit: what etcd takes as it is delivered.
const COMMIT_BYTES: usize = 512 << 10;
const COMMIT_ENTRIES: usize = 64;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Migrated {
    /// Entries that were copied.
    pub copied: u64,
    /// Entries that were there already, as an interrupted run left them.
    pub present: u64,
    /// Entries that were compared byte by byte in the end.
    pub verified: u64,
}

/// Copies every entry whose key is not before `start`, then reads both sides again and compares them.
///
/// The destination has to be empty, or hold what an interrupted run left. Entries get new versions.
///
/// # Errors
/// When the destination holds something else, when a storage fails, or when the two differ in the end. The run can be
/// repeated; it goes on where it was.
pub async fn migrate(source: &dyn Storage, destination: &dyn Storage, start: Option<&str>) -> Result<Migrated> {
    if source.get(MARKER).await?.is_some() {
        return Err(refused("the source holds an unfinished migration itself: finish that one first"));
    }
    if source.scan("", None, 1).await?.is_empty() {
        return Err(refused("the source is empty: is it the storage of the server?"));
    }
    let resumed = destination.get(MARKER).await?.is_some();
    if !resumed && start.is_none() && !destination.scan("", None, 1).await?.is_empty() {
        return Err(refused("the destination is not empty: give one that nothing was written to"));
    }
    destination.commit(Batch::new().put(MARKER, "")).await?;
    let mut done = Migrated::default();
    copy(source, destination, start, &mut done).await?;
    done.verified = verify(source, destination, start).await?;
    destination.commit(Batch::new().delete(MARKER)).await?;
    Ok(done)
}

/// Takes the mark of an unfinished migration away.
///
/// # Errors
/// When the storage fails.
pub async fn forget_migration(destination: &dyn Storage) -> Result<()> {
    destination.commit(Batch::new().delete(MARKER)).await
}

fn refused(reason: &str) -> Error {
    Error::Unavailable(reason.to_owned())
}

/// Walks over a storage in key order.
struct Walk<'a> {
    storage: &'a dyn Storage,
    start: Option<&'a str>,
    page: std::vec::IntoIter<Entry>,
    last: Option<String>,
    over: bool,
}

impl<'a> Walk<'a> {
    fn new(storage: &'a dyn Storage, start: Option<&'a str>) -> Self {
        Self { storage, start, page: Vec::new().into_iter(), last: None, over: false }
    }
    async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            for entry in self.page.by_ref() {
                if entry.key != MARKER && self.start.is_none_or(|start| entry.key.as_str() >= start) {
                    return Ok(Some(entry));
                }
            }
            if self.over {
                return Ok(None);
            }
            let page = self.storage.scan("", self.last.as_deref(), PAGE).await?;
            self.over = page.len() < PAGE;
            self.last = page.last().map(|entry| entry.key.clone()).or(self.last.take());
            self.page = page.into_iter();
        }
    }
}

async fn copy(source: &dyn Storage, destination: &dyn Storage, start: Option<&str>, done: &mut Migrated) -> Result<()> {
    let (mut from, mut to) = (Walk::new(source, start), Walk::new(destination, start));
    let (mut batch, mut bytes) = (Batch::new(), 0);
    let (mut wanted, mut found) = (from.next().await?, to.next().await?);
    while let Some(entry) = &wanted {
        match &found {
            // The source has changed since the interrupted run.
            Some(other) if other.key < entry.key => {
                batch = batch.delete(other.key.as_str());
                found = to.next().await?;
            }
            Some(other) if other.key == entry.key && other.value == entry.value => {
                done.present += 1;
                found = to.next().await?;
                wanted = from.next().await?;
            }
            other => {
                if other.as_ref().is_some_and(|other| other.key == entry.key) {
                    found = to.next().await?;
                }
                bytes += entry.key.len() + entry.value.len();
                batch = batch.put(entry.key.as_str(), entry.value.clone());
                done.copied += 1;
                wanted = from.next().await?;
            }
        }
        let next = wanted.as_ref().map_or(0, |entry| entry.value.len());
        if batch.writes.len() >= COMMIT_ENTRIES || bytes + next > COMMIT_BYTES {
            destination.commit(std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
    }
    while let Some(other) = found {
        batch = batch.delete(other.key);
        if batch.writes.len() >= COMMIT_ENTRIES {
            destination.commit(std::mem::take(&mut batch)).await?;
        }
        found = to.next().await?;
    }
    destination.commit(batch).await
}

async fn verify(source: &dyn Storage, destination: &dyn Storage, start: Option<&str>) -> Result<u64> {
    let (mut from, mut to) = (Walk::new(source, start), Walk::new(destination, start));
    let mut verified = 0;
    loop {
        match (from.next().await?, to.next().await?) {
            (None, None) => return Ok(verified),
            (Some(entry), Some(other)) if entry.key == other.key && entry.value == other.value => verified += 1,
            (Some(entry), _) | (None, Some(entry)) => {
                return Err(Error::Corrupt {
                    key: entry.key,
                    reason: "source and destination differ: does a server run on one of them?".to_owned(),
                });
            }
        }
    }
}
