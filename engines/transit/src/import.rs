//! `wrapping_key`, `keys/<name>/import` and `keys/<name>/import_version`.
use crate::asymmetric::{Pair, pem, unpem};
use crate::encoding;
use crate::keys::check_period;
use crate::kind::Kind;
use crate::portable::check_len;
use crate::record::{Key, KeyVersion};
use crate::store::{Keyring, beside};
use crate::wrap;
use lessor_engine::{Any, Context, Error, Params, Reply, Result, Seconds, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Params)]
pub(crate) struct Import {
    /// Name of the key.
    name: String,
    /// Kind of the key.
    #[param(name = "type", default = "aes256-gcm96")]
    kind: String,
    /// The wrapped key, in base64: the AES key under the wrapping key, then the key under the AES key.
    ciphertext: Option<String>,
    /// A public key in PEM instead.
    public_key: Option<String>,
    /// Digest of the OAEP: SHA1, SHA256, SHA384 or SHA512.
    #[param(default = "SHA256")]
    hash_function: String,
    /// Whether new versions may be made here.
    allow_rotation: bool,
    /// Whether every request gives a context, which picks a key of its own.
    derived: bool,
    /// Whether the key itself can be read. Cannot be taken back.
    exportable: bool,
    /// Whether a backup in clear can be taken. Cannot be taken back.
    allow_plaintext_backup: bool,
    /// Time from one version to the next: 0 for never, or an hour and more.
    auto_rotate_period: Seconds,
    /// Not allowed for imported keys.
    convergent_encryption: Any,
}

#[derive(Params)]
pub(crate) struct ImportVersion {
    /// Name of the key.
    name: String,
    /// The wrapped key, in base64: the AES key under the wrapping key, then the key under the AES key.
    ciphertext: Option<String>,
    /// A public key in PEM instead.
    public_key: Option<String>,
    /// Digest of the OAEP: SHA1, SHA256, SHA384 or SHA512.
    #[param(default = "SHA256")]
    hash_function: String,
    /// Version whose missing private half this is; a new version if absent.
    version: Option<i64>,
}

/// What was sent: a wrapped key, or a public one.
enum Sent {
    Wrapped { ciphertext: String, hash: String },
    Public(String),
}

impl Sent {
    fn of(ciphertext: Option<String>, public_key: Option<String>, hash: String) -> Result<Self> {
        match (ciphertext, public_key) {
            (Some(_), Some(_)) => {
                let text = "only one of the following fields, ciphertext and public_key, can be set";
                Err(Error::invalid(text))
            }
            (Some(ciphertext), None) => Ok(Self::Wrapped { ciphertext, hash }),
            (None, Some(public_key)) => Ok(Self::Public(public_key)),
            (None, None) => Err(Error::invalid("either ciphertext or public_key must be provided to import a key")),
        }
    }

    fn is_private(&self) -> bool {
        matches!(self, Self::Wrapped { .. })
    }

    /// What was sent, unwrapped.
    async fn open(self, keys: &Keyring, cx: &Context, kind: Kind) -> Result<Opened> {
        match self {
            Self::Public(_) if !kind.is_asymmetric() => {
                Err(Error::invalid("provided type does not support public_key import"))
            }
            Self::Public(text) => Ok(Opened::Public(text)),
            Self::Wrapped { ciphertext, hash } => {
                let hash = wrap::oaep(&hash)?;
                let ciphertext = encoding::decode(&ciphertext)?;
                let wrapping = keys.wrapping_key(cx).await?;
                let unwrapped = beside(true, move || {
                    let with = wrapping.version(wrapping.latest())?.pair(wrapping.kind)?;
                    let Pair::Rsa(with) = &*with else {
                        return Err(Error::Internal("the wrapping key is no RSA key".to_owned()));
                    };
                    wrap::unwrap(with, hash, &ciphertext)
                });
                unwrapped.await.map(Opened::Private)
            }
        }
    }
}

/// An unwrapped key.
enum Opened {
    /// Bytes, or PKCS #8.
    Private(Zeroizing<Vec<u8>>),
    /// PEM.
    Public(String),
}

impl Opened {
    /// The version of a key that it makes.
    async fn version(self, kind: Kind, now: Timestamp) -> Result<KeyVersion> {
        beside(kind.is_slow(), move || match self {
            Self::Public(text) => {
                let bad = || Error::invalid("error parsing public key: not in PEM format");
                let (_, der) = unpem(&text).ok_or_else(bad)?;
                KeyVersion::asymmetric(Pair::from_public(kind, &der)?, now)
            }
            Self::Private(der) if kind.is_asymmetric() => KeyVersion::asymmetric(Pair::from_pkcs8(kind, &der)?, now),
            Self::Private(bytes) => {
                check_len(kind, bytes.len())?;
                let mut version = KeyVersion::symmetric(&bytes, now)?;
                if kind == Kind::Hmac {
                    version.hmac = version.private.clone();
                }
                Ok(version)
            }
        })
        .await
    }
}

