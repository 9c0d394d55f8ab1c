//! Who can unseal: a root key encrypts the barrier's keyring, and lies itself encrypted under the unseal key, which
//! is split into key shares (`shamir`) or read from a file or the environment (`static`).
pub mod shamir;

use crate::barrier::{Barrier, Key, decrypt, encrypt};
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

const CONFIG: &str = "core/seal-config";
const ROOT_KEY: &str = "core/root-key";

/// How the unseal key is come by.
#[derive(Clone)]
pub enum SealKind {
    /// Key shares, given by people.
    Shamir,
    /// A key that the server was started with; it unseals by itself.
    Static(Key),
}

impl SealKind {
    /// The word of `sys/seal-status`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Shamir => "shamir",
            Self::Static(_) => "static",
        }
    }
}

/// Stored in clear: it is asked for while sealed. Counts key shares, or recovery key shares with an automatic seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealConfig {
    /// `shamir` or `static`.
    pub kind: String,
    /// How many shares there are.
    pub shares: u8,
    /// How many of them are needed.
    pub threshold: u8,
}

/// A key and its shares, each 33 bytes, or 32 where there is only one.
pub struct Shared {
    /// The key.
    pub key: Key,
    /// Its shares.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
}

/// A random key in `shares` shares.
///
/// # Errors
/// When the system has no randomness to give or the numbers make no sense.
pub fn new_shared(shares: u8, threshold: u8) -> Result<Shared> {
    let key = Key::random()?;
    let parts = if shares == 1 {
        vec![Zeroizing::new(key.expose().to_vec())]
    } else {
        shamir::split(key.expose(), shares, threshold).map_err(|error| Error::invalid(error.to_string()))?
    };
    Ok(Shared { key, shares: parts })
}

/// The key that shares give; `None` when they cannot belong together.
pub fn join(shares: &[Zeroizing<Vec<u8>>]) -> Option<Key> {
    match shares {
        [one] => Key::from_bytes(one),
        many => Key::from_bytes(&shamir::combine(many).ok()?),
    }
}

/// Checks the numbers of a new seal, in the words of the field.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_numbers(shares: i64, threshold: i64) -> Result<(u8, u8)> {
    let problem = match (shares, threshold) {
        (..1, _) => "shares must be at least one",
        (_, ..1) => "threshold must be at least one",
        (s, t) if t > s => "threshold cannot be larger than shares",
        (s, 1) if s > 1 => "threshold must be greater than one for multiple shares",
        (s, _) if s > 255 => "shares must be less than 256",
        _ => "",
    };
    match (u8::try_from(shares), u8::try_from(threshold)) {
        (Ok(shares), Ok(threshold)) if problem.is_empty() => Ok((shares, threshold)),
        _ => Err(Error::invalid(format!("invalid seal configuration: {problem}"))),
    }
}

/// The seal's records, which lie beside the barrier and not behind it.
#[derive(Clone)]
pub struct SealStore {
    below: Arc<dyn Storage>,
}

impl SealStore {
    /// Over storage without the barrier.
    pub fn new(below: Arc<dyn Storage>) -> Self {
        Self { below }
    }
    /// `None` before initialisation.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn config(&self) -> Result<Option<SealConfig>> {
        Ok(self.below.get(CONFIG).await?.map(|entry| serde_json::from_slice(&entry.value)).transpose()?)
    }
    /// Makes root key, keyring and seal in one step.
    ///
    /// # Errors
    /// [`lessor_storage::Error::Conflict`] when somebody else initialised meanwhile.
    pub async fn initialise(&self, config: &SealConfig, unseal: &Key, now: i64) -> Result<Key> {
        let root = Key::random()?;
        let mut batch = Batch::new()
            .expect(CONFIG, Expect::Absent)
            .put(CONFIG, serde_json::to_vec(config)?)
            .put(ROOT_KEY, encrypt(unseal, ROOT_KEY.as_bytes(), root.expose())?);
        batch.append(Barrier::create(&root, now)?);
        self.below.commit(batch).await?;
        Ok(root)
    }
    /// The root key, if `unseal` is the right key.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn root_key(&self, unseal: &Key) -> Result<Option<Key>> {
        let Some(entry) = self.below.get(ROOT_KEY).await? else { return Ok(None) };
        let plain = decrypt(unseal, ROOT_KEY.as_bytes(), &entry.value).map(Zeroizing::new);
        Ok(plain.and_then(|plain| Key::from_bytes(&plain)))
    }
    /// Puts a fresh root key under another unseal key; the keyring follows in the same commit. Returns the root key.
    ///
    /// # Errors
    /// When sealed or storage fails.
    pub async fn rekey(&self, barrier: &Barrier, config: &SealConfig, unseal: &Key) -> Result<Key> {
        let root = Key::random()?;
        let mut batch = Batch::new()
            .put(CONFIG, serde_json::to_vec(config)?)
            .put(ROOT_KEY, encrypt(unseal, ROOT_KEY.as_bytes(), root.expose())?);
        batch.append(barrier.reseal(&root).await?);
        self.below.commit(batch).await?;
        Ok(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor_storage::MemoryStorage;

    #[test]
    fn numbers_that_make_no_sense_are_refused_in_the_fields_words() {
        for (shares, threshold, text) in [
            (0, 1, "shares must be at least one"),
            (1, 0, "threshold must be at least one"),
            (2, 3, "threshold cannot be larger than shares"),
            (3, 1, "threshold must be greater than one for multiple shares"),
            (256, 2, "shares must be less than 256"),
        ] {
            let error = check_numbers(shares, threshold).unwrap_err().to_string();
            assert_eq!(error, format!("invalid seal configuration: {text}"));
        }
        assert_eq!(check_numbers(5, 3).unwrap(), (5, 3));
    }

    #[tokio::test]
    async fn shares_unseal_and_after_a_rekey_only_the_new_ones_do() {
        let below: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let (store, barrier) = (SealStore::new(below.clone()), Barrier::new(below));
        let config = SealConfig { kind: "shamir".into(), shares: 3, threshold: 2 };
        let old = new_shared(3, 2).unwrap();
        store.initialise(&config, &old.key, 0).await.unwrap();
        let joined = join(&old.shares[1..]).unwrap();
        barrier.unseal(&store.root_key(&joined).await.unwrap().unwrap()).await.unwrap();
        barrier.commit(Batch::new().put("a", "1")).await.unwrap();

        let new = new_shared(1, 1).unwrap();
        store.rekey(&barrier, &config, &new.key).await.unwrap();
        barrier.seal();
        assert!(store.root_key(&joined).await.unwrap().is_none());
        let root = store.root_key(&join(&new.shares).unwrap()).await.unwrap().unwrap();
        barrier.unseal(&root).await.unwrap();
        assert_eq!(barrier.get("a").await.unwrap().unwrap().value, b"1");
    }
}
