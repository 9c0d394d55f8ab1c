//! Encrypting and decrypting with a named key: `vault:v<version>:<base64>`.
use crate::aead;
use crate::asymmetric::Pair;
use crate::derive;
use crate::encoding;
use crate::hash::Hash;
use crate::kind::{Aead, Family};
use crate::record::{Key, Nonces, random_bytes};
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use lessor_engine::{Error, Result};
use zeroize::Zeroizing;

const PREFIX: &str = "vault:v";
/// Bytes of the subkey that makes nonces of plaintexts.
const NONCE_KEY: usize = 32;

/// Text with the version that made it in front.
pub(crate) fn tag(version: u64, encoded: &str) -> String {
    format!("{PREFIX}{version}:{encoded}")
}

/// Version and text of what [`tag`] wrote; `what` is its name in errors.
///
/// # Errors
/// When it is not of that form.
pub(crate) fn untag<'a>(what: &str, tagged: &'a str) -> Result<(i64, &'a str)> {
    let refuse = |reason: &str| Error::Invalid(format!("invalid {what}: {reason}"));
    let rest = tagged.strip_prefix(PREFIX).ok_or_else(|| refuse("no prefix"))?;
    let (version, encoded) = rest.split_once(':').ok_or_else(|| refuse("wrong number of fields"))?;
    let version = version.parse().map_err(|_| refuse("version number could not be decoded"))?;
    Ok((version, encoded))
}

/// The version an earlier text was made with, if it may still be used.
///
/// # Errors
/// When it is too new or too old.
pub(crate) fn incoming(key: &Key, what: &str, version: i64) -> Result<u64> {
    let too_old = || Error::invalid("ciphertext or signature version is disallowed by policy (too old)");
    let version = u64::try_from(version).map_err(|_| too_old())?;
    if version > key.latest() {
        return Err(Error::Invalid(format!("invalid {what}: version is too new")));
    }
    if version < key.min_decryption_version {
        return Err(too_old());
    }
    Ok(version)
}

/// What goes with a plaintext.
#[derive(Default)]
pub(crate) struct Around<'a> {
    /// Picks the key of a derived key.
    pub(crate) context: &'a [u8],
    /// Sealed with the plaintext, but not hidden.
    pub(crate) data: &'a [u8],
}

/// Encrypts with a version that [`Key::outgoing`] allowed.
///
/// # Errors
/// When the key does not encrypt, or the context is missing.
pub(crate) fn encrypt(key: &Key, version: u64, around: &Around<'_>, plaintext: &[u8]) -> Result<String> {
    key.in_use()?;
    let sealed = match key.kind.family() {
        Family::Aead(cipher) => seal(key, version, cipher, around, plaintext)?,
        Family::Rsa(_) => match &*key.version(version)?.pair(key.kind)? {
            Pair::Rsa(pair) => pair.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext)?,
            Pair::Ed25519(_) | Pair::Ecdsa(_) => return Err(unsupported(key, "encryption")),
        },
        Family::Ed25519 | Family::Ecdsa(_) | Family::Hmac => return Err(unsupported(key, "encryption")),
    };
    Ok(tag(version, &encoding::encode(&sealed)))
}

fn unsupported(key: &Key, what: &str) -> Error {
    Error::Invalid(format!("message {what} not supported for key type {}", key.kind.name()))
}

fn seal(key: &Key, version: u64, cipher: Aead, around: &Around<'_>, plaintext: &[u8]) -> Result<Vec<u8>> {
    if key.nonces == Nonces::Random {
        let secret = derive::bytes(key, version, around.context, cipher.key_len())?;
        let nonce = random_bytes(cipher.nonce_len())?;
        return aead::seal(cipher, &secret, &nonce, around.data, plaintext);
    }
    let secrets = derive::bytes(key, version, around.context, cipher.key_len() + NONCE_KEY)?;
    let too_short = || Error::Internal("the key is too short for convergent encryption".to_owned());
    let (secret, nonce_key) = secrets.split_at_checked(cipher.key_len()).ok_or_else(too_short)?;
    let nonce = Hash::Sha2_256.hmac(nonce_key, plaintext);
    aead::seal(cipher, secret, &nonce[..cipher.nonce_len()], around.data, plaintext)
}

/// Decrypts what [`encrypt`] made, with the version it names.
///
/// # Errors
/// When it is no ciphertext of this key, or its version may not be used any more.
pub(crate) fn decrypt(key: &Key, around: &Around<'_>, ciphertext: &str) -> Result<Zeroizing<Vec<u8>>> {
    key.in_use()?;
    if !key.kind.encrypts() {
        return Err(unsupported(key, "decryption"));
    }
    let (version, encoded) = untag("ciphertext", ciphertext)?;
    // The very first keys of Vault counted from zero.
    let version = incoming(key, "ciphertext", version.max(i64::from(version == 0)))?;
    let sealed =
        encoding::decode(encoded).map_err(|_| Error::invalid("invalid ciphertext: could not decode base64"))?;
    match key.kind.family() {
        Family::Aead(cipher) => {
            let secret = derive::bytes(key, version, around.context, cipher.key_len())?;
            aead::open(cipher, &secret, around.data, &sealed)
        }
        Family::Rsa(_) => match &*key.version(version)?.pair(key.kind)? {
            Pair::Rsa(pair) => pair.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed),
            Pair::Ed25519(_) | Pair::Ecdsa(_) => Err(unsupported(key, "decryption")),
        },
        Family::Ed25519 | Family::Ecdsa(_) | Family::Hmac => Err(unsupported(key, "decryption")),
    }
}
