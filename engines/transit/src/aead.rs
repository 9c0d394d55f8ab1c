//! The ciphers: a nonce, what it seals, and the tag, one behind the other.
use crate::kind::Aead;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::aead::{Aead as _, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use lessor_engine::{Error, Result};
use zeroize::Zeroizing;

/// What Go's ciphers say of a message that is not what was sealed.
const FORGED: &str = "cipher: message authentication failed";
const FORGED_CHACHA: &str = "chacha20poly1305: message authentication failed";

/// The algorithm in aws-lc-rs, which has all but XChaCha20.
fn algorithm(cipher: Aead) -> Option<&'static Algorithm> {
    match cipher {
        Aead::Aes128 => Some(&AES_128_GCM),
        Aead::Aes256 => Some(&AES_256_GCM),
        Aead::ChaCha20 => Some(&CHACHA20_POLY1305),
        Aead::XChaCha20 => None,
    }
}

fn wrong_length() -> Error {
    Error::Internal("the key or nonce does not have the cipher's length".to_owned())
}

fn less_safe(algorithm: &'static Algorithm, key: &[u8]) -> Result<LessSafeKey> {
    UnboundKey::new(algorithm, key).map(LessSafeKey::new).map_err(|_| wrong_length())
}

/// Encrypts under a nonce that must not come again with this key for another message.
pub(crate) fn seal(cipher: Aead, key: &[u8], nonce: &[u8], data: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let Some(algorithm) = algorithm(cipher) else {
        let nonce = XNonce::try_from(nonce).map_err(|_| wrong_length())?;
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| wrong_length())?;
        let sealed = cipher.encrypt(&nonce, Payload { msg: plaintext, aad: data }).map_err(|_| wrong_length())?;
        return Ok([nonce.as_slice(), &sealed].concat());
    };
    let mut out = Vec::with_capacity(nonce.len() + plaintext.len() + algorithm.tag_len());
    out.extend_from_slice(nonce);
    out.extend_from_slice(plaintext);
    let unique = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong_length())?;
    let tag = less_safe(algorithm, key)?
        .seal_in_place_separate_tag(unique, Aad::from(data), &mut out[nonce.len()..])
        .map_err(|_| wrong_length())?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

/// Decrypts what [`seal`] made.
///
/// # Errors
/// When it is too short, or key, data or message are not those that were sealed.
pub(crate) fn open(cipher: Aead, key: &[u8], data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let Some((nonce, rest)) = sealed.split_at_checked(cipher.nonce_len()) else {
        return Err(Error::invalid("invalid ciphertext length"));
    };
    let forged = || {
        let gcm = matches!(cipher, Aead::Aes128 | Aead::Aes256);
        Error::invalid(if gcm { FORGED } else { FORGED_CHACHA })
    };
    let Some(algorithm) = algorithm(cipher) else {
        let nonce = XNonce::try_from(nonce).map_err(|_| wrong_length())?;
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| wrong_length())?;
        let opened = cipher.decrypt(&nonce, Payload { msg: rest, aad: data });
        return opened.map(Zeroizing::new).map_err(|_| forged());
    };
    let mut out = Zeroizing::new(rest.to_vec());
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong_length())?;
    let len = less_safe(algorithm, key)?.open_in_place(nonce, Aad::from(data), &mut out).map_err(|_| forged())?.len();
    out.truncate(len);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Aead; 4] = [Aead::Aes128, Aead::Aes256, Aead::ChaCha20, Aead::XChaCha20];

    #[test]
    fn what_was_sealed_opens_with_the_same_key_and_data_only() {
        for cipher in ALL {
            let (key, nonce) = (vec![1; cipher.key_len()], vec![2; cipher.nonce_len()]);
            let sealed = seal(cipher, &key, &nonce, b"data", b"secret").unwrap();
            assert_eq!(sealed.len(), cipher.nonce_len() + 6 + 16);
            assert_eq!(open(cipher, &key, b"data", &sealed).unwrap().as_slice(), b"secret");
            assert!(open(cipher, &key, b"other", &sealed).is_err());
            assert!(open(cipher, &vec![3; cipher.key_len()], b"data", &sealed).is_err());
            assert!(open(cipher, &key, b"data", &sealed[..cipher.nonce_len() + 3]).is_err());
            let short = open(cipher, &key, b"data", &sealed[..5]).unwrap_err();
            assert_eq!(short.to_string(), "invalid ciphertext length");
        }
    }

    #[test]
    fn published_vectors_come_out() {
        // GCM, McGrew and Viega, test case 14 (AES-256, zero key, nonce and block).
        let sealed = seal(Aead::Aes256, &[0; 32], &[0; 12], b"", &[0; 16]).unwrap();
        assert_eq!(hex::encode(&sealed[12..]), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
        // draft-irtf-cfrg-xchacha-03, A.3.1, and RFC 8439, 2.8.2, share key, data and plaintext.
        let key: Vec<u8> = (0x80..0xa0).collect();
        let data = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let nonce: Vec<u8> = (0x40..0x58).collect();
        let sealed = seal(Aead::XChaCha20, &key, &nonce, &data, text).unwrap();
        assert!(hex::encode(&sealed).ends_with("c0875924c1c7987947deafd8780acf49"));
        let nonce = hex::decode("070000004041424344454647").unwrap();
        let sealed = seal(Aead::ChaCha20, &key, &nonce, &data, text).unwrap();
        assert!(hex::encode(&sealed).ends_with("1ae10b594f09e26a7e902ecbd0600691"));
    }
}
