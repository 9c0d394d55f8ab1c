//! What is stored about a key.
use crate::algorithm::Algorithm;
use data_encoding::BASE32_NOPAD;
use lessor_engine::{Context, Error, Result, Seconds, Secret};
use serde::{Deserialize, Serialize};

pub(crate) const KEYS: &str = "keys/";

/// A key; its codes are made here, or come from elsewhere and are checked here.
#[derive(Serialize, Deserialize)]
pub(crate) struct Key {
    /// Base32, in capitals, without padding.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) secret: Secret,
    pub(crate) issuer: String,
    pub(crate) account_name: String,
    /// Length of a time step; never 0.
    pub(crate) period: Seconds,
    pub(crate) algorithm: Algorithm,
    /// 6 or 8.
    pub(crate) digits: u32,
    /// How many steps before and behind the current one are taken for it: 0 or 1.
    pub(crate) skew: u64,
}

/// The steps whose codes were accepted and might come again.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) steps: Vec<u64>,
}

pub(crate) fn key(name: &str) -> String {
    format!("{KEYS}{name}")
}

pub(crate) fn used(name: &str) -> String {
    format!("used/{name}")
}

/// Secret text as people write it, in the form it is kept.
///
/// # Errors
/// When it is no base32.
pub(crate) fn secret(text: &str) -> Result<Secret> {
    let plain = Secret::new(text.trim().trim_end_matches('=').to_ascii_uppercase());
    match BASE32_NOPAD.decode(plain.expose().as_bytes()) {
        Ok(_) => Ok(plain),
        Err(error) => {
            let text = format!("invalid key value: illegal base32 data at input byte {}", error.position);
            Err(Error::Invalid(text))
        }
    }
}

impl Key {
    /// The secret's bytes.
    pub(crate) fn bytes(&self) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let bytes = BASE32_NOPAD.decode(self.secret.expose().as_bytes());
        bytes.map(zeroize::Zeroizing::new).map_err(|_| Error::Internal("a stored key is damaged".to_owned()))
    }

    /// The current time step.
    pub(crate) fn step(&self, cx: &Context) -> u64 {
        seconds(cx) / self.period.0.max(1)
    }
}

/// Seconds since 1970; 0 before.
pub(crate) fn seconds(cx: &Context) -> u64 {
    u64::try_from(cx.now().as_second()).unwrap_or_default()
}

/// The key of this name.
///
/// # Errors
/// When there is none.
pub(crate) async fn load(cx: &Context, name: &str) -> Result<Key> {
    let found = cx.view.get(&key(name)).await?;
    found.ok_or_else(|| Error::Invalid(format!("unknown key: {name}")))
}
