//! The writes of a lease's life, each one a single atomic batch.
use super::record::{Intent, Lease};
use crate::keys::{self, Due, Target};
use crate::quota::{LeaseCounts, place_of};
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage, Version};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Reads and writes leases and intents.
#[derive(Clone)]
pub struct Store {
    storage: Arc<dyn Storage>,
    counts: Arc<LeaseCounts>,
}

/// What a due key points at, so that dispatching reads nothing else.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pointer {
    target: Target,
}

/// The value of a due key.
///
/// # Errors
/// Never in practice: the target is two texts.
pub fn pointer(target: &Target) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Pointer { target: target.clone() })?)
}

/// Reads the value of a due key.
///
/// # Errors
/// When it is no such value.
pub fn read_pointer(value: &[u8]) -> Result<Target> {
    Ok(serde_json::from_slice::<Pointer>(value)?.target)
}

impl Store {
    /// Over the (unsealed) barrier.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, counts: Arc::default() }
    }
    /// Keeps these counts current.
    #[must_use]
    pub fn counted(self, counts: Arc<LeaseCounts>) -> Self {
        Self { counts, ..self }
    }
    /// How many leases stand, for the quotas.
    pub fn counts(&self) -> &LeaseCounts {
        &self.counts
    }
    /// The storage below.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
    async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, Version)>> {
        let Some(entry) = self.storage.get(key).await? else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&entry.value)?, entry.version)))
    }
    /// The lease of that id.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn lease(&self, id: &str) -> Result<Option<(Lease, Version)>> {
        self.read(&keys::lease(id)).await
    }
    /// The intent of that id.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn intent(&self, id: &str) -> Result<Option<(Intent, Version)>> {
        self.read(&keys::intent(id)).await
    }
    /// Makes the intent durable, before the platform hears of it.
    ///
    /// # Errors
    /// When storage fails, or the guard does not hold; then nothing may be created.
    pub async fn open(&self, intent: &Intent, guard: Option<(String, Expect)>) -> Result<()> {
        let mut batch = Batch::new();
        batch.expects.extend(guard);
        let batch =
            batch.put(keys::intent(&intent.id), bytes(intent)?).put(intent.due().key(), pointer(&intent.target())?);
        Ok(self.storage.commit(batch).await?)
    }
    /// Turns an open intent into a lease, in one step. Fails if someone else closed the intent, or if the token
    /// the lease belongs to is gone.
    ///
    /// # Errors
    /// [`lessor_storage::Error::Conflict`] in those cases; then the credential has to be revoked.
    pub async fn close(&self, intent: &Intent, lease: &Lease, token_key: Option<String>) -> Result<()> {
        // Its place in the due index too: whoever takes an intent over moves that first.
        let mut batch =
            Batch::new().expect(keys::intent(&intent.id), Expect::Present).expect(intent.due().key(), Expect::Present);
        if let Some(key) = token_key {
            batch = batch.expect(key, Expect::Present);
        }
        batch.append(remove_intent(intent));
        batch.append(put_lease(lease, Expect::Absent)?);
        let open = self.counts.open().await;
        self.storage.commit(batch).await?;
        open.change(&place_of(lease), &keys::lease(&lease.id), 1);
        Ok(())
    }
    /// Forgets an intent: its credential is gone, or was never made.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn drop_intent(&self, intent: &Intent) -> Result<()> {
        Ok(self.storage.commit(remove_intent(intent)).await?)
    }
    /// Replaces an intent, moving its due key.
    ///
    /// # Errors
    /// When storage fails or someone else changed it.
    pub async fn update_intent(&self, old: &Intent, new: &Intent, version: Version) -> Result<()> {
        let batch = Batch::new()
            .expect(keys::intent(&old.id), Expect::Version(version))
            .delete(old.due().key())
            .delete(old.due().waiting_key(&old.target()))
            .put(keys::intent(&new.id), bytes(new)?)
            .put(new.due().key(), pointer(&new.target())?);
        Ok(self.storage.commit(batch).await?)
    }
    /// Replaces a lease, moving its due key.
    ///
    /// # Errors
    /// When storage fails or someone else changed it.
    pub async fn update(&self, old: &Lease, new: &Lease, version: Version) -> Result<()> {
        let mut batch = Batch::new().delete(old.due().key()).delete(old.due().waiting_key(&old.target()));
        batch.append(put_lease(new, Expect::Version(version))?);
        batch = if new.attempts >= super::retry::ATTEMPTS {
            batch.put(keys::irrevocable(&new.id), Vec::new())
        } else {
            batch.delete(keys::irrevocable(&new.id))
        };
        Ok(self.storage.commit(batch).await?)
    }
    /// Notes a failed revocation and lets the lease wait for its target's return.
    ///
    /// # Errors
    /// When storage fails or someone else changed it.
    pub async fn wait(&self, lease: &Lease, version: Version) -> Result<()> {
        let (key, target) = (keys::lease(&lease.id), lease.target());
        let mut batch = Batch::new()
            .expect(&key, Expect::Version(version))
            .put(key, bytes(lease)?)
            .delete(lease.due().key())
            .put(lease.due().waiting_key(&target), pointer(&target)?);
        if lease.attempts >= super::retry::ATTEMPTS {
            batch = batch.put(keys::irrevocable(&lease.id), Vec::new());
        }
        Ok(self.storage.commit(batch).await?)
    }
    /// Forgets a lease whose credential is gone.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn remove(&self, lease: &Lease) -> Result<()> {
        let batch = Batch::new()
            .delete(keys::lease(&lease.id))
            .delete(keys::token_lease(&lease.token, &lease.id))
            .delete(keys::irrevocable(&lease.id))
            .delete(lease.due().key())
            .delete(lease.due().waiting_key(&lease.target()));
        let open = self.counts.open().await;
        if !open.counts() {
            return Ok(self.storage.commit(batch).await?);
        }
        // Whoever finds the record there is the one that ends it.
        match self.storage.commit(batch.clone().expect(keys::lease(&lease.id), Expect::Present)).await {
            Ok(()) => open.change(&place_of(lease), &keys::lease(&lease.id), -1),
            Err(lessor_storage::Error::Conflict { .. }) => self.storage.commit(batch).await?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
    /// Moves due keys behind others that wait for the same target; the records stay as they are.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn park(&self, due: &[Due], target: &Target) -> Result<()> {
        let mut batch = Batch::new();
        for due in due {
            batch = batch.delete(due.key()).put(due.waiting_key(target), pointer(target)?);
        }
        Ok(self.storage.commit(batch).await?)
    }
    /// Removes due keys that point at nothing any more.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn drop_due(&self, due: &Due, target: &Target) -> Result<()> {
        Ok(self.storage.commit(Batch::new().delete(due.key()).delete(due.waiting_key(target))).await?)
    }
    /// A page of the intents that are open.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn intents(&self, after: Option<&str>, limit: usize) -> Result<Vec<(Intent, Version)>> {
        let after = after.map(keys::intent);
        let page = self.storage.scan(&keys::intent(""), after.as_deref(), limit).await?;
        page.into_iter().map(|entry| Ok((serde_json::from_slice(&entry.value)?, entry.version))).collect()
    }
    /// A page of the leases below `prefix`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn page(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Lease>> {
        let after = after.map(keys::lease);
        let page = self.storage.scan(&keys::lease(prefix), after.as_deref(), limit).await?;
        page.into_iter().map(|entry| Ok(serde_json::from_slice(&entry.value)?)).collect()
    }
    /// A page of the ids of leases that are listed as irrevocable.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn irrevocable(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let prefix = keys::irrevocable("");
        let after = after.map(keys::irrevocable);
        let page = self.storage.scan(&prefix, after.as_deref(), limit).await?;
        Ok(page.into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect())
    }
    /// A page of lease ids below `prefix` (a mount, or a request path ending in `/`).
    ///
    /// # Errors
    /// When storage fails.
    pub async fn ids(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let after = after.map(keys::lease);
        let page = self.storage.scan(&keys::lease(prefix), after.as_deref(), limit).await?;
        Ok(page.into_iter().filter_map(|entry| entry.key.strip_prefix("lease/id/").map(str::to_owned)).collect())
    }
}

fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::from)
}

fn put_lease(lease: &Lease, expect: Expect) -> Result<Batch> {
    let batch = Batch::new()
        .expect(keys::lease(&lease.id), expect)
        .put(keys::lease(&lease.id), bytes(lease)?)
        .put(lease.due().key(), pointer(&lease.target())?);
    Ok(match lease.token.as_str() {
        "" => batch,
        token => batch.put(keys::token_lease(token, &lease.id), Vec::new()),
    })
}

fn remove_intent(intent: &Intent) -> Batch {
    Batch::new()
        .delete(keys::intent(&intent.id))
        .delete(intent.due().key())
        .delete(intent.due().waiting_key(&intent.target()))
}
