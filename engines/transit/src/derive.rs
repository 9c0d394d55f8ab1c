//! Keys made of a key and a context.
use crate::asymmetric::EdPair;
use crate::hash::Hash;
use crate::record::{Kdf, Key};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use lessor_engine::{Error, Result};
use zeroize::Zeroizing;

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// `len` bytes of key for this context, or the version's own bytes where the key is not derived.
///
/// # Errors
/// When there is no such version, or the context is missing.
pub(crate) fn bytes(key: &Key, version: u64, context: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let secret = key.version(version)?.secret()?;
    if !key.derived {
        return Ok(secret);
    }
    if context.is_empty() {
        return Err(Error::invalid(
            "missing 'context' for key derivation; the key was created using a derived key, which means additional, \
             per-request information must be included in order to perform operations with the key",
        ));
    }
    match key.kdf {
        Kdf::Hkdf => hkdf(&secret, context, len),
        Kdf::HmacCounter => Ok(counter(&secret, context)),
    }
}

/// The key pair of a derived ed25519 key for this context.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn pair(key: &Key, version: u64, context: &[u8]) -> Result<EdPair> {
    EdPair::from_seed(&bytes(key, version, context, 32)?)
}

/// HKDF with SHA-256 and no salt (RFC 5869).
fn hkdf(secret: &[u8], context: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |_| Error::Internal("the key cannot be derived".to_owned());
    let mut out = Zeroizing::new(vec![0; len]);
    let info = [context];
    let pseudorandom = Salt::new(HKDF_SHA256, &[]).extract(secret);
    pseudorandom.expand(&info, Len(len)).and_then(|okm| okm.fill(&mut out)).map_err(failed)?;
    Ok(out)
}

/// 256 bits by HMAC-SHA256 in counter mode (NIST SP 800-108), the counter from zero.
fn counter(secret: &[u8], context: &[u8]) -> Zeroizing<Vec<u8>> {
    let input = [&0u32.to_be_bytes(), context, &256u32.to_be_bytes()].concat();
    Zeroizing::new(Hash::Sha2_256.hmac(secret, &input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_is_that_of_rfc_5869() {
        // Appendix A.3: no salt, no info.
        let okm = hkdf(&[0x0b; 22], b"", 42).unwrap();
        assert_eq!(
            hex::encode(okm.as_slice()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }
}
