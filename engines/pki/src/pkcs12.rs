//! PKCS#12 stores (RFC 7292): one key with its chain, or certificates alone.
//!
//! Contents are encrypted by PBES2 (PBKDF2 with HMAC-SHA-256, AES-256 in CBC mode). What the store is authenticated by is the
//! encoder's: PBMAC1 (RFC 9879), or the derivation of RFC 7292 that readers from before 2024 know.
use crate::encode::tlv;
use crate::keystore::{Contents, rejected};
use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::{hmac, pbkdf2, rand};
use const_oid::ObjectIdentifier;
use lessor_engine::{Result, Secret};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// How often a password is hashed: as often as Java's keytool does it.
const ITERATIONS: u16 = 10_000;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
/// Java shows a certificate without a key only where it is marked as trusted for something.
const JAVA_TRUSTED: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113894.746875.1.1");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBMAC1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// What a store is authenticated by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoder {
    /// HMAC-SHA-256 with a key derived as in appendix B of RFC 7292.
    Modern2023,
    /// PBMAC1.
    Modern2026,
}

fn oid(of: &ObjectIdentifier) -> Vec<u8> {
    tlv(6, &[of.as_bytes()])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(4, &[bytes])
}

/// `[0] EXPLICIT`.
fn inside(content: &[u8]) -> Vec<u8> {
    tlv(0xa0, &[content])
}

fn iterations() -> Vec<u8> {
    // Below 2^15, so both bytes are a positive INTEGER.
    tlv(2, &[&ITERATIONS.to_be_bytes()])
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(rejected)?;
    Ok(bytes)
}

/// An algorithm with NULL as its parameters.
fn plain(of: &ObjectIdentifier) -> Vec<u8> {
    sequence(&[&oid(of), &[5, 0]])
}

/// A key of 256 bits, and how it is derived as an `AlgorithmIdentifier`.
fn derived(password: &Secret) -> Result<(Zeroizing<[u8; 32]>, Vec<u8>)> {
    let salt: [u8; 16] = random()?;
    let mut key = Zeroizing::new([0; 32]);
    let rounds = NonZeroU32::MIN.saturating_add(u32::from(ITERATIONS) - 1);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.expose().as_bytes(), key.as_mut_slice());
    let length = tlv(2, &[&[32]]);
    let parameters = sequence(&[&octets(&salt), &iterations(), &length, &plain(&HMAC_SHA256)]);
    Ok((key, sequence(&[&oid(&PBKDF2), &parameters])))
}

/// The algorithm and what it made of the content.
fn encrypted(content: &[u8], password: &Secret) -> Result<(Vec<u8>, Vec<u8>)> {
    let (key, derivation) = derived(password)?;
    let key = UnboundCipherKey::new(&AES_256, key.as_slice()).map_err(rejected)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(rejected)?;
    // With room for the padding, so that no unencrypted copy is left behind by growing.
    let mut buffer = Vec::with_capacity(content.len() + 16);
    buffer.extend_from_slice(content);
    let context = key.encrypt(&mut buffer).map_err(rejected)?;
    let DecryptionContext::Iv128(iv) = context else { return Err(rejected("no IV")) };
    let cipher = sequence(&[&oid(&AES_256_CBC), &octets(iv.as_ref())]);
    Ok((sequence(&[&oid(&PBES2), &sequence(&[&derivation, &cipher])]), buffer))
}

fn attribute(of: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    tlv(0x31, &[&sequence(&[&oid(of), &tlv(0x31, &[value])])])
}

/// The bags of all certificates; the first belongs to the key, if there is one.
fn certificates(contents: &Contents) -> Vec<u8> {
    let mut bags = Vec::new();
    for (at, der) in contents.certificates.iter().enumerate() {
        let certificate = sequence(&[&oid(&X509), &inside(&octets(der))]);
        let attributes = match &contents.key {
            Some(_) if at == 0 => attribute(&LOCAL_KEY_ID, &octets(&key_id(der))),
            Some(_) => Vec::new(),
            None => attribute(&JAVA_TRUSTED, &oid(&ANY_USAGE)),
        };
        bags.extend(sequence(&[&oid(&CERTIFICATE_BAG), &inside(&certificate), &attributes]));
    }
    sequence(&[&bags])
}

