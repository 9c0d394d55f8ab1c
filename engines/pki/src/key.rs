//! Key pairs: made, read in every form people keep them in, and signing. All of it is aws-lc-rs.
use crate::encode::{pem, tlv};
use crate::signature::{Scheme, Sign};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use der::Decode;
use der::asn1::{AnyRef, ObjectIdentifier};
use lessor_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The largest RSA modulus that is looked at (CVE-2026-39829: larger ones are a way to keep a server busy).
const LARGEST_RSA: u32 = 8192;

/// Algorithm and size of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Rsa(u32),
    /// By the curve's size.
    Ec(u32),
    Ed25519,
}

impl Kind {
    /// The kind that `key_type` and `key_bits` name; 0 bits are the default's.
    ///
    /// # Errors
    /// When there is no such kind here.
    pub(crate) fn named(name: &str, bits: i64) -> Result<Self> {
        let unsupported = |text: String| Err(Error::Invalid(text));
        match (name, bits) {
            ("rsa", 0) => Ok(Self::Rsa(2048)),
            ("rsa", 2048 | 3072 | 4096 | 8192) => Ok(Self::Rsa(u32::try_from(bits).unwrap_or(2048))),
            ("rsa", bits) if bits < 2048 => {
                unsupported(format!("RSA keys < 2048 bits are unsafe and not supported: got {bits}"))
            }
            ("rsa", bits) => unsupported(format!("unsupported bit length for RSA key: {bits}")),
            ("ec", 0) => Ok(Self::Ec(256)),
            ("ec", 256 | 384 | 521) => Ok(Self::Ec(u32::try_from(bits).unwrap_or(256))),
            ("ec", bits) => unsupported(format!("unsupported bit length for EC key: {bits}")),
            ("ed25519", _) => Ok(Self::Ed25519),
            (name, _) => unsupported(format!("unknown key type {name}")),
        }
    }
    /// The word of `key_type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa",
            Self::Ec(_) => "ec",
            Self::Ed25519 => "ed25519",
        }
    }
    /// `key_bits`.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Rsa(bits) | Self::Ec(bits) => bits,
            Self::Ed25519 => 0,
        }
    }
    /// Whether making or using one takes long enough to hold the runtime up.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Rsa(_))
    }
    /// The kind of a public key in DER; `None` where it is one nobody here can verify with.
    pub(crate) fn of(spki: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
        match info.algorithm.oid {
            RSA => {
                let public = der::asn1::UintRef::from_der(first_element(info.subject_public_key.as_bytes()?)?).ok()?;
                let bytes = public.as_bytes();
                let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)? - bytes.first()?.leading_zeros();
                (bits <= LARGEST_RSA).then_some(Self::Rsa(bits))
            }
            EC => match info.algorithm.parameters_oid().ok()? {
                P256 => Some(Self::Ec(256)),
                P384 => Some(Self::Ec(384)),
                P521 => Some(Self::Ec(521)),
                _ => None,
            },
            ED25519 => Some(Self::Ed25519),
            _ => None,
        }
    }
}

/// The first element inside a SEQUENCE.
fn first_element(sequence: &[u8]) -> Option<&[u8]> {
    use der::{Reader, SliceReader};
    let outer = AnyRef::from_der(sequence).ok()?;
    let mut reader = SliceReader::new(outer.value()).ok()?;
    reader.tlv_bytes().ok()
}

enum Inner {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key pair.
pub(crate) struct KeyPair {
    pub(crate) kind: Kind,
    inner: Inner,
    pkcs8: Zeroizing<Vec<u8>>,
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) spki: Vec<u8>,
    /// SHA-1 of the public key's bits (RFC 5280, 4.2.1.2, the first way).
    pub(crate) skid: Vec<u8>,
}

fn failed() -> Error {
    Error::Internal("no key could be made".to_owned())
}

fn unreadable() -> Error {
    Error::invalid(
        "the private key cannot be read: expected PKCS#1, SEC1 or PKCS#8 without a password, \
                    RSA from 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519",
    )
}

fn signing(bits: u32) -> &'static EcdsaSigningAlgorithm {
    match bits {
        384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    }
}

/// An algorithm identifier with one parameter, and the bits of the key.
fn spki(algorithm: &[&ObjectIdentifier], null: bool, bits: &[u8]) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = algorithm.iter().map(|oid| tlv(6, &[oid.as_bytes()])).collect();
    if null {
        parts.push(vec![5, 0]);
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    tlv(0x30, &[&tlv(0x30, &parts), &tlv(3, &[&[0], bits])])
}

/// The key identifier of a public key in DER.
pub(crate) fn key_id(spki: &[u8]) -> Vec<u8> {
    let bits = SubjectPublicKeyInfoRef::from_der(spki).ok().and_then(|info| info.subject_public_key.as_bytes());
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bits.unwrap_or_default()).as_ref().to_vec()
}

