//! The node's keys for the other nodes: whoever replaces the root key or the key shares leaves them behind the barrier, so
//! that no other node goes on with old ones.
use crate::barrier::Key;
use crate::node::{Core, Keys};
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Storage};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Where they lie, for no hands.
pub(crate) const KEYS: &str = "core/keys";

/// Both in hexadecimal.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Record {
    root: String,
    unseal: Option<String>,
}

fn key(text: &str) -> Result<Key> {
    let bytes = Zeroizing::new(hex::decode(text).map_err(|_| damaged())?);
    Key::from_bytes(&bytes).ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::Internal(format!("{KEYS} is damaged"))
}

impl Core {
    /// The write that leaves `keys` for the others; goes with the commit that makes them count. `before` is the root key
    /// up to then.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn leave_keys(&self, before: &Key, keys: &Keys) -> Result<Batch> {
        if !self.barrier.is_shared() {
            // What another kind of storage brought along is old from now on.
            return Ok(Batch::new().delete(KEYS));
        }
        let text = |key: &Key| hex::encode(key.expose());
        let record = Record { root: text(&keys.root), unseal: keys.unseal.as_ref().map(text) };
        let plain = Zeroizing::new(serde_json::to_vec(&record)?);
        Ok(self.barrier.write_with(before, KEYS, &plain).await?)
    }
    /// The keys that count, which another node may have replaced.
    ///
    /// # Errors
    /// When sealed, or storage fails.
    pub(crate) async fn current_keys(&self) -> Result<Keys> {
        let keys = self.unsealed().ok_or(Error::Storage(lessor_storage::Error::Sealed))?.keys;
        if !self.barrier.is_shared() {
            return Ok(keys);
        }
        let Some(mut entry) = self.barrier.get(KEYS).await? else { return Ok(keys) };
        let record: Record = serde_json::from_slice(&entry.value)?;
        entry.value.zeroize();
        let keys = Keys { root: key(&record.root)?, unseal: record.unseal.as_deref().map(key).transpose()? };
        self.set_keys(keys.clone());
        Ok(keys)
    }
}
