//! Backups in the form of Vault's and OpenBao's `keysutil`: JSON of `policy` and `archived_keys`, so that a key moves
//! between the three.
use crate::asymmetric::{EcPair, Pair, pem, unpem};
use crate::encoding;
use crate::kind::{Family, Kind};
use crate::record::{HMAC_KEY_LEN, Kdf, Key, KeyVersion, Mark, Nonces};
use crate::view;
use ::rsa::BoxedUint;
use ::rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use lessor_engine::{Error, Result, Seconds, Secret, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The scheme of convergent encryption that is still in use.
const CONVERGENT: i64 = 3;
/// Stands at the policy where each version names its own scheme.
const PER_VERSION: i64 = -1;
const NANOSECONDS: u64 = 1_000_000_000;
const DEFAULT_TEMPLATE: &str = "vault:v{{version}}:";
/// Vault's number of `hmac`, which OpenBao gave to `xchacha20-poly1305`; only an `hmac` key has a size.
const HMAC_OF_VAULT: u32 = 11;

/// A backup.
#[derive(Serialize, Deserialize)]
pub(crate) struct Backup {
    policy: Policy,
    archived_keys: Option<Archive>,
}

#[derive(Serialize, Deserialize)]
struct Archive {
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Policy {
    name: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    key_size: usize,
    keys: BTreeMap<String, Entry>,
    derived: bool,
    kdf: u32,
    convergent_encryption: bool,
    exportable: bool,
    min_decryption_version: u64,
    min_encryption_version: u64,
    latest_version: u64,
    archive_version: u64,
    #[serde(default)]
    archive_min_version: u64,
    #[serde(default)]
    min_available_version: u64,
    #[serde(default)]
    deletion_allowed: bool,
    #[serde(default)]
    convergent_version: i64,
    #[serde(rename = "type")]
    kind: u32,
    backup_info: Option<Mark>,
    restore_info: Option<Mark>,
    #[serde(default)]
    allow_plaintext_backup: bool,
    #[serde(default)]
    version_template: String,
    #[serde(default)]
    storage_prefix: String,
    #[serde(default)]
    auto_rotate_period: u64,
    #[serde(rename = "Imported", default)]
    imported: bool,
    #[serde(rename = "AllowImportedKeyRotation", default)]
    allow_rotation: bool,
    #[serde(default)]
    soft_deleted: bool,
}

// serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(default)]
    key: Bytes,
    #[serde(default)]
    hmac_key: Bytes,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    ec_x: Option<Number>,
    #[serde(default)]
    ec_y: Option<Number>,
    #[serde(default)]
    ec_d: Option<Number>,
    #[serde(default)]
    rsa_key: Option<RsaKey>,
    #[serde(default)]
    rsa_public_key: Option<RsaPublic>,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    convergent_version: i64,
    #[serde(default)]
    creation_time: i64,
    #[serde(default)]
    certificate_chain: Option<Vec<String>>,
}

/// Base64, or null.
#[derive(Default, Clone)]
struct Bytes(Secret);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() { to.serialize_none() } else { to.serialize_str(self.0.expose()) }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(from)?.unwrap_or_default().into()))
    }
}

/// A whole number of any length, in decimal.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Number(Box<RawValue>);

impl Number {
    fn of(number: &BoxedUint) -> Result<Self> {
        Ok(Self(RawValue::from_string(number.to_string_radix_vartime(10))?))
    }

    fn of_bytes(bytes: &[u8]) -> Result<Self> {
        Self::of(&BoxedUint::from_be_slice_vartime(bytes))
    }

    fn value(&self) -> Result<BoxedUint> {
        BoxedUint::from_str_radix_vartime(self.0.get(), 10).map_err(|_| damaged("a number"))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        Ok(self.value()?.to_be_bytes_trimmed_vartime().into_vec())
    }
}

#[derive(Serialize, Deserialize)]
struct RsaPublic {
    #[serde(rename = "N")]
    n: Number,
    #[serde(rename = "E")]
    e: u64,
}

#[derive(Serialize, Deserialize)]
struct RsaKey {
    #[serde(rename = "N")]
    n: Number,
    #[serde(rename = "E")]
    e: u64,
    #[serde(rename = "D")]
    d: Number,
    #[serde(rename = "Primes")]
    primes: Vec<Number>,
}

