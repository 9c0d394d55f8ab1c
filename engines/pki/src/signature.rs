//! Signature algorithms: which one a key signs with, how it is named in DER, and checking signatures of others.
use crate::encode::tlv;
use crate::key::Kind;
use aws_lc_rs::signature::{self as lc, RsaSignatureEncoding, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::{Any, Null, ObjectIdentifier};
use der::{Decode, Encode};
use lessor_engine::{Error, Result};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const SHA256_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
const SHA384_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
const SHA512_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
const SHA256_ECDSA: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
const SHA384_ECDSA: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
const SHA512_ECDSA: ObjectIdentifier = oid("1.2.840.10045.4.3.4");
const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");

/// What a pair is told to do.
#[derive(Clone, Copy)]
pub(crate) enum Sign {
    Rsa(&'static RsaSignatureEncoding),
    /// The only way this key signs: ECDSA with the digest of its curve, or EdDSA.
    Own,
}

/// A way to sign, and its name in certificates.
#[derive(Clone)]
pub(crate) struct Scheme {
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) sign: Sign,
}

/// `RSASSA-PSS-params` (RFC 4055, 3.1) with one digest throughout and a salt of its length.
fn pss_parameters(hash: ObjectIdentifier, salt: u8) -> Vec<u8> {
    let digest = tlv(0x30, &[&tlv(6, &[hash.as_bytes()]), &[5, 0]]);
    let mask = tlv(0x30, &[&tlv(6, &[MGF1.as_bytes()]), &digest]);
    tlv(0x30, &[&tlv(0xa0, &[&digest]), &tlv(0xa1, &[&mask]), &tlv(0xa2, &[&[2, 1, salt]])])
}

fn pss(hash: ObjectIdentifier, salt: u8) -> AlgorithmIdentifierOwned {
    // What was just written is DER.
    AlgorithmIdentifierOwned { oid: RSA_PSS, parameters: Any::from_der(&pss_parameters(hash, salt)).ok() }
}

fn plain(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Any::from(Null)) }
}

fn bare(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: None }
}

impl Scheme {
    /// How a key of this kind signs; bits and PSS are for RSA.
    pub(crate) fn new(kind: Kind, bits: i64, use_pss: bool) -> Self {
        match kind {
            Kind::Rsa(_) => {
                let (algorithm, encoding) = match (bits, use_pss) {
                    (384, false) => (plain(SHA384_RSA), &lc::RSA_PKCS1_SHA384),
                    (512, false) => (plain(SHA512_RSA), &lc::RSA_PKCS1_SHA512),
                    (_, false) => (plain(SHA256_RSA), &lc::RSA_PKCS1_SHA256),
                    (384, true) => (pss(SHA384, 48), &lc::RSA_PSS_SHA384),
                    (512, true) => (pss(SHA512, 64), &lc::RSA_PSS_SHA512),
                    (_, true) => (pss(SHA256, 32), &lc::RSA_PSS_SHA256),
                };
                Self { algorithm, sign: Sign::Rsa(encoding) }
            }
            Kind::Ec(bits) => {
                let name = match bits {
                    384 => SHA384_ECDSA,
                    521 => SHA512_ECDSA,
                    _ => SHA256_ECDSA,
                };
                Self { algorithm: bare(name), sign: Sign::Own }
            }
            Kind::Ed25519 => Self { algorithm: bare(crate::key::ED25519), sign: Sign::Own },
        }
    }

    /// The algorithm by the names of `revocation_signature_algorithm`; empty is the key's default.
    ///
    /// # Errors
    /// When there is none of that name, or the key does not sign with it.
    pub(crate) fn named(kind: Kind, name: &str) -> Result<Self> {
        let lower = name.to_ascii_lowercase();
        let unfit =
            || Error::invalid(format!("the signature algorithm {name:?} does not fit a key of type {}", kind.name()));
        match (lower.as_str(), kind) {
            ("", _) => Ok(Self::new(kind, 0, false)),
            ("sha256withrsa", Kind::Rsa(_)) => Ok(Self::new(kind, 256, false)),
            ("sha384withrsa", Kind::Rsa(_)) => Ok(Self::new(kind, 384, false)),
            ("sha512withrsa", Kind::Rsa(_)) => Ok(Self::new(kind, 512, false)),
            ("sha256withrsapss", Kind::Rsa(_)) => Ok(Self::new(kind, 256, true)),
            ("sha384withrsapss", Kind::Rsa(_)) => Ok(Self::new(kind, 384, true)),
            ("sha512withrsapss", Kind::Rsa(_)) => Ok(Self::new(kind, 512, true)),
            ("ecdsawithsha256", Kind::Ec(256))
            | ("ecdsawithsha384", Kind::Ec(384))
            | ("ecdsawithsha512", Kind::Ec(521))
            | ("ed25519" | "pureed25519", Kind::Ed25519) => Ok(Self::new(kind, 0, false)),
            (known, _) if NAMES.contains(&known) => Err(unfit()),
            _ => Err(Error::invalid(format!("unknown signature algorithm: {name}"))),
        }
    }

