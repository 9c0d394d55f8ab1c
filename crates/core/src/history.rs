//! Which versions ran on a storage, and since when.
use jiff::Timestamp;
use lessor_engine::Result;
use lessor_storage::{Batch, Expect, Storage};
use std::sync::Arc;

const KEY: &str = "core/versions";

/// Versions in the order they came, each with the time it first unsealed this storage.
pub type History = Vec<(String, Timestamp)>;

/// What is known.
///
/// # Errors
/// When storage fails.
pub async fn read(storage: &Arc<dyn Storage>) -> Result<History> {
    match storage.get(KEY).await? {
        Some(entry) => Ok(serde_json::from_slice(&entry.value)?),
        None => Ok(History::new()),
    }
}

/// Notes a version, unless it is known.
///
/// # Errors
/// When storage fails.
pub async fn note(storage: &Arc<dyn Storage>, version: &str, now: Timestamp) -> Result<()> {
    let mut history = read(storage).await?;
    if history.iter().any(|(known, _)| known == version) {
        return Ok(());
    }
    let expect = match storage.get(KEY).await? {
        Some(entry) => Expect::Version(entry.version),
        None => Expect::Absent,
    };
    history.push((version.to_owned(), now));
    let batch = Batch::new().expect(KEY, expect).put(KEY, serde_json::to_vec(&history)?);
    match storage.commit(batch).await {
        // Another node of the same version was faster.
        Err(lessor_storage::Error::Conflict { .. }) => Ok(()),
        done => Ok(done?),
    }
}