fn damaged(what: &str) -> Error {
    Error::Invalid(format!("the backup cannot be read: {what} is damaged"))
}

impl Backup {
    /// Reads a backup; `name` replaces the key's own.
    ///
    /// # Errors
    /// When it is none, or holds something that is not supported here.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let json = encoding::decode(text)?;
        serde_json::from_slice(&json).map_err(|error| Error::Invalid(format!("the backup cannot be read: {error}")))
    }

    /// The key of a backup.
    ///
    /// # Errors
    /// When it holds something that is damaged or not supported here.
    pub(crate) fn into_key(self) -> Result<Key> {
        let policy = self.policy;
        let is_hmac = policy.kind == HMAC_OF_VAULT && policy.key_size > 0;
        let kind = if is_hmac { Some(Kind::Hmac) } else { Kind::numbered(policy.kind) };
        let kind = kind.ok_or_else(|| Error::Invalid(format!("the backup's key type {} is unknown", policy.kind)))?;
        if !matches!(policy.version_template.as_str(), "" | DEFAULT_TEMPLATE) {
            return Err(Error::invalid("keys with a version template of their own are not supported"));
        }
        let mut key = Key::new(&policy.name, kind);
        key.derived = policy.derived;
        key.kdf = match policy.kdf {
            0 => Kdf::HmacCounter,
            1 => Kdf::Hkdf,
            other => return Err(Error::Invalid(format!("the backup's key derivation {other} is unknown"))),
        };
        key.nonces = if policy.convergent_encryption { Nonces::Convergent } else { Nonces::Random };
        key.exportable = policy.exportable;
        key.allow_plaintext_backup = policy.allow_plaintext_backup;
        key.deletion_allowed = policy.deletion_allowed;
        key.soft_deleted = policy.soft_deleted;
        key.imported = policy.imported;
        key.allow_rotation = policy.allow_rotation;
        key.min_decryption_version = policy.min_decryption_version.max(1);
        key.min_encryption_version = policy.min_encryption_version;
        key.min_available_version = policy.min_available_version;
        key.auto_rotate_period = Seconds(policy.auto_rotate_period / NANOSECONDS);
        key.backup = policy.backup_info;
        key.restore = policy.restore_info;
        if kind == Kind::Hmac {
            key.key_size = policy.key_size;
            if !HMAC_KEY_LEN.contains(&key.key_size) {
                return Err(damaged("the key size"));
            }
        }
        let archived = self.archived_keys.map(|archive| archive.keys).unwrap_or_default();
        let archived = (policy.archive_min_version..).zip(archived).filter(|(_, entry)| !entry.is_blank());
        let current = policy.keys.into_iter().map(|(number, entry)| (number.parse().unwrap_or_default(), entry));
        for (number, entry) in archived.chain(current) {
            if policy.convergent_encryption {
                check_convergent(number, entry.convergent_version, policy.convergent_version)?;
            }
            if number == 0 || number > policy.latest_version {
                return Err(damaged("a version number"));
            }
            key.versions.insert(number, entry.into_version(kind)?);
        }
        let first = key.min_available_version.max(1);
        let complete = (first..=policy.latest_version).all(|number| key.versions.contains_key(&number));
        if policy.latest_version == 0 || !complete || key.min_decryption_version > policy.latest_version {
            return Err(damaged("the list of versions"));
        }
        Ok(key)
    }

    /// A backup of the key.
    ///
    /// # Errors
    /// When a stored version is damaged.
    pub(crate) fn of(key: &Key) -> Result<Self> {
        let convergent = key.nonces == Nonces::Convergent;
        let mut keys = Vec::new();
        for number in key.min_available_version..=key.latest() {
            keys.push(key.versions.get(&number).map_or_else(|| Ok(Entry::blank()), |version| Entry::of(key, version))?);
        }
        let mut current = BTreeMap::new();
        for (number, version) in key.usable() {
            current.insert(number.to_string(), Entry::of(key, version)?);
        }
        let policy = Policy {
            name: key.name.clone(),
            key_size: key.key_size,
            keys: current,
            derived: key.derived,
            kdf: u32::from(key.derived && key.kdf == Kdf::Hkdf),
            convergent_encryption: convergent,
            exportable: key.exportable,
            min_decryption_version: key.min_decryption_version,
            min_encryption_version: key.min_encryption_version,
            latest_version: key.latest(),
            archive_version: key.latest(),
            archive_min_version: key.min_available_version,
            min_available_version: key.min_available_version,
            deletion_allowed: key.deletion_allowed,
            convergent_version: if convergent { PER_VERSION } else { 0 },
            kind: key.kind.number(),
            backup_info: key.backup.clone(),
            restore_info: key.restore.clone(),
            allow_plaintext_backup: key.allow_plaintext_backup,
            version_template: String::new(),
            storage_prefix: String::new(),
            auto_rotate_period: key.auto_rotate_period.0.saturating_mul(NANOSECONDS),
            imported: key.imported,
            allow_rotation: key.allow_rotation,
            soft_deleted: key.soft_deleted,
        };
        Ok(Self { policy, archived_keys: Some(Archive { keys }) })
    }

    /// Its text.
    pub(crate) fn write(&self) -> Result<String> {
        let json = zeroize::Zeroizing::new(serde_json::to_vec(self)?);
        Ok(encoding::encode(&json))
    }
}

