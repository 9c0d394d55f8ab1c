//! RSA (RFC 8017): OAEP and the usual signatures by aws-lc-rs; signatures over other digests or with a chosen salt, and
//! verification with a salt of unknown length, by the crate `rsa`, which never decrypts here.
use super::{Message, no_private, unreadable};
use crate::hash::{Hash, with_digest};
use ::rsa::pkcs1::EncodeRsaPrivateKey;
use ::rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey};
use ::rsa::traits::PublicKeyParts;
use ::rsa::{Pkcs1v15Sign, Pss};
use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
    RsaPssSaltLength, RsaSignatureEncoding,
};
use getrandom::SysRng;
use lessor_engine::{Error, Result};
use std::sync::OnceLock;
use zeroize::Zeroizing;

static PSS_SHA256_MAX: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
static PSS_SHA384_MAX: RsaSignatureEncoding = RSA_PSS_SHA384.with_pss_salt_length(RsaPssSaltLength::Max);
static PSS_SHA512_MAX: RsaSignatureEncoding = RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Max);

/// How long the salt of a PSS signature is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Salt {
    /// As long as the key allows; whatever it was, when verifying.
    Auto,
    /// As long as the digest.
    Hash,
    /// So many bytes.
    Exact(usize),
}

/// How a digest becomes a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Padding {
    Pss(Salt),
    Pkcs1v15,
}

/// A pair, or the public half alone.
pub(crate) struct RsaPair {
    private: Option<Private>,
    key: ::rsa::PublicKey,
    public: Vec<u8>,
}

struct Private {
    pkcs8: Zeroizing<Vec<u8>>,
    signing: RsaKeyPair,
    decrypting: OaepPrivateDecryptingKey,
    /// For what aws-lc-rs does not sign; made when it is first needed.
    other: OnceLock<::rsa::PrivateKey>,
}

fn broken() -> Error {
    Error::Internal("the RSA key cannot be read".to_owned())
}

