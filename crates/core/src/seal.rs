//! Who can unseal: a root key encrypts the barrier's keyring, and lies itself encrypted under the unseal key, which
//! is split into key shares (`shamir`), or is kept by somebody who unseals by himself (a [`Seal`]: a key of the
//! configuration, a KMS, an HSM). A node with such a seal has recovery key shares in the place of key shares: they
//! prove that enough people agree, and unseal nothing.
pub(crate) mod gathering;
pub(crate) mod health;
pub mod shamir;
mod static_key;
mod store;
pub(crate) mod stored;

pub(crate) use gathering::Gathering;
pub use static_key::StaticSeal;
pub use store::{CONFIG as RECORD, Holders, SealConfig, SealStore};
pub(crate) use store::{Fit, Quorum};

use crate::barrier::Key;
use async_trait::async_trait;
use lessor_engine::{Error, Result};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Bound of one call to a seal.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a seal did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It gives no answer: asking again later may help.
    #[error("the seal cannot be reached: {0}")]
    Unavailable(String),
    /// It answered, and refused: key, permission or input is wrong.
    #[error("the seal refused: {0}")]
    Refused(String),
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Unavailable(_) => Self::Unavailable(error.to_string()),
            SealError::Refused(_) => Self::Refused { status: 500, message: error.to_string() },
        }
    }
}

/// What a seal decrypted.
pub struct Unwrapped {
    /// The plain bytes.
    pub plain: Zeroizing<Vec<u8>>,
    /// Whether it was encrypted under a key that is to be given up: then it is encrypted anew.
    pub stale: bool,
}

/// Somebody who keeps a key and encrypts with it: a KMS, an HSM, the configuration.
#[async_trait]
pub trait Seal: Send + Sync {
    /// The word of `sys/seal-status` and of the configuration: `transit`, `awskms`.
    fn kind(&self) -> &'static str;
    /// Encrypts a few bytes.
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError>;
    /// Decrypts what [`Seal::wrap`] gave.
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError>;
    /// Whether it does its work now.
    async fn health(&self) -> Result<(), SealError> {
        const PROBE: &[u8] = b"a probe, and no secret";
        let wrapped = self.wrap(PROBE).await?;
        let back = self.unwrap(&wrapped).await?;
        if back.plain.as_slice() == PROBE { Ok(()) } else { Err(not_the_same()) }
    }
}

fn not_the_same() -> SealError {
    SealError::Refused("it decrypts to something else than what it encrypted".into())
}

/// How the unseal key is come by.
#[derive(Clone)]
pub enum SealKind {
    /// Key shares, given by people.
    Shamir,
    /// Somebody keeps it; the node unseals by itself.
    Auto(Arc<dyn Seal>),
}

impl SealKind {
    /// The word of `sys/seal-status`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Shamir => "shamir",
            Self::Auto(seal) => seal.kind(),
        }
    }
}

/// The seal of a node, and the one it is to be moved away from.
#[derive(Clone)]
pub struct Seals {
    /// The one that is to be used.
    pub current: SealKind,
    /// The one with `disabled = "true"` in the configuration.
    pub leaving: Option<Arc<dyn Seal>>,
    /// How its health is watched.
    pub watch: Watch,
}

impl From<SealKind> for Seals {
    fn from(current: SealKind) -> Self {
        Self { current, leaving: None, watch: Watch::default() }
    }
}

/// When an automatic seal is asked whether it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Whether at all.
    pub enabled: bool,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often while it works.
    pub interval: Duration,
    /// How often while it does not.
    pub interval_unhealthy: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            enabled: true,
            timeout: Duration::from_secs(60),
            interval: Duration::from_secs(600),
            interval_unhealthy: Duration::from_secs(60),
        }
    }
}

/// Bounds one call to a seal.
pub(crate) async fn bounded<T>(call: impl Future<Output = Result<T, SealError>>) -> Result<T, SealError> {
    let late = |_| Err(SealError::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs())));
    tokio::time::timeout(TIMEOUT, call).await.unwrap_or_else(late)
}

/// Encrypts `key`, and sees that it can be decrypted again before anybody relies on it.
pub(crate) async fn wrap_checked(seal: &dyn Seal, key: &Key) -> Result<Vec<u8>, SealError> {
    let wrapped = bounded(seal.wrap(key.expose())).await?;
    let back = bounded(seal.unwrap(&wrapped)).await?;
    if back.plain.as_slice() == key.expose() { Ok(wrapped) } else { Err(not_the_same()) }
}

/// A key and its shares, each 33 bytes, or 32 where there is only one.
pub struct Shared {
    /// The key.
    pub key: Key,
    /// Its shares.
    pub shares: Vec<Share>,
}

