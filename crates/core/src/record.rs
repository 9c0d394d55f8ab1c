//! The few records that every node keeps a copy of: mounts, namespaces, quotas, audit devices and headers.
//!
//! Every change of one of them moves [`EPOCH`] in the same commit. A node that shares its storage with others reads the
//! epoch at the beginning of every request and reads the records again when it moved.
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Moves with every change of one of the records.
pub const EPOCH: &str = "core/epoch";
/// How often a change begins anew because another node changed the same record.
const TRIES: usize = 16;

/// One of the records, as it is stored.
pub struct Record<T> {
    storage: Arc<dyn Storage>,
    key: &'static str,
    /// One change at a time, within this node.
    turn: Mutex<PhantomData<fn() -> T>>,
}

impl<T: Default + Serialize + DeserializeOwned> Record<T> {
    /// Behind the barrier; a record that is missing is `T`'s default.
    pub fn new(storage: Arc<dyn Storage>, key: &'static str) -> Self {
        Self { storage, key, turn: Mutex::default() }
    }
    /// What is stored now.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn read(&self) -> Result<T> {
        Ok(self.versioned().await?.0)
    }
    async fn versioned(&self) -> Result<(T, Expect)> {
        Ok(match self.storage.get(self.key).await? {
            Some(stored) => (serde_json::from_slice(&stored.value)?, Expect::Version(stored.version)),
            None => (T::default(), Expect::Absent),
        })
    }
    /// Changes it. `install` gets what was stored before anybody else on this node can change it.
    ///
    /// # Errors
    /// What `change` and `install` say, or storage.
    pub async fn change<R>(
        &self,
        mut change: impl FnMut(&mut T) -> Result<R>,
        install: impl AsyncFnOnce(T) -> Result<()>,
    ) -> Result<R> {
        let _one = self.turn.lock().await;
        for _ in 0..TRIES {
            let (mut value, expect) = self.versioned().await?;
            let result = change(&mut value)?;
            let batch = Batch::new().expect(self.key, expect).put(self.key, serde_json::to_vec(&value)?);
            match self.storage.commit(batch.put(EPOCH, Vec::new())).await {
                Ok(()) => return install(value).await.map(|()| result),
                Err(lessor_storage::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Internal(format!("{} is being changed by other nodes: try again", self.key)))
    }
    /// Reads it again.
    ///
    /// # Errors
    /// When storage fails, or what `install` says.
    pub async fn reload(&self, install: impl AsyncFnOnce(T) -> Result<()>) -> Result<()> {
        let _one = self.turn.lock().await;
        install(self.read().await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor_storage::MemoryStorage;

    #[tokio::test]
    async fn two_nodes_change_a_record_and_neither_loses_what_the_other_did() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::shared());
        let (here, there) = (Record::<Vec<u32>>::new(storage.clone(), "r"), Record::<Vec<u32>>::new(storage, "r"));
        let add = |record: &'static Record<Vec<u32>>, number: u32| {
            record.change(
                move |list| {
                    list.push(number);
                    Ok(())
                },
                async |_| Ok(()),
            )
        };
        let (here, there): (&'static _, &'static _) = (Box::leak(Box::new(here)), Box::leak(Box::new(there)));
        for round in 0..20 {
            let (one, two) = tokio::join!(add(here, 2 * round), add(there, 2 * round + 1));
            one.and(two).unwrap();
        }
        let mut all = here.read().await.unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
    }
}
