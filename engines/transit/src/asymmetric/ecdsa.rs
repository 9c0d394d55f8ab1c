//! ECDSA on the NIST curves. aws-lc-rs signs with the digest that belongs to the curve; for any other digest there are
//! the crates of RustCrypto.
use super::{Marshaling, no_private, unreadable};
use crate::hash::Hash;
use crate::kind::Curve;
use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, EcPrivateKeyRfc5915Der, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    EcdsaVerificationAlgorithm, KeyPair, ParsedPublicKey,
};
use lessor_engine::{Error, Result};
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Encode, Reader, SliceReader};
use zeroize::Zeroizing;

/// Runs code with `$curve` naming the `ecdsa` module of a curve's crate.
macro_rules! with_curve {
    ($value:expr, $curve:ident => $body:expr) => {
        match $value {
            Curve::P256 => {
                use p256::ecdsa as $curve;
                $body
            }
            Curve::P384 => {
                use p384::ecdsa as $curve;
                $body
            }
            Curve::P521 => {
                use p521::ecdsa as $curve;
                $body
            }
        }
    };
}

/// A pair, or the public half alone.
pub(crate) struct EcPair {
    curve: Curve,
    pair: Option<EcdsaKeyPair>,
    pkcs8: Option<Zeroizing<Vec<u8>>>,
    /// The uncompressed point.
    point: Vec<u8>,
    public: Vec<u8>,
}

fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

fn verifying(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
    }
}

/// The digest, where it is the curve's own.
fn own_digest(curve: Curve, hash: Option<Hash>, digest: &[u8]) -> Option<Digest> {
    let own = match curve {
        Curve::P256 => Hash::Sha2_256,
        Curve::P384 => Hash::Sha2_384,
        Curve::P521 => Hash::Sha2_512,
    };
    let algorithm = hash.filter(|hash| *hash == own)?.aws()?;
    Digest::import_less_safe(digest, algorithm).ok()
}

impl EcPair {
    fn new(curve: Curve, pair: EcdsaKeyPair) -> Result<Self> {
        let broken = |_| Error::Internal("the ECDSA key cannot be written".to_owned());
        let pkcs8 = Zeroizing::new(pair.to_pkcs8v1().map_err(broken)?.as_ref().to_vec());
        let point = pair.public_key().as_ref().to_vec();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(broken)?;
        let public = public.as_ref().to_vec();
        Ok(Self { curve, pair: Some(pair), pkcs8: Some(pkcs8), point, public })
    }

