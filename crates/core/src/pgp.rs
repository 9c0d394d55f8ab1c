//! Key shares and root tokens for one person only: encrypted with the OpenPGP key he gave.
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Error, Result};
use pgp::composed::{Deserializable, MessageBuilder, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{EncryptionKey, KeyDetails};
use rand08::rngs::OsRng;

/// Longer texts are no public keys.
const MAX: usize = 256 * 1024;

/// A public key that can encrypt.
#[derive(Clone, Debug)]
pub struct PgpKey {
    key: SignedPublicKey,
    recipient: Recipient,
}

/// Which of a certificate's keys encrypts.
#[derive(Clone, Copy, Debug)]
enum Recipient {
    Primary,
    Subkey(usize),
}

impl PgpKey {
    /// Reads a public key as the API takes it: base64 of its binary form. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When it is none, or has no valid key that encrypts.
    pub fn parse(text: &str, now: i64) -> Result<Self> {
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|error| Error::invalid(format!("error decoding given PGP key: {error}")))?;
        let fail = |reason: String| Error::invalid(format!("error parsing given PGP key: {reason}"));
        if bytes.len() > MAX {
            return Err(fail(format!("it is longer than {MAX} bytes")));
        }
        let key = SignedPublicKey::from_bytes(bytes.as_slice()).map_err(|error| fail(error.to_string()))?;
        let recipient =
            recipient(&key, now).ok_or_else(|| fail("it has no valid key that is meant for encryption".into()))?;
        Ok(Self { key, recipient })
    }
    /// Reads a list, one key per share.
    ///
    /// # Errors
    /// As [`PgpKey::parse`].
    pub fn parse_all(texts: &[String], now: i64) -> Result<Vec<Self>> {
        texts.iter().map(|text| Self::parse(text, now)).collect()
    }
    /// The fingerprint of the primary key, hexadecimal.
    pub fn fingerprint(&self) -> String {
        self.key.primary_key.fingerprint().to_string()
    }
    /// Encrypts; the answer is a binary message.
    ///
    /// # Errors
    /// When the key cannot be used after all.
    pub fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let message = match self.recipient {
            Recipient::Primary => message(plain, &self.key.primary_key),
            Recipient::Subkey(at) => match self.key.public_subkeys.get(at) {
                Some(subkey) => message(plain, &subkey.key),
                None => return Err(Error::Internal("the PGP key lost a subkey".into())),
            },
        };
        message.map_err(|error| Error::invalid(format!("error encrypting with the given PGP key: {error}")))
    }
}

fn message(plain: &[u8], to: &impl EncryptionKey) -> pgp::errors::Result<Vec<u8>> {
    let mut builder = MessageBuilder::from_bytes("", plain.to_vec()).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
    builder.encrypt_to_key(OsRng, to)?;
    builder.to_vec(OsRng)
}

/// The newest valid subkey that encrypts, else the primary key if it does.
fn recipient(key: &SignedPublicKey, now: i64) -> Option<Recipient> {
    let primary = &key.primary_key;
    if key.details.verify_bindings(primary).is_err() || !key.details.revocation_signatures.is_empty() {
        return None;
    }
    let own = key.details.direct_signatures.iter().chain(key.details.users.iter().flat_map(|user| &user.signatures));
    let newest = own.filter(|signature| is_self_signature(signature)).max_by_key(|signature| signature.created());
    if newest.is_some_and(|signature| expired(signature, primary, now)) {
        return None;
    }
    let subkeys = key.public_subkeys.iter().enumerate().filter(|(_, subkey)| encrypts(subkey, key, now));
    let best = subkeys.max_by_key(|(_, subkey)| subkey.key.created_at());
    let primary_encrypts = primary.algorithm().can_encrypt() && newest.is_none_or(meant_for_encryption);
    match best {
        Some((at, _)) => Some(Recipient::Subkey(at)),
        None if primary_encrypts => Some(Recipient::Primary),
        None => None,
    }
}

fn is_self_signature(signature: &Signature) -> bool {
    matches!(
        signature.typ(),
        Some(
            SignatureType::Key
                | SignatureType::CertGeneric
                | SignatureType::CertPersona
                | SignatureType::CertCasual
                | SignatureType::CertPositive
        )
    )
}

fn encrypts(subkey: &SignedPublicSubKey, of: &SignedPublicKey, now: i64) -> bool {
    let revoked = |signature: &Signature| signature.typ() == Some(SignatureType::SubkeyRevocation);
    let bindings = subkey.signatures.iter().filter(|signature| signature.typ() == Some(SignatureType::SubkeyBinding));
    let newest = bindings.max_by_key(|signature| signature.created());
    subkey.key.algorithm().can_encrypt()
        && !subkey.signatures.iter().any(revoked)
        && newest.is_some_and(|binding| {
            binding.verify_subkey_binding(&of.primary_key, &subkey.key).is_ok()
                && meant_for_encryption(binding)
                && !expired(binding, &subkey.key, now)
        })
}

/// Keys without flags are older than flags.
fn meant_for_encryption(signature: &Signature) -> bool {
    let flags = signature.key_flags();
    let none = !(flags.certify() || flags.sign() || flags.authentication());
    flags.encrypt_comms() || flags.encrypt_storage() || none
}

fn expired(signature: &Signature, key: &impl KeyDetails, now: i64) -> bool {
    let life = signature.key_expiration_time().map_or(0, |life| u64::from(life.as_secs()));
    let ends = u64::from(key.created_at().as_secs()).saturating_add(life);
    life != 0 && u64::try_from(now).is_ok_and(|now| ends <= now)
}

#[cfg(test)]
mod tests;
