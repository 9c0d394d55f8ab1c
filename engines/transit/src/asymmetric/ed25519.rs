//! Ed25519 (RFC 8032).
use super::{no_private, unreadable};
use crate::record::random_bytes;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use lessor_engine::{Error, Result};
use zeroize::Zeroizing;

const SEED: usize = 32;
/// `SubjectPublicKeyInfo` up to the key (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A pair, or the public half alone.
pub(crate) struct EdPair {
    pair: Option<Ed25519KeyPair>,
    /// Seed and public key, as Go keeps a private key.
    private: Option<Zeroizing<Vec<u8>>>,
    key: Vec<u8>,
    public: Vec<u8>,
}

impl EdPair {
    fn new(pair: Ed25519KeyPair) -> Result<Self> {
        let broken = |_| Error::Internal("the ed25519 key cannot be written".to_owned());
        let seed = pair.seed().map_err(broken)?;
        let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(broken)?;
        let key = pair.public_key().as_ref().to_vec();
        let private = Zeroizing::new([seed.as_ref(), &key].concat());
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(broken)?;
        let public = public.as_ref().to_vec();
        Ok(Self { pair: Some(pair), private: Some(private), key, public })
    }

    pub(super) fn generate() -> Result<Self> {
        Self::from_seed(&random_bytes(SEED)?)
    }

    /// The pair of a seed of 32 bytes.
    pub(crate) fn from_seed(seed: &[u8]) -> Result<Self> {
        Self::new(Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| unreadable("ed25519 key"))?)
    }

    /// The pair of 64 bytes: seed and public key.
    pub(crate) fn from_seed_and_public(bytes: &[u8]) -> Result<Self> {
        let Some((seed, public)) = bytes.split_at_checked(SEED) else { return Err(unreadable("ed25519 key")) };
        Self::new(Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| unreadable("ed25519 key"))?)
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self> {
        Self::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| unreadable("ed25519 key"))?)
    }

    /// The public half of 32 bytes.
    pub(crate) fn from_public(key: &[u8]) -> Result<Self> {
        if key.len() != SEED {
            return Err(unreadable("ed25519 public key"));
        }
        Ok(Self { pair: None, private: None, key: key.to_vec(), public: [&PUBLIC_PREFIX, key].concat() })
    }

    pub(super) fn private(&self) -> Option<&[u8]> {
        self.private.as_ref().map(|private| private.as_slice())
    }

    pub(super) fn pkcs8(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(pair) = &self.pair else { return Ok(None) };
        let der: Pkcs8V1Der<'_> =
            pair.as_der().map_err(|_| Error::Internal("the ed25519 key cannot be written".to_owned()))?;
        Ok(Some(Zeroizing::new(der.as_ref().to_vec())))
    }

    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The 32 bytes of the public key.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.pair.as_ref().ok_or_else(no_private)?.sign(message).as_ref().to_vec())
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // Section 7.1, test 2.
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let pair = EdPair::from_seed(&seed).unwrap();
        assert_eq!(hex::encode(pair.key()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = pair.sign(&[0x72]).unwrap();
        assert_eq!(
            hex::encode(&signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        let public = EdPair::from_public(pair.key()).unwrap();
        assert!(public.verify(&[0x72], &signature) && !public.verify(&[0x73], &signature));
        assert_eq!(public.public(), pair.public());
        assert!(public.sign(b"x").is_err());
    }
}
