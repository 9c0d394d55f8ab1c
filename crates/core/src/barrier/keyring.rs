//! The keys of the barrier, oldest first; the last one encrypts.
use super::cipher::{Cipher, Key, OVERHEAD, decrypt, encrypt};
use lessor_storage::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const CONTEXT: &[u8] = super::KEYRING.as_bytes();

struct Term {
    key: Key,
    cipher: Cipher,
    installed: i64,
}

impl Term {
    fn new(key: Key, installed: i64) -> Result<Self> {
        Ok(Self { cipher: Cipher::new(&key)?, key, installed })
    }
    fn again(&self) -> Result<Self> {
        Self::new(self.key.clone(), self.installed)
    }
}

/// Every key that was ever used, in the order of its term (from 1).
pub struct Keyring {
    terms: Vec<Term>,
    /// By the newest key, as storage knows it, and since then.
    stored: AtomicU64,
    unsaved: AtomicU64,
}

/// What `sys/key-status` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// From 1.
    pub term: u32,
    /// Seconds since 1970.
    pub installed: i64,
    /// Values encrypted under the current key.
    pub encryptions: u64,
    /// Those of them that the count in storage does not have yet.
    pub unsaved: u64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    key: String,
    installed: i64,
}

impl Record {
    fn term(&self) -> Result<Term> {
        let bytes = hex::decode(&self.key).ok().map(Zeroizing::new);
        let key = bytes.and_then(|bytes| Key::from_bytes(&bytes));
        Term::new(key.ok_or_else(|| corrupt("a key has the wrong size"))?, self.installed)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

impl Keyring {
    /// One random key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn fresh(now: i64) -> Result<Self> {
        Ok(Self { terms: vec![Term::new(Key::random()?, now)?], stored: AtomicU64::new(0), unsaved: AtomicU64::new(0) })
    }
    /// The same keys and a new one behind them.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn rotated(mut self, now: i64) -> Result<Self> {
        self.terms.push(Term::new(Key::random()?, now)?);
        Ok(Self { terms: self.terms, stored: AtomicU64::new(0), unsaved: AtomicU64::new(0) })
    }
    /// The newest key for a node that holds all but it, encrypted under the one before; `at` is where it is to lie.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn upgrade(&self, at: &str) -> Result<Vec<u8>> {
        let [.., before, newest] = self.terms.as_slice() else { return Err(corrupt("it has one key only")) };
        let record = Record { key: hex::encode(newest.key.expose()), installed: newest.installed };
        let plain = Zeroizing::new(serde_json::to_vec(&record).map_err(|error| corrupt(&error.to_string()))?);
        let mut value = Vec::new();
        before.cipher.encrypt(at.as_bytes(), &plain, &mut value)?;
        Ok(value)
    }
    /// The same keys and the one that [`Keyring::upgrade`] handed over.
    ///
    /// # Errors
    /// When it was not made for this keyring.
    pub(super) fn upgraded(&self, at: &str, value: &[u8]) -> Result<Self> {
        let newest = self.terms.last().ok_or(Error::Sealed)?;
        let plain = newest.cipher.decrypt(at.as_bytes(), value).map(Zeroizing::new);
        let plain = plain.ok_or_else(|| corrupt("a key was handed over that does not follow the newest one"))?;
        let record: Record = serde_json::from_slice(&plain).map_err(|error| corrupt(&error.to_string()))?;
        let mut terms = self.terms.iter().map(Term::again).collect::<Result<Vec<_>>>()?;
        terms.push(record.term()?);
        Ok(Self { terms, stored: AtomicU64::new(0), unsaved: AtomicU64::new(0) })
    }
    /// Whether it holds the key that a value was encrypted with.
    pub(super) fn knows(&self, value: &[u8]) -> bool {
        let term = value.get(1..5).and_then(|term| term.try_into().ok()).map_or(0, u32::from_be_bytes);
        term <= self.newest()
    }
    /// Encrypted with the root key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal(&self, root: &Key) -> Result<Vec<u8>> {
        let records: Vec<Record> = self
            .terms
            .iter()
            .map(|term| Record { key: hex::encode(term.key.expose()), installed: term.installed })
            .collect();
        let plain = Zeroizing::new(serde_json::to_vec(&records).map_err(|error| corrupt(&error.to_string()))?);
        encrypt(root, CONTEXT, &plain)
    }
    /// Decrypted with the root key.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the key does not fit.
    pub fn open(root: &Key, sealed: &[u8]) -> Result<Self> {
        let plain = decrypt(root, CONTEXT, sealed).map(Zeroizing::new);
        let plain = plain.ok_or_else(|| corrupt("it was written with another key, or changed since"))?;
        let records: Vec<Record> = serde_json::from_slice(&plain).map_err(|error| corrupt(&error.to_string()))?;
        let terms = records.iter().map(Record::term).collect::<Result<Vec<Term>>>()?;
        if terms.is_empty() {
            return Err(corrupt("it is empty"));
        }
        Ok(Self { terms, stored: AtomicU64::new(0), unsaved: AtomicU64::new(0) })
    }
    /// Encrypts for `key` under the newest term.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn encrypt(&self, key: &str, plain: &[u8]) -> Result<Vec<u8>> {
        self.unsaved.fetch_add(1, Ordering::Relaxed);
        self.encrypt_uncounted(key, plain)
    }
    /// The same by whoever counts himself.
    pub(super) fn encrypt_uncounted(&self, key: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let Some(term) = self.terms.last() else { return Err(Error::Sealed) };
        let mut value = Vec::with_capacity(5 + OVERHEAD + plain.len());
        value.push(VERSION);
        value.extend_from_slice(&self.newest().to_be_bytes());
        term.cipher.encrypt(key.as_bytes(), plain, &mut value)?;
        Ok(value)
    }
    /// Decrypts what lies under `key`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming `key`.
    pub fn decrypt(&self, key: &str, value: &[u8]) -> Result<Vec<u8>> {
        let fail = |reason: &str| Error::Corrupt { key: key.to_owned(), reason: reason.to_owned() };
        let Some((&[version, a, b, c, d], sealed)) = value.split_first_chunk::<5>() else {
            return Err(fail("it is too short"));
        };
        if version != VERSION {
            return Err(fail("its format is unknown"));
        }
        let index = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default().wrapping_sub(1);
        let term = self.terms.get(index).ok_or_else(|| fail("the keyring has no key for it"))?;
        term.cipher.decrypt(key.as_bytes(), sealed).ok_or_else(|| fail("it was changed since it was written"))
    }
    pub(super) fn newest(&self) -> u32 {
        u32::try_from(self.terms.len()).unwrap_or(u32::MAX)
    }
    /// Term, age and use of the newest key.
    pub fn status(&self) -> KeyStatus {
        let unsaved = self.unsaved.load(Ordering::Relaxed);
        KeyStatus {
            term: self.newest(),
            installed: self.terms.last().map_or(0, |term| term.installed),
            encryptions: self.stored.load(Ordering::Relaxed) + unsaved,
            unsaved,
        }
    }
    /// What was encrypted since the count was stored; begins anew.
    pub(super) fn take_unsaved(&self) -> u64 {
        self.unsaved.swap(0, Ordering::Relaxed)
    }
    /// It was not stored after all.
    pub(super) fn put_back(&self, unsaved: u64) {
        self.unsaved.fetch_add(unsaved, Ordering::Relaxed);
    }
    /// The count in storage.
    pub(super) fn saved(&self, total: u64) {
        self.stored.store(total, Ordering::Relaxed);
    }
    /// A count of the newest key, to be stored: `term(4) count(8)`, big endian.
    pub(super) fn count(&self, total: u64) -> Vec<u8> {
        [self.newest().to_be_bytes().as_slice(), &total.to_be_bytes()].concat()
    }
    /// Reads a stored count; that of an older key counts nothing.
    pub(super) fn count_of(&self, stored: &[u8]) -> u64 {
        let total = stored.strip_prefix(self.newest().to_be_bytes().as_slice());
        total.and_then(|total| total.try_into().ok()).map_or(0, u64::from_be_bytes)
    }
}

fn corrupt(reason: &str) -> Error {
    Error::Corrupt { key: super::KEYRING.to_owned(), reason: reason.to_owned() }
}
