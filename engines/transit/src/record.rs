//! What is stored about a key, and which of its versions may be used for what.
use crate::asymmetric::Pair;
use crate::encoding;
use crate::kind::{Family, Kind};
use aws_lc_rs::rand;
use lessor_engine::{Error, Result, Seconds, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// Shortest and longest key of kind `hmac`, in bytes.
pub(crate) const HMAC_KEY_LEN: std::ops::RangeInclusive<usize> = 32..=512;

/// How a context and a key become another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Kdf {
    /// HKDF with SHA-256; every key made here.
    #[default]
    Hkdf,
    /// HMAC-SHA256 in counter mode; keys of Vault 0.1, from a backup.
    HmacCounter,
}

/// How the nonce of convergent encryption comes about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Nonces {
    /// At random.
    #[default]
    Random,
    /// From the plaintext, under a derived subkey: the third scheme of the field, and the only one still in use.
    Convergent,
}

/// The moment of a backup or restore, and the latest version then.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) time: Timestamp,
    pub(crate) version: u64,
}

/// A named key with all its versions.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) derived: bool,
    pub(crate) kdf: Kdf,
    pub(crate) nonces: Nonces,
    pub(crate) exportable: bool,
    pub(crate) allow_plaintext_backup: bool,
    pub(crate) deletion_allowed: bool,
    pub(crate) soft_deleted: bool,
    pub(crate) imported: bool,
    pub(crate) allow_rotation: bool,
    /// Lowest version that decrypts and verifies; 1 or more.
    pub(crate) min_decryption_version: u64,
    /// Lowest version that encrypts and signs; 0 is only the latest.
    pub(crate) min_encryption_version: u64,
    /// Lowest version that still exists; 0 before the first trim.
    pub(crate) min_available_version: u64,
    /// Length of an `hmac` key in bytes; 0 for other kinds.
    pub(crate) key_size: usize,
    /// Seconds from one version to the next; 0 is never.
    pub(crate) auto_rotate_period: Seconds,
    pub(crate) backup: Option<Mark>,
    pub(crate) restore: Option<Mark>,
    pub(crate) versions: BTreeMap<u64, KeyVersion>,
}

/// One version of a key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyVersion {
    pub(crate) created: Timestamp,
    /// Base64. Symmetric: the bytes; ed25519: seed and public key; others: PKCS #8. Empty where only the public half is
    /// known.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) private: Secret,
    /// Base64 of the `SubjectPublicKeyInfo`; empty for symmetric keys.
    pub(crate) public: String,
    /// Base64 of the key for HMACs.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) hmac: Secret,
    /// Certificates in base64 of their DER form, the leaf first.
    pub(crate) certificates: Vec<String>,
    /// The key pair, read once.
    #[serde(skip)]
    pair: OnceLock<Arc<Pair>>,
}

impl KeyVersion {
    /// A version of secret bytes.
    pub(crate) fn symmetric(bytes: &[u8], created: Timestamp) -> Result<Self> {
        Ok(Self {
            created,
            private: encoding::seal(bytes),
            public: String::new(),
            hmac: random_secret(32)?,
            certificates: Vec::new(),
            pair: OnceLock::new(),
        })
    }

    /// A version of a key pair, or of its public half.
    pub(crate) fn asymmetric(pair: Pair, created: Timestamp) -> Result<Self> {
        Ok(Self {
            created,
            private: pair.private().map(encoding::seal).unwrap_or_default(),
            public: encoding::encode(pair.public()),
            hmac: random_secret(32)?,
            certificates: Vec::new(),
            pair: OnceLock::from(Arc::new(pair)),
        })
    }

    /// A fresh version.
    pub(crate) fn generate(kind: Kind, key_size: usize, created: Timestamp) -> Result<Self> {
        match kind.family() {
            Family::Aead(cipher) => Self::symmetric(&random_bytes(cipher.key_len())?, created),
            Family::Hmac => {
                let mut version = Self::symmetric(&random_bytes(key_size)?, created)?;
                version.hmac = version.private.clone();
                Ok(version)
            }
            Family::Ed25519 | Family::Ecdsa(_) | Family::Rsa(_) => Self::asymmetric(Pair::generate(kind)?, created),
        }
    }