    /// Without PSS, which OCSP clients often do not know.
    pub(crate) fn for_ocsp(kind: Kind, name: &str) -> Result<Self> {
        Self::named(kind, name.to_ascii_lowercase().trim_end_matches("pss"))
    }
}

/// The name of the algorithm that lists of an authority are signed with unless it is told otherwise: that of its own
/// certificate's signature where its key signs like that, else the key's.
pub(crate) fn usual_name(cert: &crate::x509::Cert) -> String {
    // Of what somebody else signed, the signature says nothing about the own key.
    let Some(kind) = Kind::of(&cert.spki).filter(|_| cert.subject == cert.issuer) else { return String::new() };
    let own = &cert.parsed.signature_algorithm;
    let names: &[&str] = match kind {
        Kind::Rsa(_) => &[
            "SHA256WithRSA",
            "SHA384WithRSA",
            "SHA512WithRSA",
            "SHA256WithRSAPSS",
            "SHA384WithRSAPSS",
            "SHA512WithRSAPSS",
        ],
        Kind::Ec(384) => &["ECDSAWithSHA384"],
        Kind::Ec(521) => &["ECDSAWithSHA512"],
        Kind::Ec(_) => &["ECDSAWithSHA256"],
        Kind::Ed25519 => &["Ed25519"],
    };
    let fits = |name: &&&str| Scheme::named(kind, name).is_ok_and(|scheme| scheme.algorithm == *own);
    (*names.iter().find(fits).unwrap_or(&names[0])).to_owned()
}

const NAMES: [&str; 11] = [
    "sha256withrsa",
    "sha384withrsa",
    "sha512withrsa",
    "sha256withrsapss",
    "sha384withrsapss",
    "sha512withrsapss",
    "ecdsawithsha256",
    "ecdsawithsha384",
    "ecdsawithsha512",
    "ed25519",
    "pureed25519",
];

/// How signatures of an algorithm by such a key are checked.
fn verification(
    kind: Kind,
    algorithm: ObjectIdentifier,
    parameters: Option<&Any>,
) -> Option<&'static dyn VerificationAlgorithm> {
    let pss = |hash: ObjectIdentifier, salt| {
        parameters.and_then(|given| given.to_der().ok()).is_some_and(|given| given == pss_parameters(hash, salt))
    };
    Some(match (kind, algorithm) {
        (Kind::Rsa(_), SHA256_RSA) => &lc::RSA_PKCS1_2048_8192_SHA256,
        (Kind::Rsa(_), SHA384_RSA) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (Kind::Rsa(_), SHA512_RSA) => &lc::RSA_PKCS1_2048_8192_SHA512,
        (Kind::Rsa(_), RSA_PSS) if pss(SHA256, 32) => &lc::RSA_PSS_2048_8192_SHA256,
        (Kind::Rsa(_), RSA_PSS) if pss(SHA384, 48) => &lc::RSA_PSS_2048_8192_SHA384,
        (Kind::Rsa(_), RSA_PSS) if pss(SHA512, 64) => &lc::RSA_PSS_2048_8192_SHA512,
        (Kind::Ec(256), SHA256_ECDSA) => &lc::ECDSA_P256_SHA256_ASN1,
        (Kind::Ec(256), SHA384_ECDSA) => &lc::ECDSA_P256_SHA384_ASN1,
        (Kind::Ec(256), SHA512_ECDSA) => &lc::ECDSA_P256_SHA512_ASN1,
        (Kind::Ec(384), SHA256_ECDSA) => &lc::ECDSA_P384_SHA256_ASN1,
        (Kind::Ec(384), SHA384_ECDSA) => &lc::ECDSA_P384_SHA384_ASN1,
        (Kind::Ec(384), SHA512_ECDSA) => &lc::ECDSA_P384_SHA512_ASN1,
        (Kind::Ec(521), SHA256_ECDSA) => &lc::ECDSA_P521_SHA256_ASN1,
        (Kind::Ec(521), SHA384_ECDSA) => &lc::ECDSA_P521_SHA384_ASN1,
        (Kind::Ec(521), SHA512_ECDSA) => &lc::ECDSA_P521_SHA512_ASN1,
        (Kind::Ed25519, crate::key::ED25519) => &lc::ED25519,
        _ => return None,
    })
}

/// Whether `signature` over `message` is that of the key in `spki`. An algorithm nobody here knows is no.
pub(crate) fn verifies(spki: &[u8], algorithm: &AlgorithmIdentifierOwned, message: &[u8], signature: &[u8]) -> bool {
    let check = || {
        let kind = Kind::of(spki)?;
        let way = verification(kind, algorithm.oid, algorithm.parameters.as_ref())?;
        let bits = SubjectPublicKeyInfoRef::from_der(spki).ok()?.subject_public_key.as_bytes()?;
        UnparsedPublicKey::new(way, bits).verify(message, signature).ok()
    };
    check().is_some()
}
