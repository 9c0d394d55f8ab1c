//! Key usages and extended key usages by their names.
use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use lessor_engine::{Error, Result};
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

const KEY_USAGES: [(&str, KeyUsages); 9] = [
    ("DigitalSignature", KeyUsages::DigitalSignature),
    ("ContentCommitment", KeyUsages::NonRepudiation),
    ("KeyEncipherment", KeyUsages::KeyEncipherment),
    ("DataEncipherment", KeyUsages::DataEncipherment),
    ("KeyAgreement", KeyUsages::KeyAgreement),
    ("CertSign", KeyUsages::KeyCertSign),
    ("CRLSign", KeyUsages::CRLSign),
    ("EncipherOnly", KeyUsages::EncipherOnly),
    ("DecipherOnly", KeyUsages::DecipherOnly),
];

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

pub(crate) const SERVER_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.1");
pub(crate) const CLIENT_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.2");
pub(crate) const CODE_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.3");
pub(crate) const EMAIL_PROTECTION: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.4");

const EXTENDED: [(&str, ObjectIdentifier); 14] = [
    ("Any", oid("2.5.29.37.0")),
    ("ServerAuth", SERVER_AUTH),
    ("ClientAuth", CLIENT_AUTH),
    ("CodeSigning", CODE_SIGNING),
    ("EmailProtection", EMAIL_PROTECTION),
    ("IPSECEndSystem", oid("1.3.6.1.5.5.7.3.5")),
    ("IPSECTunnel", oid("1.3.6.1.5.5.7.3.6")),
    ("IPSECUser", oid("1.3.6.1.5.5.7.3.7")),
    ("TimeStamping", oid("1.3.6.1.5.5.7.3.8")),
    ("OCSPSigning", oid("1.3.6.1.5.5.7.3.9")),
    ("MicrosoftServerGatedCrypto", oid("1.3.6.1.4.1.311.10.3.3")),
    ("NetscapeServerGatedCrypto", oid("2.16.840.1.113730.4.1")),
    ("MicrosoftCommercialCodeSigning", oid("1.3.6.1.4.1.311.2.1.22")),
    ("MicrosoftKernelCodeSigning", oid("1.3.6.1.4.1.311.61.1.1")),
];

/// Vault also takes the names with their prefix in Go's library.
fn plain<'a>(name: &'a str, prefix: &str) -> &'a str {
    let name = name.trim();
    match name.get(..prefix.len()) {
        Some(head) if head.eq_ignore_ascii_case(prefix) => &name[prefix.len()..],
        _ => name,
    }
}

/// The bits of these names.
///
/// # Errors
/// When a name is none of a key usage.
pub(crate) fn key_usage(names: &[String]) -> Result<KeyUsage> {
    let mut bits = FlagSet::<KeyUsages>::default();
    for name in names {
        let known = KEY_USAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(plain(name, "KeyUsage")));
        let (_, bit) = known.ok_or_else(|| {
            let names: Vec<&str> = KEY_USAGES.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("unknown key_usage {name:?}: use any of {}", names.join(", ")))
        })?;
        bits |= *bit;
    }
    Ok(KeyUsage(bits))
}

/// The identifiers of these names.
///
/// # Errors
/// When a name is none of an extended key usage.
pub(crate) fn extended(names: &[String]) -> Result<Vec<ObjectIdentifier>> {
    let find = |name: &String| {
        let known = EXTENDED.iter().find(|(known, _)| known.eq_ignore_ascii_case(plain(name, "ExtKeyUsage")));
        known.map(|(_, oid)| *oid).ok_or_else(|| {
            let names: Vec<&str> = EXTENDED.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("unknown ext_key_usage {name:?}: use any of {}", names.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// Object identifiers in dots.
///
/// # Errors
/// When a text is none.
pub(crate) fn oids(texts: &[String]) -> Result<Vec<ObjectIdentifier>> {
    let parse = |text: &String| {
        ObjectIdentifier::new(text.trim()).map_err(|_| {
            Error::invalid(format!("{text:?} could not be parsed as a valid oid for an extended key usage"))
        })
    };
    texts.iter().map(parse).collect()
}