    /// Whether only the public half is known.
    pub(crate) fn lacks_private(&self) -> bool {
        self.private.is_empty()
    }

    /// The secret bytes, as [`KeyVersion::private`] says.
    pub(crate) fn secret(&self) -> Result<Zeroizing<Vec<u8>>> {
        encoding::unseal(&self.private)
    }

    /// The key for HMACs.
    pub(crate) fn hmac_key(&self) -> Result<Zeroizing<Vec<u8>>> {
        encoding::unseal(&self.hmac)
    }

    /// The key pair.
    pub(crate) fn pair(&self, kind: Kind) -> Result<Arc<Pair>> {
        if let Some(pair) = self.pair.get() {
            return Ok(Arc::clone(pair));
        }
        let pair = if self.lacks_private() {
            let public = encoding::decode(&self.public).map_err(Error::from)?;
            Pair::from_public(kind, &public)?
        } else {
            Pair::from_stored(kind, &self.secret()?)?
        };
        Ok(Arc::clone(self.pair.get_or_init(|| Arc::new(pair))))
    }
}

impl Key {
    /// A key without versions.
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            derived: false,
            kdf: Kdf::Hkdf,
            nonces: Nonces::Random,
            exportable: false,
            allow_plaintext_backup: false,
            deletion_allowed: false,
            soft_deleted: false,
            imported: false,
            allow_rotation: false,
            min_decryption_version: 1,
            min_encryption_version: 0,
            min_available_version: 0,
            key_size: if kind == Kind::Hmac { *HMAC_KEY_LEN.start() } else { 0 },
            auto_rotate_period: Seconds(0),
            backup: None,
            restore: None,
            versions: BTreeMap::new(),
        }
    }

    /// The highest version; 0 before there is one.
    pub(crate) fn latest(&self) -> u64 {
        self.versions.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Makes `version` the latest.
    pub(crate) fn push(&mut self, version: KeyVersion) {
        self.versions.insert(self.latest() + 1, version);
    }

    /// The versions that are in use, with their numbers.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (u64, &KeyVersion)> {
        self.versions.range(self.min_decryption_version..).map(|(number, version)| (*number, version))
    }

    /// A version that is in use.
    ///
    /// # Errors
    /// When there is none of this number.
    pub(crate) fn version(&self, number: u64) -> Result<&KeyVersion> {
        let found = self.versions.get(&number).filter(|_| number >= self.min_decryption_version);
        found.ok_or_else(|| Error::invalid("no such key version"))
    }

    /// The version that encrypts or signs; 0 asks for the latest. `purpose` completes "requested version for …".
    ///
    /// # Errors
    /// When that version does not exist or is too old.
    pub(crate) fn outgoing(&self, asked: i64, purpose: &str) -> Result<u64> {
        let refuse = |reason: &str| Err(Error::Invalid(format!("requested version for {purpose} is {reason}")));
        let Ok(asked) = u64::try_from(asked) else { return refuse("negative") };
        if asked == 0 {
            return Ok(self.latest());
        }
        if asked > self.latest() {
            return refuse("higher than the latest key version");
        }
        if asked < self.min_encryption_version {
            return refuse("less than the minimum encryption key version");
        }
        Ok(asked)
    }

    /// Refuses keys that are put aside.
    ///
    /// # Errors
    /// When the key is soft-deleted.
    pub(crate) fn in_use(&self) -> Result<()> {
        if self.soft_deleted {
            return Err(Error::invalid("refusing to use soft-deleted key"));
        }
        Ok(())
    }

    /// Whether a new version may be made here.
    ///
    /// # Errors
    /// When the key is soft-deleted, or was imported to be rotated elsewhere.
    pub(crate) fn may_rotate(&self) -> Result<()> {
        self.in_use()?;
        if self.imported && !self.allow_rotation {
            let text = format!("imported key {} does not allow rotation within Vault", self.name);
            return Err(Error::Invalid(text));
        }
        Ok(())
    }
}

/// Random bytes that are wiped.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random_bytes(len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
    Ok(bytes)
}

fn random_secret(len: usize) -> Result<Secret> {
    Ok(encoding::seal(&random_bytes(len)?))
}