/// What ties a key to its certificate: any bytes would do, these are what other programs take.
fn key_id(certificate: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate).as_ref().to_vec()
}

/// The store in DER.
///
/// # Errors
/// When the machine has no random numbers or refuses to encrypt.
pub(crate) fn write(contents: &Contents, encoder: Encoder, password: &Secret) -> Result<Vec<u8>> {
    let (algorithm, ciphertext) = encrypted(&certificates(contents), password)?;
    let content = sequence(&[&oid(&DATA), &algorithm, &tlv(0x80, &[&ciphertext])]);
    let certificates = sequence(&[&oid(&ENCRYPTED_DATA), &inside(&sequence(&[&[2, 1, 0], &content]))]);
    let mut key = Vec::new();
    if let (Some(pkcs8), Some(leaf)) = (&contents.key, contents.certificates.first()) {
        let (algorithm, ciphertext) = encrypted(pkcs8, password)?;
        let shrouded = sequence(&[&algorithm, &octets(&ciphertext)]);
        let bag = sequence(&[&oid(&KEY_BAG), &inside(&shrouded), &attribute(&LOCAL_KEY_ID, &octets(&key_id(leaf)))]);
        key = sequence(&[&oid(&DATA), &inside(&octets(&sequence(&[&bag])))]);
    }
    let safe = sequence(&[&certificates, &key]);
    let mac = match encoder {
        Encoder::Modern2023 => classic_mac(&safe, password)?,
        Encoder::Modern2026 => pbmac1(&safe, password)?,
    };
    Ok(sequence(&[&[2, 1, 3], &sequence(&[&oid(&DATA), &inside(&octets(&safe))]), &mac]))
}

fn mac_data(algorithm: &[u8], key: &[u8], safe: &[u8], salt: &[u8], rounds: &[u8]) -> Vec<u8> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), safe);
    sequence(&[&sequence(&[algorithm, &octets(tag.as_ref())]), &octets(salt), rounds])
}

fn pbmac1(safe: &[u8], password: &Secret) -> Result<Vec<u8>> {
    let (key, derivation) = derived(password)?;
    let algorithm = sequence(&[&oid(&PBMAC1), &sequence(&[&derivation, &plain(&HMAC_SHA256)])]);
    // The salt of the older derivation has no meaning (RFC 9879); its count of one is left out as the default.
    Ok(mac_data(&algorithm, key.as_slice(), safe, b"NOT USED", &[]))
}

fn classic_mac(safe: &[u8], password: &Secret) -> Result<Vec<u8>> {
    let salt: [u8; 16] = random()?;
    let key = mac_key(password, &salt);
    Ok(mac_data(&plain(&SHA_256), key.as_slice(), safe, &salt, &iterations()))
}

/// The key of the classic MAC (RFC 7292, B.2): one block of SHA-256 is all that is needed of it.
fn mac_key(password: &Secret, salt: &[u8]) -> Zeroizing<[u8; 32]> {
    const BLOCK: usize = 64;
    const FOR_A_MAC: u8 = 3;
    let mut text: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(password.expose().len() * 2 + 2));
    password.expose().encode_utf16().for_each(|unit| text.extend_from_slice(&unit.to_be_bytes()));
    text.extend_from_slice(&[0, 0]);
    let filled =
        |part: &[u8]| part.iter().copied().cycle().take(part.len().div_ceil(BLOCK) * BLOCK).collect::<Vec<_>>();
    let mut input = Zeroizing::new(vec![FOR_A_MAC; BLOCK]);
    input.extend(filled(salt));
    input.extend(Zeroizing::new(filled(&text)).iter());
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(digest(&SHA256, &input).as_ref());
    for _ in 1..ITERATIONS {
        let next = digest(&SHA256, key.as_slice());
        key.copy_from_slice(next.as_ref());
    }
    key
}
