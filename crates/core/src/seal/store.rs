//! The seal's record, which lies beside the barrier and not behind it: it is asked for while sealed.
//!
//! It is one record, so that whatever is replaced (shares, root key, seal) is replaced in one commit: a crash, or a
//! KMS that dies in the middle, leaves the record of before.
use super::{Share, join};
use crate::barrier::{Barrier, Key, decrypt, encrypt};
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage, Version};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where the record lies.
pub const CONFIG: &str = "core/seal-config";
const CONTEXT: &[u8] = b"core/root-key";

/// How a storage is sealed. Stored in clear; what it holds of keys is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealConfig {
    /// `shamir`, or the word of the automatic seal.
    pub kind: String,
    /// The root key as the automatic seal encrypted it, hexadecimal; nothing with `shamir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<String>,
    /// Who holds key shares, or recovery key shares with an automatic seal.
    pub holders: Holders,
    /// Who held them before a rekey whose new shares may not have reached anybody. They count until they are known to
    /// have; see [`crate::rekey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Holders>,
}

/// Holders of shares of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holders {
    /// How many shares there are.
    pub shares: u8,
    /// How many of them are needed.
    pub threshold: u8,
    /// What only the joined shares decrypt, hexadecimal: the root key with `shamir`, nothing with an automatic seal.
    check: String,
}

/// What shares turn out to be.
pub(crate) enum Fit {
    /// There may be more to come.
    TooFew,
    /// They are the ones.
    Right(Quorum),
    /// There are enough, and they are not the ones.
    Wrong,
}

/// Shares that fit.
pub(crate) struct Quorum {
    /// The unseal key, or the recovery key.
    pub(crate) key: Key,
    /// What the key decrypted: the root key with `shamir`.
    pub(crate) root: Option<Key>,
    /// Whether they are the ones from before the last rekey.
    pub(crate) previous: bool,
}

impl Holders {
    /// Of an unseal key, which encrypts the root key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn of_unseal_key((shares, threshold): (u8, u8), unseal: &Key, root: &Key) -> Result<Self> {
        Ok(Self { shares, threshold, check: hex::encode(encrypt(unseal, CONTEXT, root.expose())?) })
    }
    /// Of a recovery key, which encrypts nothing but proves that it is the one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn of_recovery_key((shares, threshold): (u8, u8), recovery: &Key) -> Result<Self> {
        Ok(Self { shares, threshold, check: hex::encode(encrypt(recovery, CONTEXT, &[])?) })
    }
    /// How many there are, and how many are needed.
    pub fn numbers(&self) -> (u8, u8) {
        (self.shares, self.threshold)
    }
    fn try_shares(&self, shares: &[Share]) -> Option<(Key, Option<Key>)> {
        if shares.len() < usize::from(self.threshold) {
            return None;
        }
        let key = join(shares)?;
        let plain = decrypt(&key, CONTEXT, &hex::decode(&self.check).ok()?).map(Zeroizing::new)?;
        Some((key, Key::from_bytes(&plain)))
    }
}

impl SealConfig {
    /// Of key shares.
    pub fn shamir(holders: Holders) -> Self {
        Self { kind: "shamir".to_owned(), wrapped: None, holders, previous: None }
    }
    /// Of an automatic seal, which encrypted the root key.
    pub fn auto(kind: &str, wrapped: &[u8], holders: Holders) -> Self {
        Self { kind: kind.to_owned(), wrapped: Some(hex::encode(wrapped)), holders, previous: None }
    }
    /// The root key as the automatic seal encrypted it.
    ///
    /// # Errors
    /// When there is none.
    pub fn wrapped(&self) -> Result<Vec<u8>> {
        let bytes = self.wrapped.as_ref().and_then(|text| hex::decode(text).ok());
        bytes.ok_or_else(|| Error::Internal(format!("the record of the {} seal holds no root key", self.kind)))
    }
    /// The same with the root key encrypted anew.
    #[must_use]
    pub fn with_wrapped(&self, wrapped: &[u8]) -> Self {
        Self { wrapped: Some(hex::encode(wrapped)), ..self.clone() }
    }
    /// The same with other holders, while those of before still count.
    #[must_use]
    pub fn with_holders(&self, holders: Holders, previous: Option<Holders>) -> Self {
        Self { holders, previous, ..self.clone() }
    }
    /// Whether people unseal.
    pub fn is_shamir(&self) -> bool {
        self.kind == "shamir"
    }
    /// What `shares` are.
    pub(crate) fn fit(&self, shares: &[Share]) -> Fit {
        let sides = [(Some(&self.holders), false), (self.previous.as_ref(), true)];
        let fitting = sides.into_iter().find_map(|(holders, previous)| {
            let (key, root) = holders?.try_shares(shares)?;
            Some(Quorum { key, root, previous })
        });
        let enough = self.holders.threshold.max(self.previous.as_ref().map_or(0, |holders| holders.threshold));
        match fitting {
            Some(quorum) => Fit::Right(quorum),
            None if shares.len() < usize::from(enough) => Fit::TooFew,
            None => Fit::Wrong,
        }
    }
    /// The record once it is known which shares people hold; `None` when that was not in doubt.
    pub(crate) fn settled(&self, previous: bool) -> Option<Self> {
        let before = self.previous.clone()?;
        let holders = if previous { before } else { self.holders.clone() };
        Some(Self { holders, previous: None, ..self.clone() })
    }
}

