//! `keys/`: making, showing, configuring, rotating, trimming and removing keys.
use crate::encoding;
use crate::kind::{Family, Kind};
use crate::record::{HMAC_KEY_LEN, Key, Nonces};
use crate::store::{KEYS, Keyring, generate};
use crate::view::describe;
use lessor_engine::{Context, Error, Params, Reply, Result, Seconds};
use std::sync::Arc;

const SHORTEST_PERIOD: u64 = 3600;

#[derive(Params)]
pub(crate) struct Create {
    /// Name of the key.
    name: String,
    /// Kind of the key.
    #[param(name = "type", default = "aes256-gcm96")]
    kind: String,
    /// Whether every request gives a context, which picks a key of its own.
    derived: bool,
    /// Whether a derived key encrypts the same plaintext to the same ciphertext.
    convergent_encryption: bool,
    /// Whether the key itself can be read. Cannot be taken back.
    exportable: bool,
    /// Whether a backup in clear can be taken. Cannot be taken back.
    allow_plaintext_backup: bool,
    /// Length of an `hmac` key in bytes: 32 to 512.
    key_size: i64,
    /// Time from one version to the next: 0 for never, or an hour and more.
    auto_rotate_period: Seconds,
}

#[derive(Params)]
pub(crate) struct Shown {
    /// Name of the key.
    name: String,
    /// Context in base64, for the public half of a derived key.
    context: String,
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the key.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct Page {
    /// Names behind this one only.
    after: String,
    /// At most so many; all if 0.
    limit: i64,
}

#[derive(Params)]
pub(crate) struct Configure {
    /// Name of the key.
    name: String,
    /// Lowest version that decrypts and verifies.
    min_decryption_version: Option<i64>,
    /// Lowest version that encrypts and signs; 0 is only the latest.
    min_encryption_version: Option<i64>,
    /// Whether the key can be deleted.
    deletion_allowed: Option<bool>,
    /// Whether the key itself can be read. Cannot be taken back.
    exportable: Option<bool>,
    /// Whether a backup in clear can be taken. Cannot be taken back.
    allow_plaintext_backup: Option<bool>,
    /// Time from one version to the next: 0 for never, or an hour and more.
    auto_rotate_period: Option<Seconds>,
}

#[derive(Params)]
pub(crate) struct Trim {
    /// Name of the key.
    name: String,
    /// Lowest version that is to stay; those below are destroyed.
    min_available_version: Option<i64>,
}

/// Refuses periods that are too short.
///
/// # Errors
/// When the period is above zero and below an hour.
pub(crate) fn check_period(period: Seconds) -> Result<()> {
    if period.0 > 0 && period.0 < SHORTEST_PERIOD {
        return Err(Error::invalid("auto rotate period must be 0 to disable or at least an hour"));
    }
    Ok(())
}

/// Refuses what a kind cannot be.
///
/// # Errors
/// When it cannot be derived, or cannot be convergent.
pub(crate) fn check_derivation(kind: Kind, derived: bool, convergent: bool) -> Result<()> {
    let refuse = |what: &str| Err(Error::Invalid(format!("{what} not supported for keys of type {}", kind.name())));
    match kind.family() {
        Family::Aead(_) => Ok(()),
        Family::Ed25519 if convergent => refuse("convergent encryption"),
        Family::Ed25519 => Ok(()),
        Family::Ecdsa(_) | Family::Rsa(_) | Family::Hmac if derived || convergent => {
            refuse("key derivation and convergent encryption")
        }
        Family::Ecdsa(_) | Family::Rsa(_) | Family::Hmac => Ok(()),
    }
}

fn hmac_size(kind: Kind, asked: i64) -> Result<usize> {
    let least = if kind == Kind::Hmac { *HMAC_KEY_LEN.start() } else { 0 };
    if asked == 0 {
        return Ok(least);
    }
    if kind != Kind::Hmac {
        return Err(Error::Invalid(format!("key_size is not valid for algorithm {}", kind.name())));
    }
    let size = usize::try_from(asked).ok().filter(|size| HMAC_KEY_LEN.contains(size));
    size.ok_or_else(|| Error::Invalid(format!("invalid key_size {asked}")))
}

pub(crate) async fn create(keys: Arc<Keyring>, cx: Context, asked: Create) -> Result<Reply> {
    check_period(asked.auto_rotate_period)?;
    if asked.convergent_encryption && !asked.derived {
        return Err(Error::invalid("convergent encryption requires derivation to be enabled"));
    }
    let unknown = || Error::Invalid(format!("unknown key type {}", asked.kind));
    let kind = Kind::named(&asked.kind).ok_or_else(unknown)?;
    let key_size = hmac_size(kind, asked.key_size)?;
    if let Some(key) = keys.find(&cx, &asked.name).await? {
        return existing(&key);
    }
    check_derivation(kind, asked.derived, asked.convergent_encryption)?;
    let mut key = Key::new(&asked.name, kind);
    key.derived = asked.derived;
    key.nonces = if asked.convergent_encryption { Nonces::Convergent } else { Nonces::Random };
    key.exportable = asked.exportable;
    key.allow_plaintext_backup = asked.allow_plaintext_backup;
    key.key_size = key_size;
    key.auto_rotate_period = asked.auto_rotate_period;
    key.push(generate(kind, key_size, cx.now()).await?);
    if !keys.create(&cx, &key).await? {
        return existing(&*keys.need(&cx, &asked.name, "the key was deleted meanwhile").await?);
    }
    scheduled(&key)
}

/// The description, after a change that may have moved the next rotation.
fn scheduled(key: &Key) -> Result<Reply> {
    let reply = shown(key)?;
    Ok(if key.auto_rotate_period.0 > 0 { reply.reschedule(&key.name) } else { reply })
}

fn existing(key: &Key) -> Result<Reply> {
    Ok(shown(key)?.warn(format!("key {} already existed", key.name)))
}

pub(crate) fn shown(key: &Key) -> Result<Reply> {
    Ok(Reply::data(describe(key, &[])?))
}

pub(crate) async fn read(keys: Arc<Keyring>, cx: Context, asked: Shown) -> Result<Reply> {
    let Some(key) = keys.find(&cx, &asked.name).await? else { return Ok(Reply::missing()) };
    let context = encoding::decode(&asked.context).map_err(|_| Error::invalid("failed to base64-decode context"))?;
    Ok(Reply::data(describe(&key, &context)?))
}

pub(crate) async fn list(_: Arc<Keyring>, cx: Context, page: Page) -> Result<Reply> {
    let limit = usize::try_from(page.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let names = cx.view.list(KEYS).await?;
    Ok(Reply::list(names.into_iter().filter(|name| *name > page.after).take(limit).collect()))
}

pub(crate) async fn delete(keys: Arc<Keyring>, cx: Context, at: Named) -> Result<Reply> {
    let refuse = |why: &str| Error::Invalid(format!("error deleting policy {}: {why}", at.name));
    let allowed = |key: &Key| {
        if key.deletion_allowed { Ok(()) } else { Err(refuse("deletion is not allowed for this key")) }
    };
    if !keys.remove(&cx, &at.name, allowed).await? {
        return Err(refuse("could not delete key; not found"));
    }
    Ok(Reply::empty().reschedule(&at.name))
}

fn version(what: &str, asked: i64, latest: u64) -> Result<u64> {
    let version = u64::try_from(asked).map_err(|_| Error::Invalid(format!("min {what} version cannot be negative")))?;
    if version > latest {
        let text = format!("cannot set min {what} version of {version}, latest key version is {latest}");
        return Err(Error::Invalid(text));
    }
    Ok(version)
}

fn configured(key: &mut Key, asked: &Configure) -> Result<()> {
    if let Some(least) = asked.min_decryption_version {
        key.min_decryption_version = version("decryption", least, key.latest())?.max(1);
    }
    if let Some(least) = asked.min_encryption_version {
        key.min_encryption_version = version("encryption", least, key.latest())?;
    }
    let (encryption, decryption) = (key.min_encryption_version, key.min_decryption_version);
    if encryption > 0 && encryption < decryption {
        return Err(Error::Invalid(format!(
            "cannot set min encryption/decryption values; min encryption version of {encryption} must be greater than or \
             equal to min decryption version of {decryption}"
        )));
    }
    if key.min_available_version > encryption {
        return Err(Error::invalid("min encryption version should not be less than min available version"));
    }
    if key.min_available_version > decryption {
        return Err(Error::invalid("min decryption version should not be less then min available version"));
    }
    key.deletion_allowed = asked.deletion_allowed.unwrap_or(key.deletion_allowed);
    key.exportable |= asked.exportable.unwrap_or(false);
    key.allow_plaintext_backup |= asked.allow_plaintext_backup.unwrap_or(false);
    key.auto_rotate_period = asked.auto_rotate_period.unwrap_or(key.auto_rotate_period);
    Ok(())
}

pub(crate) async fn configure(keys: Arc<Keyring>, cx: Context, asked: Configure) -> Result<Reply> {
    check_period(asked.auto_rotate_period.unwrap_or_default())?;
    let missing = || Error::Invalid(format!("no existing key named {} could be found", asked.name));
    let key = keys.change(&cx, &asked.name, |key| configured(key, &asked)).await?.ok_or_else(missing)?;
    let mut reply = shown(&key)?;
    if asked.auto_rotate_period.is_some() {
        reply = reply.reschedule(&asked.name);
    }
    if asked.min_decryption_version == Some(0) {
        let text =
            "since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; forcing minimum to 1";
        return Ok(reply.warn(text));
    }
    Ok(reply)
}

pub(crate) async fn rotate(keys: Arc<Keyring>, cx: Context, at: Named) -> Result<Reply> {
    let found = keys.need(&cx, &at.name, "key not found").await?;
    found.may_rotate()?;
    let fresh = generate(found.kind, found.key_size, cx.now()).await?;
    let rotated = keys.change(&cx, &at.name, |key| {
        key.may_rotate()?;
        if key.kind != found.kind || key.key_size != found.key_size {
            return Err(Error::invalid("the key was replaced meanwhile: rotate it again"));
        }
        key.imported = false;
        key.push(fresh.clone());
        Ok(())
    });
    let key = rotated.await?.ok_or_else(|| Error::invalid("key not found"))?;
    scheduled(&key)
}

fn trimmed(key: &mut Key, asked: Option<i64>) -> Result<()> {
    let refuse = |text: &str| Err(Error::Invalid(format!("minimum available version {text}")));
    let Some(asked) = asked else { return Err(Error::invalid("missing min_available_version")) };
    let Ok(least) = u64::try_from(asked) else { return refuse("cannot be negative") };
    if least < key.min_available_version {
        return refuse("cannot be decremented");
    }
    if key.min_encryption_version == 0 {
        return refuse("cannot be set when minimum encryption version is not set");
    }
    if least > key.min_encryption_version {
        return refuse("cannot be greater than minmum encryption version");
    }
    if least > key.min_decryption_version {
        return refuse("cannot be greater than minimum decryption version");
    }
    if least == 0 {
        return refuse("should be positive");
    }
    key.min_available_version = least;
    key.versions.retain(|number, _| *number >= least);
    Ok(())
}

pub(crate) async fn trim(keys: Arc<Keyring>, cx: Context, asked: Trim) -> Result<Reply> {
    let key = keys.change(&cx, &asked.name, |key| trimmed(key, asked.min_available_version)).await?;
    shown(&key.ok_or_else(|| Error::invalid("invalid key name"))?)
}

pub(crate) async fn soft_delete(keys: Arc<Keyring>, cx: Context, at: Named) -> Result<Reply> {
    put_aside(&keys, &cx, &at.name, true, "key was already marked as soft deleted").await
}

pub(crate) async fn soft_delete_restore(keys: Arc<Keyring>, cx: Context, at: Named) -> Result<Reply> {
    put_aside(&keys, &cx, &at.name, false, "key was already restored").await
}

async fn put_aside(keys: &Keyring, cx: &Context, name: &str, aside: bool, already: &str) -> Result<Reply> {
    let mut was = false;
    let changed = keys.change(cx, name, |key| {
        was = key.soft_deleted;
        key.soft_deleted = aside;
        Ok(())
    });
    let Some(key) = changed.await? else { return Ok(Reply::empty()) };
    let reply = shown(&key)?;
    Ok(if was == aside { reply.warn(already) } else { reply })
}
