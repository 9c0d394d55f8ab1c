//! Whether a key made a certificate's signature.
use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::certificate::X509Certificate;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::SubjectPublicKeyInfo;

type Way = &'static dyn VerificationAlgorithm;

/// Signature algorithms of RFC 4055, 5758 and 8410 by the digest in their name.
const SHA256: [&str; 3] = ["1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2", "2.16.840.1.101.3.4.2.1"];
const SHA384: [&str; 3] = ["1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3", "2.16.840.1.101.3.4.2.2"];
const SHA512: [&str; 3] = ["1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4", "2.16.840.1.101.3.4.2.3"];

/// Bits of the digest that an algorithm of this name takes.
fn digest(oid: &str) -> Option<u16> {
    let named = [(SHA256, 256), (SHA384, 384), (SHA512, 512)];
    named.into_iter().find(|(names, _)| names.contains(&oid)).map(|(_, bits)| bits)
}

/// How many bits of a digest a certificate is signed with, and whether by RSA-PSS.
pub fn digest_of(cert: &X509Certificate<'_>) -> (Option<u16>, bool) {
    match SignatureAlgorithm::try_from(&cert.signature_algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(params)) => (digest(&params.hash_algorithm_oid().to_id_string()), true),
        _ => (digest(&cert.signature_algorithm.algorithm.to_id_string()), false),
    }
}

/// Name of an elliptic curve's size (RFC 5480, 2.1.1.1).
pub fn curve_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<u16> {
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
    Some(match curve.as_str() {
        "1.3.132.0.33" => 224,
        "1.2.840.10045.3.1.7" => 256,
        "1.3.132.0.34" => 384,
        "1.3.132.0.35" => 521,
        _ => return None,
    })
}

fn way(cert: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> Option<Way> {
    let (bits, pss) = digest_of(cert);
    match SignatureAlgorithm::try_from(&cert.signature_algorithm).ok()? {
        SignatureAlgorithm::ED25519 => Some(&lc::ED25519),
        SignatureAlgorithm::ECDSA => ecdsa(curve_bits(key)?, bits?),
        SignatureAlgorithm::RSA | SignatureAlgorithm::RSASSA_PSS(_) => rsa(bits?, pss),
        _ => None,
    }
}

fn rsa(bits: u16, pss: bool) -> Option<Way> {
    Some(match (bits, pss) {
        (256, false) => &lc::RSA_PKCS1_2048_8192_SHA256,
        (384, false) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (512, false) => &lc::RSA_PKCS1_2048_8192_SHA512,
        (256, true) => &lc::RSA_PSS_2048_8192_SHA256,
        (384, true) => &lc::RSA_PSS_2048_8192_SHA384,
        (512, true) => &lc::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ecdsa(curve: u16, bits: u16) -> Option<Way> {
    Some(match (curve, bits) {
        (256, 256) => &lc::ECDSA_P256_SHA256_ASN1,
        (256, 384) => &lc::ECDSA_P256_SHA384_ASN1,
        (256, 512) => &lc::ECDSA_P256_SHA512_ASN1,
        (384, 256) => &lc::ECDSA_P384_SHA256_ASN1,
        (384, 384) => &lc::ECDSA_P384_SHA384_ASN1,
        (384, 512) => &lc::ECDSA_P384_SHA512_ASN1,
        (521, 256) => &lc::ECDSA_P521_SHA256_ASN1,
        (521, 384) => &lc::ECDSA_P521_SHA384_ASN1,
        (521, 512) => &lc::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// An algorithm that is not known here is no.
pub fn is_signed_by(cert: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> bool {
    let Some(way) = way(cert, key) else { return false };
    let key = UnparsedPublicKey::new(way, &key.subject_public_key.data);
    key.verify(cert.tbs_certificate.as_ref(), &cert.signature_value.data).is_ok()
}