/// Reads and writes the record.
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
    pub async fn config(&self) -> Result<Option<(SealConfig, Version)>> {
        let Some(entry) = self.below.get(CONFIG).await? else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&entry.value)?, entry.version)))
    }
    /// Stores the first record and the keyring in one step.
    ///
    /// # Errors
    /// [`lessor_storage::Error::Conflict`] when somebody else initialised meanwhile.
    pub async fn initialise(&self, config: &SealConfig, root: &Key, now: i64) -> Result<()> {
        let mut batch = Batch::new().expect(CONFIG, Expect::Absent).put(CONFIG, serde_json::to_vec(config)?);
        batch.append(Barrier::create(root, now)?);
        Ok(self.below.commit(batch).await?)
    }
    /// Replaces the record that was read at `version`, together with `others`.
    ///
    /// # Errors
    /// [`lessor_storage::Error::Conflict`] when somebody else replaced it meanwhile.
    pub async fn replace(&self, next: &SealConfig, version: Version, others: Batch) -> Result<()> {
        let mut batch = Batch::new().expect(CONFIG, Expect::Version(version)).put(CONFIG, serde_json::to_vec(next)?);
        batch.append(others);
        Ok(self.below.commit(batch).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_shared;
    use super::*;

    fn right(config: &SealConfig, shares: &[Share]) -> Option<bool> {
        if let Fit::Right(quorum) = config.fit(shares) { Some(quorum.previous) } else { None }
    }

    #[test]
    fn shares_fit_when_there_are_enough_of_the_right_ones() {
        let root = Key::random().unwrap();
        let made = new_shared(3, 2).unwrap();
        let config = SealConfig::shamir(Holders::of_unseal_key((3, 2), &made.key, &root).unwrap());
        assert!(matches!(config.fit(&made.shares[..1]), Fit::TooFew));
        assert_eq!(right(&config, &made.shares[1..]), Some(false));
        let Fit::Right(quorum) = config.fit(&made.shares[..2]) else { panic!() };
        assert!(quorum.root == Some(root));
        assert!(matches!(config.fit(&new_shared(3, 2).unwrap().shares[..2]), Fit::Wrong));
    }

    #[test]
    fn until_it_is_settled_the_shares_of_before_a_rekey_fit_too() {
        for ((_, old), (new_n, new_t)) in [((3, 2), (1, 1)), ((3, 3), (2, 2)), ((2, 2), (5, 4))] {
            let root = Key::random().unwrap();
            let (before, after) = (new_shared(3, old).unwrap(), new_shared(new_n, new_t).unwrap());
            let mut config = SealConfig::shamir(Holders::of_unseal_key((new_n, new_t), &after.key, &root).unwrap());
            config.previous = Some(Holders::of_unseal_key((3, old), &before.key, &root).unwrap());
            let (before, after) = (&before.shares[..usize::from(old)], &after.shares[..usize::from(new_t)]);
            assert_eq!(right(&config, before), Some(true));
            assert_eq!(right(&config, after), Some(false));
            let new = config.settled(false).unwrap();
            assert!(right(&new, before).is_none() && right(&new, after).is_some());
            let undone = config.settled(true).unwrap();
            assert!(right(&undone, after).is_none() && right(&undone, before).is_some());
        }
    }

    #[test]
    fn a_recovery_key_proves_itself_and_opens_nothing() {
        let made = new_shared(2, 2).unwrap();
        let holders = Holders::of_recovery_key((2, 2), &made.key).unwrap();
        let config = SealConfig::auto("static", &[1], holders);
        let Fit::Right(quorum) = config.fit(&made.shares) else { panic!() };
        assert!(quorum.root.is_none());
        assert!(!format!("{config:?}").contains(&hex::encode(made.key.expose())));
    }
}
