//! Certificates of whoever signs identity documents. They are named one by one, so that their keys are trusted and not
//! their dates or issuers, as Vault does it: AWS uses some of them past their end.
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey,
};
use dsa::pkcs8::DecodePublicKey;
use dsa::signature::hazmat::PrehashVerifier;
use std::sync::LazyLock;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

/// What was digested with, before it was signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Digest {
    /// What AWS's DSA keys sign.
    Sha1,
    Sha256,
}

impl Digest {
    pub(crate) fn of(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }
}

enum Key {
    /// As RFC 8017 writes it.
    Rsa(Vec<u8>),
    Dsa(Box<dsa::VerifyingKey>),
}

/// A certificate, as far as it is needed.
pub(crate) struct Signer {
    issuer: Vec<u8>,
    serial: Vec<u8>,
    key: Key,
}

/// Why a text is no certificate of a signer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("invalid certificate; should be one PEM block only")]
    Pem,
    #[error("invalid certificate; failed to parse certificate")]
    Certificate,
    #[error("the certificate's key is neither RSA nor DSA")]
    Key,
}

fn key(certificate: &X509Certificate<'_>) -> Option<Key> {
    let info = certificate.public_key();
    match info.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => Some(Key::Rsa(info.subject_public_key.data.to_vec())),
        "1.2.840.10040.4.1" => {
            let key = dsa::VerifyingKey::from_public_key_der(info.raw).ok()?;
            Some(Key::Dsa(Box::new(key)))
        }
        _ => None,
    }
}

impl Signer {
    fn of(pem: &Pem) -> Result<Self, Flaw> {
        let (_, certificate) = X509Certificate::from_der(&pem.contents).map_err(|_| Flaw::Certificate)?;
        Ok(Self {
            issuer: certificate.issuer().as_raw().to_vec(),
            serial: certificate.raw_serial().to_vec(),
            key: key(&certificate).ok_or(Flaw::Key)?,
        })
    }
    /// Reads one certificate.
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        let blocks: Result<Vec<Pem>, _> = Pem::iter_from_buffer(text.as_bytes()).collect();
        match blocks.map_err(|_| Flaw::Pem)?.as_slice() {
            [one] if one.label == "CERTIFICATE" => Self::of(one),
            _ => Err(Flaw::Pem),
        }
    }
    /// Whether a message means this certificate.
    pub(crate) fn is(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.issuer == issuer && self.serial == serial
    }
    /// Whether its key signed this.
    pub(crate) fn signed(&self, digest: Digest, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Rsa(key) => {
                let algorithm = match digest {
                    Digest::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Digest::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                };
                UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
            }
            Key::Dsa(key) => dsa::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest.of(message), &signature).is_ok()),
        }
    }
}

/// Certificates of AWS's regions
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/regions-certs.html>, as published in May 2022); those of younger
/// regions are added by `config/certificate`.
const PUBLISHED: &str = include_str!("certificates/aws.pem");

/// The same, read.
pub(crate) static AWS: LazyLock<Vec<Signer>> = LazyLock::new(|| {
    let blocks = Pem::iter_from_buffer(PUBLISHED.as_bytes());
    blocks.filter_map(|block| Signer::of(&block.ok()?).ok()).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn every_published_certificate_is_read() {
        assert_eq!(AWS.len(), PUBLISHED.matches("BEGIN CERTIFICATE").count());
        assert_eq!(AWS.iter().filter(|signer| matches!(signer.key, Key::Dsa(_))).count(), 6);
    }

    #[test]
    fn certificates_that_cannot_be_used_are_refused() {
        let one = &PUBLISHED[..=PUBLISHED.find("-----END CERTIFICATE-----").unwrap() + 25];
        assert!(Signer::parse(one).is_ok());
        assert!(matches!(Signer::parse("x"), Err(Flaw::Pem)));
        assert!(matches!(Signer::parse(&format!("{one}\n{one}")), Err(Flaw::Pem)));
        let empty = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode("x"));
        assert!(matches!(Signer::parse(&empty), Err(Flaw::Certificate)));
    }
}