fn check_convergent(number: u64, version: i64, policy: i64) -> Result<()> {
    let scheme = if version == 0 { policy } else { version };
    // A policy that leaves it to its versions, of which this one says nothing, was made with the third scheme.
    if matches!(scheme, CONVERGENT | PER_VERSION) {
        return Ok(());
    }
    let text =
        format!("version {number} of the key uses convergent encryption version {scheme}, which is not supported");
    Err(Error::Invalid(text))
}

impl Entry {
    fn blank() -> Self {
        Self {
            key: Bytes::default(),
            hmac_key: Bytes::default(),
            time: None,
            ec_x: None,
            ec_y: None,
            ec_d: None,
            rsa_key: None,
            rsa_public_key: None,
            public_key: String::new(),
            convergent_version: 0,
            creation_time: 0,
            certificate_chain: None,
        }
    }

    /// Whether it only holds a place.
    fn is_blank(&self) -> bool {
        self.key.0.is_empty()
            && self.ec_x.is_none()
            && self.rsa_key.is_none()
            && self.rsa_public_key.is_none()
            && self.public_key.is_empty()
    }

    fn of(key: &Key, version: &KeyVersion) -> Result<Self> {
        let mut entry = Self {
            hmac_key: Bytes(version.hmac.clone()),
            time: Some(version.created),
            creation_time: version.created.as_second(),
            convergent_version: if key.nonces == Nonces::Convergent { CONVERGENT } else { 0 },
            certificate_chain: (!version.certificates.is_empty()).then(|| version.certificates.clone()),
            ..Self::blank()
        };
        if !key.kind.is_asymmetric() {
            entry.key = Bytes(version.private.clone());
            return Ok(entry);
        }
        match &*version.pair(key.kind)? {
            Pair::Ed25519(_) => {
                entry.key = Bytes(version.private.clone());
                entry.public_key = view::public_key(key.kind, version)?;
            }
            Pair::Ecdsa(pair) => {
                let (x, y) = pair.coordinates();
                entry.ec_x = Some(Number::of_bytes(x)?);
                entry.ec_y = Some(Number::of_bytes(y)?);
                entry.ec_d = pair.number()?.map(|number| Number::of_bytes(&number)).transpose()?;
                entry.public_key = pem("PUBLIC KEY", &encoding::decode(&version.public)?)?;
            }
            Pair::Rsa(pair) => {
                let public = pair.public_numbers();
                let e = exponent(public)?;
                entry.rsa_public_key = Some(RsaPublic { n: Number::of(public.n())?, e });
                if let Some(private) = pair.numbers()? {
                    let primes = private.primes().iter().map(|prime| Number::of(prime)).collect::<Result<_>>()?;
                    let n = Number::of(private.n())?;
                    entry.rsa_key = Some(RsaKey { n, e, d: Number::of(private.d())?, primes });
                }
            }
        }
        Ok(entry)
    }

