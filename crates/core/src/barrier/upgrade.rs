//! New keys of the keyring on their way to the other nodes: each lies in storage for a while, encrypted under the one
//! before it, so that a node that is unsealed needs nobody's root key to follow.
use super::{Barrier, Keyring};
use lessor_storage::{Batch, Entry, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where they lie, for no hands.
pub const HANDED_OVER: &str = "core/upgrade/";
/// The most keys that are on their way at once.
const MOST: usize = 1000;

fn place(term: u32) -> String {
    format!("{HANDED_OVER}{term:010}")
}

impl Barrier {
    /// The write that hands the newest key of `keyring` over.
    pub(super) fn hand_over(keyring: &Keyring) -> Result<Batch> {
        let at = place(keyring.newest());
        let value = keyring.upgrade(&at)?;
        Ok(Batch::new().put(at, value))
    }
    /// Takes the keys that other nodes handed over.
    ///
    /// # Errors
    /// When sealed, or storage fails.
    pub async fn upgrade(&self) -> Result<()> {
        loop {
            let keyring = self.keyring()?;
            let at = place(keyring.newest() + 1);
            let Some(entry) = self.below.get(&at).await? else { return Ok(()) };
            self.set(Some(keyring.upgraded(&at, &entry.value)?));
        }
    }
    /// The keyring that opens these entries: another node may have a newer one.
    pub(super) async fn keyring_for<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> Result<Arc<Keyring>> {
        let keyring = self.keyring()?;
        if !self.below.is_shared() || entries.into_iter().all(|entry| keyring.knows(&entry.value)) {
            return Ok(keyring);
        }
        self.upgrade().await?;
        self.keyring()
    }
    /// Takes the keys away that were handed over before the last call: by now every node has them, and who holds an old
    /// key must not come by the new one. `seen` is what that call saw.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn forget_handed_over(&self, seen: &mut BTreeSet<String>) -> Result<()> {
        let found = self.below.scan(HANDED_OVER, None, MOST).await?;
        let found: BTreeSet<String> = found.into_iter().map(|entry| entry.key).collect();
        let old: Vec<&String> = found.intersection(seen).collect();
        if !old.is_empty() {
            let batch = old.into_iter().fold(Batch::new(), |batch, key| batch.delete(key.clone()));
            self.below.commit(batch).await?;
        }
        *seen = found;
        Ok(())
    }
}
