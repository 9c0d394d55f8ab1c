//! Backups in the form of Vault's and OpenBao's `keysutil`: JSON of `policy` and `archived_keys`, so that a key moves
//! between the three.
mod entry;

use crate::encoding;
use crate::kind::{Family, Kind};
use crate::record::{HMAC_KEY_LEN, Kdf, Key, Mark, Nonces};
use entry::Entry;
use lessor_engine::{Error, Result, Seconds};
use serde::{Deserialize, Serialize};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::{Around, decrypt, encrypt};
    use crate::record::KeyVersion;
    use lessor_engine::Timestamp;
    use serde_json::{Value, json};

    fn key(kind: Kind, size: usize) -> Key {
        let mut key = Key::new("k", kind);
        key.key_size = size;
        key.push(KeyVersion::generate(kind, size, Timestamp::UNIX_EPOCH).unwrap());
        key
    }

    /// A backup of the key after a change to its JSON.
    fn changed(key: &Key, change: impl Fn(&mut Value)) -> Result<Key> {
        let text = Backup::of(key).unwrap().write().unwrap();
        let mut json: Value = serde_json::from_slice(&encoding::decode(&text).unwrap()).unwrap();
        change(&mut json);
        Backup::read(&encoding::encode(json.to_string().as_bytes())).and_then(Backup::into_key)
    }

    #[test]
    fn vaults_hmac_keys_are_told_from_openbaos_xchacha_keys() {
        let hmac = changed(&key(Kind::Hmac, 48), |json| json["policy"]["type"] = json!(11)).unwrap();
        assert_eq!((hmac.kind, hmac.key_size), (Kind::Hmac, 48));
        let chacha = changed(&key(Kind::XChaCha20, 0), |_| {}).unwrap();
        assert_eq!(chacha.kind, Kind::XChaCha20);
    }

    #[test]
    fn keys_of_the_first_derivation_still_decrypt_what_they_encrypted() {
        let mut old = key(Kind::Aes256, 0);
        (old.derived, old.kdf) = (true, Kdf::HmacCounter);
        let around = Around { context: b"context", ..Around::default() };
        let sealed = encrypt(&old, 1, &around, b"secret").unwrap();
        let restored = changed(&old, |json| assert_eq!(json["policy"]["kdf"], 0)).unwrap();
        assert_eq!(decrypt(&restored, &around, &sealed).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let refused = |change: fn(&mut Value)| changed(&key(Kind::Aes256, 0), change).err().unwrap().to_string();
        assert!(refused(|json| json["policy"]["type"] = json!(77)).contains("key type 77"));
        assert!(refused(|json| json["policy"]["kdf"] = json!(7)).contains("key derivation 7"));
        assert!(refused(|json| json["policy"]["version_template"] = json!("x{{version}}")).contains("template"));
        let convergent = |json: &mut Value| {
            json["policy"]["convergent_encryption"] = json!(true);
            json["policy"]["convergent_version"] = json!(2);
        };
        assert!(refused(convergent).contains("convergent encryption version 2"));
    }

    #[test]
    fn damage_is_noticed() {
        let refused = |change: fn(&mut Value)| changed(&key(Kind::Aes256, 0), change).is_err();
        assert!(refused(|json| json["policy"]["latest_version"] = json!(2)));
        assert!(refused(|json| json["policy"]["latest_version"] = json!(0)));
        assert!(refused(|json| json["policy"]["min_decryption_version"] = json!(5)));
        assert!(refused(|json| json["policy"]["keys"]["1"]["key"] = json!("AAAA")));
        assert!(refused(|json| json["policy"]["keys"]["9"] = json["policy"]["keys"]["1"].clone()));
        assert!(refused(|json| json["policy"] = json!({})));
    }
}