pub(crate) async fn wrapping_key(keys: Arc<Keyring>, cx: Context, (): ()) -> Result<Reply> {
    let key = keys.wrapping_key(&cx).await?;
    let public = encoding::decode(&key.version(key.latest())?.public)?;
    Ok(Reply::data(json!({ "public_key": pem("PUBLIC KEY", &public)? })))
}

pub(crate) async fn import(keys: Arc<Keyring>, cx: Context, asked: Import) -> Result<Reply> {
    check_period(asked.auto_rotate_period)?;
    if asked.convergent_encryption.0 != Value::Null {
        return Err(Error::invalid("import cannot be used on keys with convergent encryption enabled"));
    }
    if asked.auto_rotate_period.0 > 0 && !asked.allow_rotation {
        return Err(Error::invalid("allow_rotation must be set to true if auto-rotation is enabled"));
    }
    let kind = Kind::named(&asked.kind.to_ascii_lowercase());
    let kind = kind.ok_or_else(|| Error::Invalid(format!("unknown key type: {}", asked.kind)))?;
    crate::keys::check_derivation(kind, asked.derived, false)?;
    let exists = || {
        let text = "the import path cannot be used with an existing key; use import-version to rotate an existing imported key";
        Error::invalid(text)
    };
    if keys.find(&cx, &asked.name).await?.is_some() {
        return Err(exists());
    }
    let sent = Sent::of(asked.ciphertext, asked.public_key, asked.hash_function)?;
    if asked.derived && !sent.is_private() {
        return Err(Error::invalid(
            "unable to import only the public key of a derived key: contexts need the private half",
        ));
    }
    let version = sent.open(&keys, &cx, kind).await?.version(kind, cx.now()).await;
    let version = version.map_err(|error| match error {
        Error::Invalid(text) => Error::Invalid(format!("error importing key: {text}")),
        other => other,
    })?;
    let mut key = Key::new(&asked.name, kind);
    if kind == Kind::Hmac {
        key.key_size = version.secret()?.len();
    }
    key.derived = asked.derived;
    key.exportable = asked.exportable;
    key.allow_plaintext_backup = asked.allow_plaintext_backup;
    key.auto_rotate_period = asked.auto_rotate_period;
    key.imported = true;
    key.allow_rotation = asked.allow_rotation;
    key.push(version);
    if !keys.create(&cx, &key).await? {
        return Err(exists());
    }
    Ok(Reply::empty().reschedule(asked.name))
}

/// Puts the private half of a version in, of which only the public one was known.
fn complete(version: &mut KeyVersion, sent: &KeyVersion) -> Result<()> {
    if !version.lacks_private() {
        return Err(Error::invalid("private key imported, key version cannot be updated"));
    }
    if sent.lacks_private() {
        let text = "cannot add a public key to a key version that already has a public key set";
        return Err(Error::invalid(text));
    }
    if version.public != sent.public {
        return Err(Error::invalid("cannot import key, key pair does not match"));
    }
    let (hmac, certificates, created) = (version.hmac.clone(), version.certificates.clone(), version.created);
    *version = sent.clone();
    version.hmac = hmac;
    version.certificates = certificates;
    version.created = created;
    Ok(())
}

fn add(key: &mut Key, asked: Option<i64>, sent: &KeyVersion) -> Result<()> {
    if !key.imported {
        return Err(Error::invalid("the import_version endpoint can only be used with an imported key"));
    }
    let missing = || Error::invalid("no such key version");
    if let Some(asked) = asked {
        if !key.kind.is_asymmetric() {
            return Err(Error::invalid("provided type does not support importing key versions"));
        }
        let number = u64::try_from(asked).map_err(|_| missing())?;
        return complete(key.versions.get_mut(&number).ok_or_else(missing)?, sent);
    }
    let latest = key.latest();
    if let Some(version) = key.versions.get_mut(&latest)
        && version.lacks_private()
        && version.public == sent.public
        && !sent.lacks_private()
    {
        return complete(version, sent);
    }
    if key.kind == Kind::Hmac {
        key.key_size = sent.secret()?.len();
    }
    key.push(sent.clone());
    Ok(())
}

pub(crate) async fn import_version(keys: Arc<Keyring>, cx: Context, asked: ImportVersion) -> Result<Reply> {
    let missing = || {
        Error::Invalid(format!("no key found with name {}; to import a new key, use the import/ endpoint", asked.name))
    };
    let key = keys.find(&cx, &asked.name).await?.ok_or_else(missing)?;
    key.in_use()?;
    if !key.imported {
        return Err(Error::invalid("the import_version endpoint can only be used with an imported key"));
    }
    let kind = key.kind;
    let sent = Sent::of(asked.ciphertext.clone(), asked.public_key.clone(), asked.hash_function.clone())?;
    if key.derived && !sent.is_private() {
        return Err(Error::invalid(
            "unable to import only the public key of a derived key: contexts need the private half",
        ));
    }
    let sent = sent.open(&keys, &cx, kind).await?.version(kind, cx.now()).await?;
    let changed = keys.change(&cx, &asked.name, |key| {
        if key.kind != kind {
            return Err(Error::invalid("the key was replaced meanwhile: import the version again"));
        }
        add(key, asked.version, &sent)
    });
    changed.await?.ok_or_else(missing)?;
    Ok(Reply::empty())
}
