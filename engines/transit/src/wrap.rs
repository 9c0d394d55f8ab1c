//! Keys wrapped for the way (`CKM_RSA_AES_KEY_WRAP` of PKCS #11): OAEP hides a fresh AES key, and AES-KWP (RFC 5649)
//! under it hides the key itself.
use crate::asymmetric::RsaPair;
use crate::record::random_bytes;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
};
use lessor_engine::{Error, Result};
use zeroize::Zeroizing;

const AES_KEY: usize = 32;
/// What AES-KWP adds: its header, and padding to whole blocks.
const OVERHEAD: usize = 16;

/// The algorithm of a digest's name.
///
/// # Errors
/// When there is none.
pub(crate) fn oaep(name: &str) -> Result<&'static OaepAlgorithm> {
    match name.to_ascii_uppercase().as_str() {
        "SHA1" => Ok(&OAEP_SHA1_MGF1SHA1),
        "SHA256" => Ok(&OAEP_SHA256_MGF1SHA256),
        "SHA384" => Ok(&OAEP_SHA384_MGF1SHA384),
        "SHA512" => Ok(&OAEP_SHA512_MGF1SHA512),
        "SHA224" => Err(Error::invalid("hash function SHA224 is not supported: use SHA256")),
        _ => Err(Error::Invalid(format!("unknown hash function: {name}"))),
    }
}

fn kek(key: &[u8]) -> Result<AesKek> {
    AesKek::new(&AES_256, key).map_err(|_| Error::invalid("expected ephemeral AES key to be 256-bit"))
}

/// Wraps a key.
pub(crate) fn wrap(with: &RsaPair, hash: &'static OaepAlgorithm, plain: &[u8]) -> Result<Vec<u8>> {
    let ephemeral = random_bytes(AES_KEY)?;
    let mut wrapped = vec![0; plain.len() + OVERHEAD];
    let failed = |_| Error::invalid("failed to wrap target key for import");
    let len = kek(&ephemeral)?.wrap_with_padding(plain, &mut wrapped).map_err(failed)?.len();
    wrapped.truncate(len);
    Ok([with.encrypt(hash, &ephemeral)?, wrapped].concat())
}

/// Unwraps what [`wrap`] made.
///
/// # Errors
/// When it was wrapped for another key, or tampered with.
pub(crate) fn unwrap(with: &RsaPair, hash: &'static OaepAlgorithm, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let modulus = with.size();
    if wrapped.len() <= modulus {
        return Err(Error::invalid("provided ciphertext is too short"));
    }
    let (ephemeral, key) = wrapped.split_at(modulus);
    let refuse = || Error::invalid("the ciphertext was not wrapped with this mount's wrapping key and hash function");
    let ephemeral = with.decrypt(hash, ephemeral).map_err(|_| refuse())?;
    let mut plain = Zeroizing::new(vec![0; key.len()]);
    let len = kek(&ephemeral)?.unwrap_with_padding(key, &mut plain).map_err(|_| refuse())?.len();
    plain.truncate(len);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_key_wrap_is_that_of_rfc_5649() {
        // Section 6 is for AES-192; the form is checked by taking apart what was put together, for every length.
        let kek_bytes = [7; AES_KEY];
        for len in 1..=40 {
            let plain = vec![9; len];
            let mut wrapped = vec![0; len + OVERHEAD];
            let out = kek(&kek_bytes).unwrap().wrap_with_padding(&plain, &mut wrapped).unwrap().to_vec();
            assert_eq!(out.len(), len.div_ceil(8) * 8 + 8);
            let mut back = vec![0; out.len()];
            assert_eq!(kek(&kek_bytes).unwrap().unwrap_with_padding(&out, &mut back).unwrap(), plain);
        }
    }

    #[test]
    fn unknown_digests_are_named() {
        assert!(oaep("sha512").is_ok());
        assert_eq!(oaep("MD5").err().unwrap().to_string(), "unknown hash function: MD5");
    }
}