    fn into_version(self, kind: Kind) -> Result<KeyVersion> {
        let created = match self.time {
            Some(time) if time.as_second() > 0 => time,
            _ => Timestamp::from_second(self.creation_time).map_err(|_| damaged("a time"))?,
        };
        let mut version = match kind.family() {
            Family::Aead(_) | Family::Hmac => {
                let bytes = encoding::unseal(&self.key.0).map_err(|_| damaged("a key"))?;
                check_len(kind, bytes.len())?;
                KeyVersion::symmetric(&bytes, created)?
            }
            Family::Ed25519 | Family::Ecdsa(_) | Family::Rsa(_) => KeyVersion::asymmetric(self.pair(kind)?, created)?,
        };
        if !self.hmac_key.0.is_empty() {
            encoding::unseal(&self.hmac_key.0).map_err(|_| damaged("a key"))?;
            version.hmac = self.hmac_key.0;
        }
        version.certificates = self.certificate_chain.unwrap_or_default();
        Ok(version)
    }

    fn pair(&self, kind: Kind) -> Result<Pair> {
        match kind.family() {
            Family::Ed25519 if self.key.0.is_empty() => {
                let key = encoding::decode(&self.public_key)?;
                crate::asymmetric::EdPair::from_public(&key).map(Pair::Ed25519)
            }
            Family::Ecdsa(curve) => match (&self.ec_x, &self.ec_y, &self.ec_d) {
                (Some(x), Some(y), Some(d)) => {
                    let d = zeroize::Zeroizing::new(d.bytes()?);
                    EcPair::from_numbers(curve, &d, &x.bytes()?, &y.bytes()?).map(Pair::Ecdsa)
                }
                (Some(x), Some(y), None) => EcPair::from_coordinates(curve, &x.bytes()?, &y.bytes()?).map(Pair::Ecdsa),
                _ => {
                    let (_, der) = unpem(&self.public_key).ok_or_else(|| damaged("a public key"))?;
                    Pair::from_public(kind, &der)
                }
            },
            Family::Rsa(_) => self.rsa(kind),
            Family::Ed25519 | Family::Aead(_) | Family::Hmac => {
                Pair::from_stored(kind, &encoding::unseal(&self.key.0).map_err(|_| damaged("a key"))?)
            }
        }
    }

    fn rsa(&self, kind: Kind) -> Result<Pair> {
        let broken = |_| damaged("an RSA key");
        if let Some(key) = &self.rsa_key {
            let primes = key.primes.iter().map(Number::value).collect::<Result<_>>()?;
            let (n, e, d) = (key.n.value()?, BoxedUint::from(key.e), key.d.value()?);
            let key = ::rsa::PrivateKey::from_components(n, e, d, primes).map_err(broken)?;
            let der = key.to_pkcs8_der().map_err(|_| damaged("an RSA key"))?;
            return Pair::from_pkcs8(kind, der.as_bytes());
        }
        let Some(key) = &self.rsa_public_key else { return Err(damaged("an RSA key")) };
        let key = ::rsa::PublicKey::new(key.n.value()?, BoxedUint::from(key.e)).map_err(broken)?;
        let der = key.to_public_key_der().map_err(|_| damaged("an RSA key"))?;
        Pair::from_public(kind, der.as_bytes())
    }
}

fn exponent(public: &::rsa::PublicKey) -> Result<u64> {
    let bytes = public.e().to_be_bytes_trimmed_vartime();
    let too_long = || Error::Internal("the exponent of the RSA key is too long for a backup".to_owned());
    if bytes.len() > 8 {
        return Err(too_long());
    }
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Refuses symmetric keys of another length than the kind's.
///
/// # Errors
/// Names both.
pub(crate) fn check_len(kind: Kind, len: usize) -> Result<()> {
    let fits = match kind.family() {
        Family::Aead(cipher) => len == cipher.key_len(),
        Family::Hmac => HMAC_KEY_LEN.contains(&len),
        Family::Ed25519 | Family::Ecdsa(_) | Family::Rsa(_) => true,
    };
    if !fits {
        return Err(Error::Invalid(format!("invalid key size {len} bytes for key type {}", kind.name())));
    }
    Ok(())
}