impl RsaPair {
    /// Takes up to seconds.
    pub(super) fn generate(size: KeySize) -> Result<Self> {
        let pair = RsaKeyPair::generate(size).map_err(|_| Error::Internal("no RSA key could be made".to_owned()))?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| broken())?;
        Self::from_pkcs8(size, der.as_ref())
    }

    pub(super) fn from_pkcs8(size: KeySize, der: &[u8]) -> Result<Self> {
        let signing = RsaKeyPair::from_pkcs8(der).map_err(|_| unreadable("asymmetric key: it is no sound RSA key"))?;
        check_size(size, signing.public_modulus_len())?;
        // Written anew, so that what is stored has one form.
        let pkcs8: Pkcs8V1Der<'_> = signing.as_der().map_err(|_| broken())?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let decrypting = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(|_| broken())?;
        let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
            decrypting.public_key().as_der().map_err(|_| broken())?;
        let public = public.as_ref().to_vec();
        let key = ::rsa::PublicKey::from_public_key_der(&public).map_err(|_| broken())?;
        let decrypting = OaepPrivateDecryptingKey::new(decrypting).map_err(|_| broken())?;
        let private = Private { pkcs8, signing, decrypting, other: OnceLock::new() };
        Ok(Self { private: Some(private), key, public })
    }

    pub(super) fn from_public(size: KeySize, der: &[u8]) -> Result<Self> {
        let key = ::rsa::PublicKey::from_public_key_der(der).map_err(|_| unreadable("public key"))?;
        check_size(size, key.size())?;
        let public = key.to_public_key_der().map_err(|_| broken())?.as_bytes().to_vec();
        Ok(Self { private: None, key, public })
    }

    pub(super) fn pkcs8(&self) -> Option<&[u8]> {
        self.private.as_ref().map(|private| private.pkcs8.as_slice())
    }

    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// Length of the modulus in bytes.
    pub(crate) fn size(&self) -> usize {
        self.key.size()
    }

    /// The private half as PKCS #1 writes it.
    pub(crate) fn pkcs1(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(private) = &self.private else { return Ok(None) };
        let der = private.other()?.to_pkcs1_der().map_err(|_| broken())?;
        Ok(Some(Zeroizing::new(der.as_bytes().to_vec())))
    }

    /// The private half in numbers.
    pub(crate) fn numbers(&self) -> Result<Option<&::rsa::PrivateKey>> {
        self.private.as_ref().map(Private::other).transpose()
    }

    /// The public half in numbers.
    pub(crate) fn public_numbers(&self) -> &::rsa::PublicKey {
        &self.key
    }

    /// Encrypts with OAEP.
    pub(crate) fn encrypt(&self, algorithm: &'static OaepAlgorithm, plaintext: &[u8]) -> Result<Vec<u8>> {
        let key = PublicEncryptingKey::from_der(&self.public).map_err(|_| broken())?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| broken())?;
        let mut out = vec![0; key.ciphertext_size()];
        let refuse =
            |_| Error::invalid("failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA key size");
        let len = key.encrypt(algorithm, plaintext, &mut out, None).map_err(refuse)?.len();
        out.truncate(len);
        Ok(out)
    }

    /// Decrypts with OAEP.
    pub(crate) fn decrypt(&self, algorithm: &'static OaepAlgorithm, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let private = self.private.as_ref().ok_or_else(|| {
            Error::invalid("cannot decrypt ciphertext, key version does not have a private counterpart")
        })?;
        let mut out = Zeroizing::new(vec![0; private.decrypting.min_output_size()]);
        let refuse = |_| Error::invalid("failed to RSA decrypt the ciphertext: crypto/rsa: decryption error");
        let len = private.decrypting.decrypt(algorithm, ciphertext, &mut out, None).map_err(refuse)?.len();
        out.truncate(len);
        Ok(out)
    }

    /// The longest salt, in bytes (RFC 8017, 9.1.1).
    fn longest_salt(&self, hash: Hash) -> usize {
        self.key.size().saturating_sub(hash.len() + 2)
    }

    fn check_salt(&self, hash: Hash, salt: Salt) -> Result<()> {
        match salt {
            Salt::Exact(len) if len > self.longest_salt(hash) => {
                Err(Error::Invalid(format!("requested salt length {len} is invalid")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn sign(&self, message: &Message<'_>) -> Result<Vec<u8>> {
        let private = self.private.as_ref().ok_or_else(no_private)?;
        let failed = |_| Error::invalid("the input cannot be signed: it does not have the length of the digest");
        if let Some((encoding, digest)) = usual(message) {
            let mut out = vec![0; private.signing.public_modulus_len()];
            private.signing.sign_digest(encoding, &digest, &mut out).map_err(|_| broken())?;
            return Ok(out);
        }
        let key = private.other()?;
        let Some(hash) = message.hash else {
            return key.sign_with_rng(&mut SysRng, Pkcs1v15Sign::new_unprefixed(), message.input).map_err(failed);
        };
        check_digest(hash, message.input)?;
        match message.padding {
            Padding::Pkcs1v15 => with_digest!(hash, D => {
                key.sign_with_rng(&mut SysRng, Pkcs1v15Sign::new::<D>(), message.input).map_err(failed)
            }),
            Padding::Pss(salt) => {
                self.check_salt(hash, salt)?;
                let len = match salt {
                    Salt::Auto => self.longest_salt(hash),
                    Salt::Hash => hash.len(),
                    Salt::Exact(len) => len,
                };
                with_digest!(hash, D => {
                    key.sign_with_rng(&mut SysRng, Pss::<D>::new_blinded_with_salt(len), message.input).map_err(failed)
                })
            }
        }
    }

    pub(super) fn verify(&self, message: &Message<'_>, signature: &[u8]) -> Result<bool> {
        let Some(hash) = message.hash else {
            return Ok(self.key.verify(Pkcs1v15Sign::new_unprefixed(), message.input, signature).is_ok());
        };
        if message.input.len() != hash.len() {
            return Ok(false);
        }
        match message.padding {
            Padding::Pkcs1v15 => with_digest!(hash, D => {
                Ok(self.key.verify(Pkcs1v15Sign::new::<D>(), message.input, signature).is_ok())
            }),
            Padding::Pss(salt) => {
                self.check_salt(hash, salt)?;
                let salt_len = match salt {
                    Salt::Auto => None,
                    Salt::Hash => Some(hash.len()),
                    Salt::Exact(len) => Some(len),
                };
                with_digest!(hash, D => {
                    let scheme = Pss::<D> { salt_len, ..Pss::new() };
                    Ok(self.key.verify(scheme, message.input, signature).is_ok())
                })
            }
        }
    }
}

impl Private {
    fn other(&self) -> Result<&::rsa::PrivateKey> {
        if let Some(key) = self.other.get() {
            return Ok(key);
        }
        let key = ::rsa::PrivateKey::from_pkcs8_der(&self.pkcs8).map_err(|_| broken())?;
        Ok(self.other.get_or_init(|| key))
    }
}

fn check_size(size: KeySize, len: usize) -> Result<()> {
    if len != size.len() {
        let text = format!("invalid key size: expected {} bytes, got {len} bytes", size.len());
        return Err(Error::Invalid(text));
    }
    Ok(())
}

fn check_digest(hash: Hash, digest: &[u8]) -> Result<()> {
    if digest.len() != hash.len() {
        return Err(Error::invalid("the input cannot be signed: it does not have the length of the digest"));
    }
    Ok(())
}

/// What aws-lc-rs signs.
fn usual(message: &Message<'_>) -> Option<(&'static RsaSignatureEncoding, Digest)> {
    let hash = message.hash?;
    let encoding = match (message.padding, hash) {
        (Padding::Pkcs1v15, Hash::Sha2_256) => &RSA_PKCS1_SHA256,
        (Padding::Pkcs1v15, Hash::Sha2_384) => &RSA_PKCS1_SHA384,
        (Padding::Pkcs1v15, Hash::Sha2_512) => &RSA_PKCS1_SHA512,
        (Padding::Pss(Salt::Hash), Hash::Sha2_256) => &RSA_PSS_SHA256,
        (Padding::Pss(Salt::Hash), Hash::Sha2_384) => &RSA_PSS_SHA384,
        (Padding::Pss(Salt::Hash), Hash::Sha2_512) => &RSA_PSS_SHA512,
        (Padding::Pss(Salt::Auto), Hash::Sha2_256) => &PSS_SHA256_MAX,
        (Padding::Pss(Salt::Auto), Hash::Sha2_384) => &PSS_SHA384_MAX,
        (Padding::Pss(Salt::Auto), Hash::Sha2_512) => &PSS_SHA512_MAX,
        _ => return None,
    };
    Some((encoding, Digest::import_less_safe(message.input, hash.aws()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;

    #[test]
    fn every_digest_signs_with_every_padding_and_salt() {
        let pair = RsaPair::generate(KeySize::Rsa2048).unwrap();
        let public = RsaPair::from_public(KeySize::Rsa2048, pair.public()).unwrap();
        for hash in [Hash::Sha1, Hash::Sha2_224, Hash::Sha2_256, Hash::Sha2_512, Hash::Sha3_256] {
            let input = hash.digest(b"message");
            for padding in
                [Padding::Pkcs1v15, Padding::Pss(Salt::Auto), Padding::Pss(Salt::Hash), Padding::Pss(Salt::Exact(11))]
            {
                let message = Message { input: &input, hash: Some(hash), padding };
                let signature = pair.sign(&message).unwrap();
                assert!(public.verify(&message, &signature).unwrap(), "{hash:?} {padding:?}");
                let wrong = Message { input: &vec![1; input.len()], hash: Some(hash), padding };
                assert!(!public.verify(&wrong, &signature).unwrap());
                if let Padding::Pss(_) = padding {
                    let any = Message { padding: Padding::Pss(Salt::Auto), ..message };
                    assert!(public.verify(&any, &signature).unwrap(), "a salt of any length is found");
                }
            }
        }
        let bare = Message { input: b"any bytes", hash: None, padding: Padding::Pkcs1v15 };
        assert!(public.verify(&bare, &pair.sign(&bare).unwrap()).unwrap());
    }

    #[test]
    fn salts_that_do_not_fit_are_refused() {
        let pair = RsaPair::generate(KeySize::Rsa2048).unwrap();
        let input = Hash::Sha2_256.digest(b"x");
        let message =
            |len| Message { input: &input, hash: Some(Hash::Sha2_256), padding: Padding::Pss(Salt::Exact(len)) };
        assert!(pair.sign(&message(222)).is_ok());
        assert_eq!(pair.sign(&message(223)).unwrap_err().to_string(), "requested salt length 223 is invalid");
    }

    #[test]
    fn oaep_comes_back_and_tampering_is_noticed() {
        let pair = RsaPair::generate(KeySize::Rsa2048).unwrap();
        let mut sealed = pair.encrypt(&OAEP_SHA256_MGF1SHA256, b"secret").unwrap();
        assert_eq!(pair.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed).unwrap().as_slice(), b"secret");
        sealed[100] ^= 1;
        assert!(pair.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed).is_err());
        assert!(pair.encrypt(&OAEP_SHA256_MGF1SHA256, &[0; 191]).is_err());
    }
}
