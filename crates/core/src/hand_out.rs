//! How new shares leave the node: as they are, or each encrypted for its holder.
use crate::pgp::PgpKey;
use crate::seal::Share;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Shares for the people who asked for them.
pub struct HandOut {
    keys: Vec<Share>,
    fingerprints: Option<Vec<String>>,
}

impl HandOut {
    /// One share for each key; as they are, where there are no keys.
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn new(shares: Vec<Share>, keys: &[PgpKey]) -> Result<Self> {
        if keys.is_empty() {
            return Ok(Self { keys: shares, fingerprints: None });
        }
        // Vault encrypts the hexadecimal text, so that what a holder decrypts is what `unseal` takes.
        let text = |share: &Share| Zeroizing::new(hex::encode(share.as_slice()));
        let sealed =
            shares.iter().zip(keys).map(|(share, key)| key.encrypt(text(share).as_bytes()).map(Zeroizing::new));
        Ok(Self {
            keys: sealed.collect::<Result<_>>()?,
            fingerprints: Some(keys.iter().map(PgpKey::fingerprint).collect()),
        })
    }
    /// No shares at all.
    pub fn nothing() -> Self {
        Self { keys: Vec::new(), fingerprints: None }
    }
    /// Hexadecimal.
    pub fn hex(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex::encode(key.as_slice())).collect()
    }
    /// Base64.
    pub fn base64(&self) -> Vec<String> {
        self.keys.iter().map(|key| STANDARD.encode(key.as_slice())).collect()
    }
    /// The fingerprints of the holders' keys, or null.
    pub fn fingerprints(&self) -> Value {
        json!(self.fingerprints)
    }
    /// What `rekey/backup` keeps: the encrypted shares by fingerprint, hexadecimal. `None` when they are in clear.
    pub fn backup(&self, nonce: &str) -> Option<Value> {
        let mut keys: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (fingerprint, key) in self.fingerprints.as_ref()?.iter().zip(self.hex()) {
            keys.entry(fingerprint).or_default().push(key);
        }
        Some(json!({ "nonce": nonce, "keys": keys }))
    }
}

/// The answer of `rekey/backup`: `keys` also in base64.
pub fn backup_answer(stored: &Value) -> Value {
    let mut base64 = Map::new();
    for (fingerprint, keys) in stored["keys"].as_object().into_iter().flatten() {
        let keys = keys.as_array().into_iter().flatten().filter_map(|key| hex::decode(key.as_str()?).ok());
        base64.insert(fingerprint.clone(), keys.map(|key| STANDARD.encode(key)).collect());
    }
    json!({ "nonce": stored["nonce"], "keys": stored["keys"], "keys_base64": base64 })
}

/// Checks the number of keys against the number of shares.
///
/// # Errors
/// [`Error::Invalid`] with `text`.
pub fn one_key_per_share(keys: usize, shares: i64, text: &str) -> Result<()> {
    if keys == 0 || i64::try_from(keys) == Ok(shares) { Ok(()) } else { Err(Error::invalid(text)) }
}
