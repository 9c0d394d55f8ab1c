//! Encryption of everything that is stored: AES-256-GCM under a keyring that only an unsealed node holds.
//!
//! A value is `version(1) term(4, big endian) nonce(12) ciphertext tag(16)`; the storage key is the associated
//! data, so a value that was moved under another key is refused like one with a flipped bit.
mod cipher;
mod keyring;
mod upgrade;

pub use cipher::{Key, decrypt, encrypt};
pub use keyring::{KeyStatus, Keyring};
pub use upgrade::HANDED_OVER;

use crate::metrics::timed;
use async_trait::async_trait;
use lessor_storage::{Batch, Entry, Error, Expect, Result, Storage, Version, Write};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroize;

/// Where the keyring lies, encrypted with the root key. Everything else below `core/` that has to be read while
/// sealed lies in [`crate::seal`]'s keys.
pub const KEYRING: &str = "core/keyring";

/// How much the current key has encrypted.
const ENCRYPTIONS: &str = "core/encryptions";

/// Storage that encrypts. Every call fails with [`Error::Sealed`] while it holds no keyring.
pub struct Barrier {
    below: Arc<dyn Storage>,
    keyring: RwLock<Option<Arc<Keyring>>>,
}

impl Barrier {
    /// A sealed barrier over `below`.
    pub fn new(below: Arc<dyn Storage>) -> Self {
        Self { below, keyring: RwLock::new(None) }
    }
    fn keyring(&self) -> Result<Arc<Keyring>> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Sealed)
    }
    fn set(&self, keyring: Option<Keyring>) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring.map(Arc::new);
    }
    /// Whether it holds no keyring.
    pub fn is_sealed(&self) -> bool {
        self.keyring().is_err()
    }
    /// Forgets the keyring; it is wiped as soon as the last running call lets go of it.
    pub fn seal(&self) {
        self.set(None);
    }
    /// The writes that create the keyring under a fresh root key, for a commit together with the seal's own.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn create(root: &Key, now: i64) -> Result<Batch> {
        let keyring = Keyring::fresh(now)?;
        let batch = Batch::new().put(KEYRING, keyring.seal(root)?);
        Ok(batch.expect(KEYRING, Expect::Absent))
    }
    /// Reads the keyring with the root key.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the key does not fit.
    pub async fn unseal(&self, root: &Key) -> Result<()> {
        let Some(entry) = self.below.get(KEYRING).await? else {
            return Err(Error::Corrupt { key: KEYRING.into(), reason: "it is missing".into() });
        };
        let keyring = Keyring::open(root, &entry.value)?;
        if let Some(entry) = self.below.get(ENCRYPTIONS).await? {
            keyring.saved(keyring.count_of(&keyring.decrypt(ENCRYPTIONS, &entry.value)?));
        }
        self.set(Some(keyring));
        Ok(())
    }
    /// The keyring under another root key, for a commit together with the seal's own writes. Works while sealed.
    ///
    /// # Errors
    /// When `old` is not the key the keyring lies under, or storage fails.
    pub async fn reseal(&self, old: &Key, new: &Key) -> Result<Batch> {
        let Some(entry) = self.below.get(KEYRING).await? else { return Err(Error::Sealed) };
        let sealed = Keyring::open(old, &entry.value)?.seal(new)?;
        Ok(Batch::new().expect(KEYRING, Expect::Version(entry.version)).put(KEYRING, sealed))
    }
    /// One more write for that commit, encrypted as everything is. Works while sealed.
    ///
    /// # Errors
    /// As [`Barrier::reseal`].
    pub async fn write_with(&self, root: &Key, key: &str, plain: &[u8]) -> Result<Batch> {
        let Some(entry) = self.below.get(KEYRING).await? else { return Err(Error::Sealed) };
        let value = Keyring::open(root, &entry.value)?.encrypt_uncounted(key, plain)?;
        Ok(Batch::new().put(key, value))
    }
    /// Adds a key for new writes; what was written under older ones stays readable.
    ///
    /// # Errors
    /// When sealed, when `root` is not the key the keyring lies under, or when storage fails.
    pub async fn rotate(&self, root: &Key, now: i64) -> Result<()> {
        let Some(entry) = self.below.get(KEYRING).await? else { return Err(Error::Sealed) };
        self.keyring()?;
        let next = Keyring::open(root, &entry.value)?.rotated(now)?;
        let mut batch = Batch::new().expect(KEYRING, Expect::Version(entry.version)).put(KEYRING, next.seal(root)?);
        if self.is_shared() {
            batch.append(Self::hand_over(&next)?);
        }
        self.below.commit(batch).await?;
        self.set(Some(next));
        Ok(())
    }
    /// Term, age and use of the current key.
    ///
    /// # Errors
    /// When sealed.
    pub fn key_status(&self) -> Result<KeyStatus> {
        Ok(self.keyring()?.status())
    }
    /// Adds what was encrypted since the last time to the count in storage, so that it survives the process. A crash
    /// loses what was not added yet, which the limit of automatic rotation leaves room for.
    ///
    /// # Errors
    /// When sealed, or storage fails; then it is added the next time.
    pub async fn save_encryptions(&self) -> Result<()> {
        let keyring = self.keyring()?;
        let unsaved = keyring.take_unsaved();
        if unsaved == 0 {
            return Ok(());
        }
        let saved = self.add_encryptions(&keyring, unsaved).await;
        match &saved {
            Ok(total) => keyring.saved(*total),
            Err(_) => keyring.put_back(unsaved),
        }
        saved.map(|_| ())
    }
    async fn add_encryptions(&self, keyring: &Keyring, unsaved: u64) -> Result<u64> {
        let entry = self.get(ENCRYPTIONS).await?;
        let expect = entry.as_ref().map_or(Expect::Absent, |entry| Expect::Version(entry.version));
        let before = entry.map_or(0, |entry| keyring.count_of(&entry.value));
        // The count is encrypted too.
        let total = before.saturating_add(unsaved).saturating_add(1);
        let count = Write::Put(ENCRYPTIONS.to_owned(), keyring.encrypt_uncounted(ENCRYPTIONS, &keyring.count(total))?);
        self.below.commit(Batch { expects: vec![(ENCRYPTIONS.to_owned(), expect)], writes: vec![count] }).await?;
        Ok(total)
    }
    fn open(keyring: &Keyring, mut entry: Entry) -> Result<Entry> {
        entry.value = keyring.decrypt(&entry.key, &entry.value)?;
        Ok(entry)
    }
}

