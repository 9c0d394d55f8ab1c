//! One key, one message: AES-256-GCM with a random nonce (NIST SP 800-38D).
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::fill;
use lessor_storage::{Error, Result};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What encryption adds to a value: nonce and tag.
pub const OVERHEAD: usize = NONCE_LEN + 16;

/// 256 bits, wiped on drop, shown by nothing.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// A random key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        fill(&mut bytes).map_err(|_| Error::Unavailable("the system gives no random numbers".into()))?;
        Ok(Self(bytes))
    }
    /// Takes 32 bytes; `None` for another number of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A key with its schedule, which costs more to compute than a small value to encrypt. The library wipes it on drop.
pub struct Cipher(LessSafeKey);

impl Cipher {
    /// Computes the schedule.
    ///
    /// # Errors
    /// When the library refuses the key.
    pub fn new(key: &Key) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &key.0);
        key.map(LessSafeKey::new).map(Self).map_err(|_| Error::Unavailable("the key cannot be used".into()))
    }
    /// Appends what [`encrypt`] returns to `sealed`.
    ///
    /// # Errors
    /// As [`encrypt`].
    pub fn encrypt(&self, context: &[u8], plain: &[u8], sealed: &mut Vec<u8>) -> Result<()> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce).map_err(|_| Error::Unavailable("the system gives no random numbers".into()))?;
        sealed.reserve(OVERHEAD + plain.len());
        sealed.extend_from_slice(&nonce);
        let begin = sealed.len();
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(context), &mut sealed[begin..]);
        let tag = tag.map_err(|_| Error::Unavailable("the value is too large to encrypt".into()))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(())
    }
    /// As [`decrypt`].
    pub fn decrypt(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(context), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

/// `nonce ciphertext tag`, bound to `context`.
///
/// # Errors
/// When the system has no randomness to give.
pub fn encrypt(key: &Key, context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = Vec::new();
    Cipher::new(key)?.encrypt(context, plain, &mut sealed)?;
    Ok(sealed)
}

/// The reverse; `None` when key, context or a single bit is not the same.
pub fn decrypt(key: &Key, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    Cipher::new(key).ok()?.decrypt(context, sealed)
}