    pub(super) fn generate(curve: Curve) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(signing(curve));
        Self::new(curve, pair.map_err(|_| Error::Internal("no ECDSA key could be made".to_owned()))?)
    }

    pub(super) fn from_pkcs8(curve: Curve, der: &[u8]) -> Result<Self> {
        let refuse = |_| Error::Invalid(format!("error parsing asymmetric key: it is no {} key", curve.name()));
        Self::new(curve, EcdsaKeyPair::from_pkcs8(signing(curve), der).map_err(refuse)?)
    }

    /// The pair of a private number and the coordinates of its point, all big-endian.
    pub(crate) fn from_numbers(curve: Curve, d: &[u8], x: &[u8], y: &[u8]) -> Result<Self> {
        let point = point(curve, x, y)?;
        let d = Zeroizing::new(padded(d, curve.field_len()).ok_or_else(|| unreadable("ECDSA key"))?);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(signing(curve), &d, &point);
        Self::new(curve, pair.map_err(|_| unreadable("ECDSA key"))?)
    }

    /// The public half by the coordinates of its point.
    pub(crate) fn from_coordinates(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self> {
        Self::from_point(curve, &point(curve, x, y)?)
    }

    pub(super) fn from_point(curve: Curve, point: &[u8]) -> Result<Self> {
        let refuse = || Error::Invalid(format!("error parsing public key: it is no {} key", curve.name()));
        let key = ParsedPublicKey::new(verifying(curve), point).map_err(|_| refuse())?;
        let public: PublicKeyX509Der<'_> = key.as_der().map_err(|_| refuse())?;
        Ok(Self { curve, pair: None, pkcs8: None, point: point.to_vec(), public: public.as_ref().to_vec() })
    }

    pub(super) fn pkcs8(&self) -> Option<&[u8]> {
        self.pkcs8.as_ref().map(|der| der.as_slice())
    }

    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The coordinates of the point.
    pub(crate) fn coordinates(&self) -> (&[u8], &[u8]) {
        self.point[1..].split_at(self.curve.field_len())
    }

    /// The private number; `None` where it is not known.
    pub(crate) fn number(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(pair) = &self.pair else { return Ok(None) };
        let number: EcPrivateKeyBin<'_> =
            pair.private_key().as_be_bytes().map_err(|_| Error::Internal("the ECDSA key cannot be read".to_owned()))?;
        Ok(Some(Zeroizing::new(number.as_ref().to_vec())))
    }

    /// The private half as RFC 5915 writes it.
    pub(crate) fn sec1(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(pair) = &self.pair else { return Ok(None) };
        let der: EcPrivateKeyRfc5915Der<'_> =
            pair.private_key().as_der().map_err(|_| Error::Internal("the ECDSA key cannot be written".to_owned()))?;
        Ok(Some(Zeroizing::new(der.as_ref().to_vec())))
    }

    pub(super) fn sign(&self, hash: Option<Hash>, digest: &[u8]) -> Result<Vec<u8>> {
        let pair = self.pair.as_ref().ok_or_else(no_private)?;
        let failed = || Error::Internal("the message cannot be signed".to_owned());
        if let Some(digest) = own_digest(self.curve, hash, digest) {
            return Ok(pair.sign_digest(&digest).map_err(|_| failed())?.as_ref().to_vec());
        }
        let number = self.number()?.ok_or_else(no_private)?;
        with_curve!(self.curve, curve => {
            let key = curve::SigningKey::from_slice(&number).map_err(|_| failed())?;
            let signature: curve::Signature = key.sign_prehash(digest).map_err(|_| failed())?;
            Ok(signature.to_bytes().to_vec())
        })
    }

    pub(super) fn verify(&self, hash: Option<Hash>, digest: &[u8], signature: &[u8]) -> bool {
        if let Some(digest) = own_digest(self.curve, hash, digest) {
            let key = ParsedPublicKey::new(verifying(self.curve), &self.point);
            return key.is_ok_and(|key| key.verify_digest_sig(&digest, signature).is_ok());
        }
        with_curve!(self.curve, curve => {
            let Ok(key) = curve::VerifyingKey::from_sec1_bytes(&self.point) else { return false };
            curve::Signature::from_slice(signature).is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
        })
    }

    /// A signature as it is sent.
    pub(crate) fn marshal(&self, signature: &[u8], marshaling: Marshaling) -> Result<Vec<u8>> {
        if marshaling == Marshaling::Jws {
            return Ok(signature.to_vec());
        }
        let broken = |_| Error::Internal("the signature cannot be written".to_owned());
        let (r, s) = signature.split_at(signature.len() / 2);
        let numbers = vec![UintRef::new(r).map_err(broken)?, UintRef::new(s).map_err(broken)?];
        numbers.to_der().map_err(broken)
    }

    /// A signature as it was sent, with both numbers one behind the other; `None` where they are too long for the curve.
    ///
    /// # Errors
    /// When it is no DER, or more than that.
    pub(crate) fn unmarshal(&self, sent: &[u8], marshaling: Marshaling) -> Result<Option<Vec<u8>>> {
        let len = self.curve.field_len();
        let both = |r: &[u8], s: &[u8]| Some([padded(r, len)?, padded(s, len)?].concat());
        if marshaling == Marshaling::Jws {
            let (r, s) = sent.split_at(sent.len() / 2);
            return Ok(both(r, s));
        }
        let invalid = |_| Error::invalid("supplied signature is invalid");
        let mut reader = SliceReader::new(sent).map_err(invalid)?;
        let (r, s) = reader
            .sequence(|inner| {
                Ok::<_, x509_cert::der::Error>((inner.decode::<UintRef<'_>>()?, inner.decode::<UintRef<'_>>()?))
            })
            .map_err(invalid)?;
        if !reader.is_finished() {
            return Err(Error::invalid("supplied signature contains extra data"));
        }
        Ok(both(r.as_bytes(), s.as_bytes()))
    }
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros.min(number.len().saturating_sub(1))..]
}