impl KeyPair {
    /// A fresh pair. RSA takes up to seconds.
    pub(crate) fn generate(kind: Kind) -> Result<Self> {
        let inner = match kind {
            Kind::Rsa(bits) => {
                let size = match bits {
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    8192 => KeySize::Rsa8192,
                    _ => KeySize::Rsa2048,
                };
                Inner::Rsa(RsaKeyPair::generate(size).map_err(|_| failed())?)
            }
            Kind::Ec(bits) => Inner::Ec(EcdsaKeyPair::generate(signing(bits)).map_err(|_| failed())?),
            Kind::Ed25519 => Inner::Ed25519(Ed25519KeyPair::generate().map_err(|_| failed())?),
        };
        Self::of(inner)
    }

    /// Made beside the runtime where it takes long.
    pub(crate) async fn fresh(kind: Kind) -> Result<Self> {
        if kind.is_slow() {
            lessor_engine::beside::make(move || Self::generate(kind)).await
        } else {
            Self::generate(kind)
        }
    }

    fn of(inner: Inner) -> Result<Self> {
        let (kind, pkcs8, spki) = match &inner {
            Inner::Rsa(pair) => {
                let bits = u32::try_from(pair.public_modulus_len() * 8).map_err(|_| unreadable())?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
                (Kind::Rsa(bits), der.as_ref().to_vec(), spki(&[&RSA], true, pair.public_key().as_ref()))
            }
            Inner::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (bits, curve) = match point.len() {
                    65 => (256, P256),
                    97 => (384, P384),
                    _ => (521, P521),
                };
                let der = pair.to_pkcs8v1().map_err(|_| failed())?;
                (Kind::Ec(bits), der.as_ref().to_vec(), spki(&[&EC, &curve], false, point))
            }
            Inner::Ed25519(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| failed())?;
                (Kind::Ed25519, der.as_ref().to_vec(), spki(&[&ED25519], false, pair.public_key().as_ref()))
            }
        };
        let skid = key_id(&spki);
        Ok(Self { kind, inner, pkcs8: Zeroizing::new(pkcs8), spki, skid })
    }

    /// A private key in whatever DER it comes: PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    /// When it is none of them, or of an algorithm that is not offered.
    pub(crate) fn read(der: &[u8]) -> Result<Self> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Self::of(Inner::Rsa(pair));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Self::of(Inner::Ed25519(pair));
        }
        for bits in [256, 384, 521] {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(signing(bits), der) {
                return Self::of(Inner::Ec(pair));
            }
        }
        Err(unreadable())
    }

    /// PKCS#8 in DER, as it is stored.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The private key as answers show it: its label and DER, in the algorithm's own form or in PKCS#8.
    ///
    /// # Errors
    /// When the key cannot be written.
    pub(crate) fn exported(&self, pkcs8: bool) -> Result<(&'static str, Zeroizing<Vec<u8>>)> {
        match &self.inner {
            Inner::Ec(pair) if !pkcs8 => {
                let der: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().map_err(|_| failed())?;
                Ok(("EC PRIVATE KEY", Zeroizing::new(der.as_ref().to_vec())))
            }
            Inner::Rsa(_) if !pkcs8 => Ok(("RSA PRIVATE KEY", Zeroizing::new(inner_key(&self.pkcs8)?))),
            _ => Ok(("PRIVATE KEY", self.pkcs8.clone())),
        }
    }

    /// The same in PEM.
    pub(crate) fn exported_pem(&self, pkcs8: bool) -> Result<Zeroizing<String>> {
        let (label, der) = self.exported(pkcs8)?;
        Ok(Zeroizing::new(pem(label, &der)))
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// When key and scheme do not go together.
    pub(crate) fn sign(&self, scheme: &Scheme, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::Internal("the key did not sign".to_owned());
        match (&self.inner, scheme.sign) {
            (Inner::Rsa(pair), Sign::Rsa(encoding)) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut out).map_err(failed)?;
                Ok(out)
            }
            (Inner::Ec(pair), Sign::Own) => {
                pair.sign(&SystemRandom::new(), message).map(|done| done.as_ref().to_vec()).map_err(failed)
            }
            (Inner::Ed25519(pair), Sign::Own) => Ok(pair.sign(message).as_ref().to_vec()),
            _ => Err(Error::invalid("the signature algorithm does not fit the key")),
        }
    }
}

/// What PKCS#8 wraps: the content of its only OCTET STRING on the first level.
fn inner_key(pkcs8: &[u8]) -> Result<Vec<u8>> {
    use der::{Reader, SliceReader};
    let read = || -> der::Result<Vec<u8>> {
        let outer = AnyRef::from_der(pkcs8)?;
        let mut reader = SliceReader::new(outer.value())?;
        reader.tlv_bytes()?;
        reader.tlv_bytes()?;
        let key = der::asn1::OctetStringRef::from_der(reader.tlv_bytes()?)?;
        Ok(key.as_bytes().to_vec())
    };
    read().map_err(|_| failed())
}

/// Whether a PEM label is that of a private key.
pub(crate) fn is_private(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// Runs work outside the runtime's threads where it is slow.
///
/// # Errors
/// What the work says.
pub(crate) async fn beside<T: Send + 'static>(
    slow: bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if slow { lessor_engine::beside::sign(work).await } else { work() }
}