#[async_trait]
impl Storage for Barrier {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let _time = timed!("barrier.get");
        self.keyring()?;
        let Some(entry) = self.below.get(key).await? else { return Ok(None) };
        let keyring = self.keyring_for([&entry]).await?;
        Self::open(&keyring, entry).map(Some)
    }
    /// Nothing is decrypted for it.
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        let _time = timed!("barrier.get");
        self.keyring()?;
        self.below.version(key).await
    }
    /// Nothing is decrypted for it.
    async fn versions(&self, keys: &[&str]) -> Result<Vec<Option<Version>>> {
        let _time = timed!("barrier.get");
        self.keyring()?;
        self.below.versions(keys).await
    }
    fn is_shared(&self) -> bool {
        self.below.is_shared()
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        let _time = timed!("barrier.list");
        self.keyring()?;
        let page = self.below.scan(prefix, after, limit).await?;
        let keyring = self.keyring_for(&page).await?;
        page.into_iter().map(|entry| Self::open(&keyring, entry)).collect()
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        let deletes = batch.writes.iter().all(|write| matches!(write, Write::Delete(_)));
        let _time = if deletes { timed!("barrier.delete") } else { timed!("barrier.put") };
        let keyring = self.keyring()?;
        let writes = batch.writes.into_iter().map(|write| match write {
            Write::Put(key, mut plain) => {
                let value = keyring.encrypt(&key, &plain);
                plain.zeroize();
                value.map(|value| Write::Put(key, value))
            }
            delete => Ok(delete),
        });
        self.below.commit(Batch { expects: batch.expects, writes: writes.collect::<Result<_>>()? }).await
    }
}

#[cfg(test)]
mod tests;