/// The number with exactly `len` bytes; `None` where it needs more.
fn padded(number: &[u8], len: usize) -> Option<Vec<u8>> {
    let number = trimmed(number);
    let missing = len.checked_sub(number.len())?;
    Some([vec![0; missing].as_slice(), number].concat())
}

fn point(curve: Curve, x: &[u8], y: &[u8]) -> Result<Vec<u8>> {
    let len = curve.field_len();
    let both = padded(x, len).zip(padded(y, len)).ok_or_else(|| unreadable("ECDSA key"))?;
    Ok([&[4], both.0.as_slice(), both.1.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];
    const HASHES: [Option<Hash>; 5] =
        [Some(Hash::Sha1), Some(Hash::Sha2_256), Some(Hash::Sha2_384), Some(Hash::Sha2_512), None];

    #[test]
    fn every_curve_signs_every_digest_in_both_spellings() {
        for curve in CURVES {
            let pair = EcPair::generate(curve).unwrap();
            let public = EcPair::from_point(curve, &pair.point).unwrap();
            for hash in HASHES {
                let digest = hash.map_or_else(|| vec![9; 17], |hash| hash.digest(b"message"));
                let signature = pair.sign(hash, &digest).unwrap();
                assert_eq!(signature.len(), 2 * curve.field_len());
                assert!(public.verify(hash, &digest, &signature), "{curve:?} {hash:?}");
                assert!(!public.verify(hash, &[digest.as_slice(), &[1]].concat()[1..], &signature));
                for marshaling in [Marshaling::Asn1, Marshaling::Jws] {
                    let sent = pair.marshal(&signature, marshaling).unwrap();
                    assert_eq!(public.unmarshal(&sent, marshaling).unwrap().as_ref(), Some(&signature));
                }
            }
        }
    }

    #[test]
    fn both_libraries_agree_on_a_signature() {
        // RFC 6979, A.2.5: P-256, SHA-256, "sample"; a deterministic signature that both have to accept.
        let number = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
        let x = hex::decode("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6").unwrap();
        let y = hex::decode("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299").unwrap();
        let pair = EcPair::from_numbers(Curve::P256, &number, &x, &y).unwrap();
        let signature = hex::decode(concat!(
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
        ))
        .unwrap();
        let digest = Hash::Sha2_256.digest(b"sample");
        assert!(pair.verify(Some(Hash::Sha2_256), &digest, &signature));
        assert!(pair.verify(None, &digest, &signature));
        assert_eq!(pair.sign(None, &digest).unwrap(), signature);
    }

    #[test]
    fn broken_signatures_are_told_from_wrong_ones() {
        let pair = EcPair::generate(Curve::P256).unwrap();
        let sent = pair.marshal(&pair.sign(None, &[1; 32]).unwrap(), Marshaling::Asn1).unwrap();
        let refused = |bytes: &[u8]| pair.unmarshal(bytes, Marshaling::Asn1).unwrap_err().to_string();
        assert_eq!(refused(&sent[1..]), "supplied signature is invalid");
        assert_eq!(refused(&[sent.as_slice(), &[0]].concat()), "supplied signature contains extra data");
        assert_eq!(pair.unmarshal(&[1; 200], Marshaling::Jws).unwrap(), None);
    }
}