/// One key share.
pub type Share = Zeroizing<Vec<u8>>;

/// A random key in `shares` shares.
///
/// # Errors
/// When the system has no randomness to give or the numbers make no sense.
pub fn new_shared(shares: u8, threshold: u8) -> Result<Shared> {
    let key = Key::random()?;
    let parts = if shares == 1 {
        vec![Zeroizing::new(key.expose().to_vec())]
    } else {
        shamir::split(key.expose(), shares, threshold).map_err(|error| Error::invalid(error.to_string()))?
    };
    Ok(Shared { key, shares: parts })
}

/// The key that shares give; `None` when they cannot belong together.
pub fn join(shares: &[Share]) -> Option<Key> {
    match shares {
        [one] => Key::from_bytes(one),
        many => Key::from_bytes(&shamir::combine(many).ok()?),
    }
}

/// Reads one key share as people send it: hexadecimal or base64.
///
/// # Errors
/// When it is neither, or has a length that no share has.
pub fn read_share(text: &str) -> Result<Share> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes = hex::decode(text).ok().or_else(|| STANDARD.decode(text).ok()).map(Zeroizing::new);
    match bytes {
        None => Err(Error::invalid("'key' must be a valid hex or base64 string")),
        Some(bytes) if bytes.len() < 16 => Err(Error::invalid("invalid key: key is shorter than minimum 16 bytes")),
        Some(bytes) if bytes.len() > 33 => Err(Error::invalid("invalid key: key is longer than maximum 33 bytes")),
        Some(bytes) => Ok(bytes),
    }
}

/// Checks the numbers of a new seal, in the words of the field.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_numbers(shares: i64, threshold: i64) -> Result<(u8, u8)> {
    let problem = match (shares, threshold) {
        (..1, _) => "shares must be at least one",
        (_, ..1) => "threshold must be at least one",
        (s, t) if t > s => "threshold cannot be larger than shares",
        (s, 1) if s > 1 => "threshold must be greater than one for multiple shares",
        (s, _) if s > 255 => "shares must be less than 256",
        _ => "",
    };
    match (u8::try_from(shares), u8::try_from(threshold)) {
        (Ok(shares), Ok(threshold)) if problem.is_empty() => Ok((shares, threshold)),
        _ => Err(Error::invalid(format!("invalid seal configuration: {problem}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_sense_are_refused_in_the_fields_words() {
        for (shares, threshold, text) in [
            (0, 1, "shares must be at least one"),
            (1, 0, "threshold must be at least one"),
            (2, 3, "threshold cannot be larger than shares"),
            (3, 1, "threshold must be greater than one for multiple shares"),
            (256, 2, "shares must be less than 256"),
        ] {
            let error = check_numbers(shares, threshold).unwrap_err().to_string();
            assert_eq!(error, format!("invalid seal configuration: {text}"));
        }
        assert_eq!(check_numbers(5, 3).unwrap(), (5, 3));
    }

    #[test]
    fn a_share_is_hexadecimal_or_base64_and_of_a_shares_length() {
        assert_eq!(read_share(&"ab".repeat(33)).unwrap().len(), 33);
        assert_eq!(read_share("q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=").unwrap().len(), 32);
        assert!(read_share("?").unwrap_err().to_string().contains("hex or base64"));
        assert!(read_share("aabb").unwrap_err().to_string().contains("minimum 16 bytes"));
        assert!(read_share(&"ab".repeat(34)).unwrap_err().to_string().contains("maximum 33 bytes"));
    }

    struct Forgetful;

    #[async_trait]
    impl Seal for Forgetful {
        fn kind(&self) -> &'static str {
            "forgetful"
        }
        async fn wrap(&self, _: &[u8]) -> Result<Vec<u8>, SealError> {
            Ok(vec![1])
        }
        async fn unwrap(&self, _: &[u8]) -> Result<Unwrapped, SealError> {
            Ok(Unwrapped { plain: Zeroizing::new(vec![2]), stale: false })
        }
    }

    struct Silent;

    #[async_trait]
    impl Seal for Silent {
        fn kind(&self) -> &'static str {
            "silent"
        }
        async fn wrap(&self, _: &[u8]) -> Result<Vec<u8>, SealError> {
            std::future::pending().await
        }
        async fn unwrap(&self, _: &[u8]) -> Result<Unwrapped, SealError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_relies_on_a_seal_that_cannot_decrypt_what_it_encrypted_or_does_not_answer() {
        let key = Key::random().unwrap();
        assert!(matches!(wrap_checked(&Forgetful, &key).await, Err(SealError::Refused(_))));
        assert!(Forgetful.health().await.is_err());
        assert!(matches!(wrap_checked(&Silent, &key).await, Err(SealError::Unavailable(_))));
    }
}
