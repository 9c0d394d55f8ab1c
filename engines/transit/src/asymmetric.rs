//! Key pairs, and what they are read from and written as.
mod ecdsa;
mod ed25519;
mod pem;
mod rsa;

pub(crate) use ecdsa::EcPair;
pub(crate) use ed25519::EdPair;
pub(crate) use pem::{pem, unpem};
pub(crate) use rsa::{Padding, RsaPair, Salt};

use crate::hash::Hash;
use crate::kind::{Family, Kind};
use ::rsa::pkcs8::PrivateKeyInfoRef;
use lessor_engine::{Error, Result};
use x509_cert::der::Decode;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A key pair, or its public half alone.
pub(crate) enum Pair {
    Ed25519(EdPair),
    Ecdsa(EcPair),
    Rsa(Box<RsaPair>),
}

/// What is to be signed or was signed.
pub(crate) struct Message<'a> {
    /// The digest; for ed25519 the message itself.
    pub(crate) input: &'a [u8],
    /// What made the digest; `None` where nothing is said about it.
    pub(crate) hash: Option<Hash>,
    /// For RSA.
    pub(crate) padding: Padding,
}

/// How a signature of ECDSA is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marshaling {
    /// DER, in base64.
    Asn1,
    /// Both numbers one behind the other, in base64 for URLs.
    Jws,
}

fn unreadable(what: &str) -> Error {
    Error::Invalid(format!("error parsing {what}"))
}

fn mismatch(kind: Kind) -> Error {
    Error::Invalid(format!("invalid key type: the given key is no {} key", kind.name()))
}

/// Refuses a key of another algorithm than the kind's.
fn expect(kind: Kind, algorithm: ObjectIdentifier) -> Result<()> {
    let fits = match kind.family() {
        Family::Rsa(_) => algorithm == RSA,
        Family::Ecdsa(_) => algorithm == EC,
        Family::Ed25519 => algorithm == ED25519,
        Family::Aead(_) | Family::Hmac => false,
    };
    if fits { Ok(()) } else { Err(mismatch(kind)) }
}

impl Pair {
    /// A fresh pair. RSA takes up to seconds.
    pub(crate) fn generate(kind: Kind) -> Result<Self> {
        match kind.family() {
            Family::Ed25519 => EdPair::generate().map(Self::Ed25519),
            Family::Ecdsa(curve) => EcPair::generate(curve).map(Self::Ecdsa),
            Family::Rsa(size) => RsaPair::generate(size).map(|pair| Self::Rsa(Box::new(pair))),
            Family::Aead(_) | Family::Hmac => Err(mismatch(kind)),
        }
    }

    /// The pair of an unencrypted PKCS #8 `PrivateKeyInfo`.
    ///
    /// # Errors
    /// When it cannot be read or is of another kind.
    pub(crate) fn from_pkcs8(kind: Kind, der: &[u8]) -> Result<Self> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| unreadable("asymmetric key: it is no PKCS #8 key"))?;
        expect(kind, info.algorithm.oid)?;
        match kind.family() {
            Family::Ed25519 => EdPair::from_pkcs8(der).map(Self::Ed25519),
            Family::Ecdsa(curve) => EcPair::from_pkcs8(curve, der).map(Self::Ecdsa),
            Family::Rsa(size) => RsaPair::from_pkcs8(size, der).map(|pair| Self::Rsa(Box::new(pair))),
            Family::Aead(_) | Family::Hmac => Err(mismatch(kind)),
        }
    }

    /// The pair as [`Pair::private`] wrote it.
    ///
    /// # Errors
    /// When the record is damaged.
    pub(crate) fn from_stored(kind: Kind, bytes: &[u8]) -> Result<Self> {
        if kind.family() == Family::Ed25519 {
            return EdPair::from_seed_and_public(bytes).map(Self::Ed25519);
        }
        Self::from_pkcs8(kind, bytes)
    }

    /// The public half of a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// When it cannot be read or is of another kind.
    pub(crate) fn from_public(kind: Kind, der: &[u8]) -> Result<Self> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| unreadable("public key"))?;
        expect(kind, info.algorithm.oid)?;
        let bits = info.subject_public_key.as_bytes().ok_or_else(|| unreadable("public key"))?;
        match kind.family() {
            Family::Ed25519 => EdPair::from_public(bits).map(Self::Ed25519),
            Family::Ecdsa(curve) => EcPair::from_point(curve, bits).map(Self::Ecdsa),
            Family::Rsa(size) => RsaPair::from_public(size, der).map(|pair| Self::Rsa(Box::new(pair))),
            Family::Aead(_) | Family::Hmac => Err(mismatch(kind)),
        }
    }

    /// What is stored of the private half: the 64 bytes of ed25519, PKCS #8 of others.
    pub(crate) fn private(&self) -> Option<&[u8]> {
        match self {
            Self::Ed25519(pair) => pair.private(),
            Self::Ecdsa(pair) => pair.pkcs8(),
            Self::Rsa(pair) => pair.pkcs8(),
        }
    }

    /// The private half in PKCS #8; `None` where it is not known.
    pub(crate) fn pkcs8(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match self {
            Self::Ed25519(pair) => pair.pkcs8(),
            Self::Ecdsa(pair) => Ok(pair.pkcs8().map(|der| Zeroizing::new(der.to_vec()))),
            Self::Rsa(pair) => Ok(pair.pkcs8().map(|der| Zeroizing::new(der.to_vec()))),
        }
    }

    /// The public half as `SubjectPublicKeyInfo`.
    pub(crate) fn public(&self) -> &[u8] {
        match self {
            Self::Ed25519(pair) => pair.public(),
            Self::Ecdsa(pair) => pair.public(),
            Self::Rsa(pair) => pair.public(),
        }
    }

    /// Signs. ECDSA answers both numbers one behind the other, whatever the marshaling.
    ///
    /// # Errors
    /// When there is no private half, or hash and padding do not go together.
    pub(crate) fn sign(&self, message: &Message<'_>) -> Result<Vec<u8>> {
        match self {
            Self::Ed25519(pair) => pair.sign(message.input),
            Self::Ecdsa(pair) => pair.sign(message.hash, message.input),
            Self::Rsa(pair) => pair.sign(message),
        }
    }

    /// Whether the signature (as [`Pair::sign`] answers it) is that of the message.
    ///
    /// # Errors
    /// When hash and padding do not go together.
    pub(crate) fn verify(&self, message: &Message<'_>, signature: &[u8]) -> Result<bool> {
        match self {
            Self::Ed25519(pair) => Ok(pair.verify(message.input, signature)),
            Self::Ecdsa(pair) => Ok(pair.verify(message.hash, message.input, signature)),
            Self::Rsa(pair) => pair.verify(message, signature),
        }
    }
}

/// The refusal of an operation that needs a private half.
pub(crate) fn no_private() -> Error {
    Error::invalid("requested version for signing does not contain a private part")
}
