//! Java's own key stores (`JKS`), as `sun.security.provider.JavaKeyStore` of OpenJDK reads them.
//!
//! The format is from 1996: a key is hidden by a stream of SHA-1 digests of password and salt. It keeps a key from a glance,
//! not from somebody who has the file and time. It is written because programs ask for it.
use crate::encode::tlv;
use crate::keystore::{Contents, rejected};
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::rand;
use const_oid::ObjectIdentifier;
use lessor_engine::{Result, Secret};
use zeroize::Zeroizing;

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const KEY: u32 = 1;
const TRUSTED: u32 = 2;
const HIDDEN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.42.2.17.1.1");
/// What the digest of a store is salted with.
const WHITENER: &[u8] = b"Mighty Aphrodite";
const DIGEST: usize = 20;

fn sha1(parts: &[&[u8]]) -> [u8; DIGEST] {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; DIGEST];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// Java's characters, two bytes each.
fn characters(password: &Secret) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(password.expose().len() * 2));
    password.expose().encode_utf16().for_each(|unit| bytes.extend_from_slice(&unit.to_be_bytes()));
    bytes
}

/// The key as `EncryptedPrivateKeyInfo`: salt, hidden key, and a digest that tells a wrong password.
fn hidden(pkcs8: &[u8], password: &[u8]) -> Result<Vec<u8>> {
    let mut salt = [0; DIGEST];
    rand::fill(&mut salt).map_err(rejected)?;
    let mut content = salt.to_vec();
    let mut stream = Zeroizing::new(salt);
    for piece in pkcs8.chunks(DIGEST) {
        *stream = sha1(&[password, stream.as_slice()]);
        content.extend(piece.iter().zip(stream.iter()).map(|(byte, mask)| byte ^ mask));
    }
    content.extend_from_slice(&sha1(&[password, pkcs8]));
    let algorithm = tlv(0x30, &[&tlv(6, &[HIDDEN.as_bytes()]), &[5, 0]]);
    Ok(tlv(0x30, &[&algorithm, &tlv(4, &[&content])]))
}

/// A store in the making.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }
    /// Bytes behind their length.
    fn sized(&mut self, bytes: &[u8]) -> Result<()> {
        self.number(u32::try_from(bytes.len()).map_err(rejected)?);
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    /// Text as Java's `readUTF` takes it: every unit of UTF-16 by itself.
    fn text(&mut self, text: &str) -> Result<()> {
        let mut bytes = Vec::with_capacity(text.len());
        for unit in text.encode_utf16() {
            // Six bits each, behind the marks of UTF-8; they cannot overflow a byte.
            let low = |shift: u32| 0x80 | ((unit >> shift) & 0x3f).to_be_bytes()[1];
            match unit {
                1..=0x7f => bytes.push(unit.to_be_bytes()[1]),
                0 | 0x80..=0x7ff => bytes.extend_from_slice(&[0xc0 | (unit >> 6).to_be_bytes()[1], low(0)]),
                _ => bytes.extend_from_slice(&[0xe0 | (unit >> 12).to_be_bytes()[1], low(6), low(0)]),
            }
        }
        self.0.extend_from_slice(&u16::try_from(bytes.len()).map_err(rejected)?.to_be_bytes());
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
    fn entry(&mut self, tag: u32, alias: &str, made: i64) -> Result<()> {
        self.number(tag);
        self.text(alias)?;
        self.0.extend_from_slice(&made.to_be_bytes());
        Ok(())
    }
    fn certificate(&mut self, der: &[u8]) -> Result<()> {
        self.text("X.509")?;
        self.sized(der)
    }
}

/// The store. A key has its chain behind it; certificates alone are trusted entries, numbered behind the first.
/// `made` is in milliseconds since 1970.
///
/// # Errors
/// When the machine has no random numbers.
pub(crate) fn write(contents: &Contents, alias: &str, password: &Secret, made: i64) -> Result<Vec<u8>> {
    // Java looks aliases up in lower case, and finds no other.
    let alias = alias.to_lowercase();
    let password = characters(password);
    let count = u32::try_from(contents.certificates.len()).map_err(rejected)?;
    let mut store = Writer(Vec::new());
    store.number(MAGIC);
    store.number(VERSION);
    if let Some(pkcs8) = &contents.key {
        store.number(1);
        store.entry(KEY, &alias, made)?;
        store.sized(&hidden(pkcs8, &password)?)?;
        store.number(count);
        for der in &contents.certificates {
            store.certificate(der)?;
        }
    } else {
        store.number(count);
        for (at, der) in contents.certificates.iter().enumerate() {
            let name = if at == 0 { alias.clone() } else { format!("{alias}-ca-{at}") };
            store.entry(TRUSTED, &name, made)?;
            store.certificate(der)?;
        }
    }
    let digest = sha1(&[&password, WHITENER, &store.0]);
    store.0.extend_from_slice(&digest);
    Ok(store.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_java_reads_them() {
        let written = |text: &str| {
            let mut writer = Writer(Vec::new());
            writer.text(text).unwrap();
            writer.0
        };
        assert_eq!(written("a1"), [0, 2, b'a', b'1']);
        assert_eq!(written("é"), [0, 2, 0xc3, 0xa9]);
        assert_eq!(written("€"), [0, 3, 0xe2, 0x82, 0xac]);
        assert_eq!(written("\u{1d11e}"), [0, 6, 0xed, 0xa0, 0xb4, 0xed, 0xb4, 0x9e]);
    }
}
