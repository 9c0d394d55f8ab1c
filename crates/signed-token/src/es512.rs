//! ECDSA on the curve P-521 with SHA-512 (RFC 7518, section 3.4), which the library for tokens leaves out.
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use jsonwebtoken::{AlgorithmFamily, DecodingKey};

/// Whether the key made the signature; keys of other kinds and curves made none.
pub(crate) fn made(key: &DecodingKey, message: &[u8], signature: &[u8]) -> bool {
    // Of this family the bytes are the point itself.
    key.family() == AlgorithmFamily::Ec
        && UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, key.as_bytes()).verify(message, signature).is_ok()
}
