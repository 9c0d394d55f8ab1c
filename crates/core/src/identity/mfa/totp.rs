//! Time-based one-time passwords (RFC 6238). A code is good once, and guesses are counted, both in storage: of two logins
//! with one code at the same time, on whatever nodes, one succeeds.
use super::Method;
use crate::identity::Identity;
use crate::identity::tx::{Tx, secrets_of};
use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use lessor_engine::{Error, Result, Secret};
use serde::{Deserialize, Serialize};

/// The hash behind the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hash {
    SHA1,
    SHA256,
    SHA512,
}

impl Hash {
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "SHA1" => Ok(Self::SHA1),
            "SHA256" => Ok(Self::SHA256),
            "SHA512" => Ok(Self::SHA512),
            _ => Err(Error::invalid("unrecognized algorithm")),
        }
    }
    pub fn word(self) -> &'static str {
        match self {
            Self::SHA1 => "SHA1",
            Self::SHA256 => "SHA256",
            Self::SHA512 => "SHA512",
        }
    }
}

/// What authenticator apps are told, and how codes are checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub issuer: String,
    /// Seconds.
    pub period: u64,
    pub algorithm: Hash,
    pub digits: u32,
    /// Periods before and after the current one whose codes are good too.
    pub skew: u64,
    /// Bytes.
    pub key_size: usize,
    /// Pixels.
    pub qr_size: i64,
    /// Wrong codes within one period, until the next one begins.
    pub max_attempts: u32,
}

/// What is kept of an entity's secret for one method.
#[derive(Serialize, Deserialize)]
struct Enrolled {
    /// Hexadecimal.
    #[serde(with = "lessor_engine::secret::at_rest")]
    secret: Secret,
    /// The period of the last code that was taken.
    used: u64,
    /// The period that `failures` counts in.
    counted: u64,
    failures: u32,
}

fn enrolled_key(entity: &str, method: &str) -> String {
    format!("{}{method}", secrets_of(entity))
}

/// The code of a period.
fn code(settings: &Settings, secret: &[u8], period: u64) -> String {
    let algorithm = match settings.algorithm {
        Hash::SHA1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::SHA256 => hmac::HMAC_SHA256,
        Hash::SHA512 => hmac::HMAC_SHA512,
    };
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), &period.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226, section 5.3: the last four bits say where the number begins; every hash is longer than 19 bytes.
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    format!("{:0width$}", number % 10_u32.pow(settings.digits), width = settings.digits as usize)
}

impl Identity {
    /// A fresh secret for an entity, as the URL that authenticator apps read; `None` where it has one already.
    pub(super) async fn enrol(
        &self,
        ns: &str,
        method: &Method,
        settings: &Settings,
        entity: &str,
    ) -> Result<Option<Secret>> {
        let mut tx = self.begin(ns);
        if tx.entity(entity).await?.is_none() {
            return Err(Error::invalid("invalid entity ID"));
        }
        let key = enrolled_key(entity, &method.id);
        if tx.get::<Enrolled>(&key).await?.is_some() {
            return Ok(None);
        }
        let mut secret = zeroize::Zeroizing::new(vec![0; settings.key_size]);
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| Error::Internal("the system gives no random numbers".into()))?;
        let enrolled = Enrolled { secret: Secret::new(hex::encode(&*secret)), used: 0, counted: 0, failures: 0 };
        tx.put(key, &enrolled)?;
        if !tx.commit(&mut 0).await? {
            return Ok(None);
        }
        let issuer = escape(&settings.issuer);
        Ok(Some(Secret::new(format!(
            "otpauth://totp/{issuer}:{entity}?algorithm={}&digits={}&issuer={issuer}&period={}&secret={}",
            settings.algorithm.word(),
            settings.digits,
            settings.period,
            BASE32_NOPAD.encode(&secret)
        ))))
    }
    /// Forgets an entity's secret; none is success.
    pub(super) async fn unenrol(&self, ns: &str, method: &str, entity: &str) -> Result<()> {
        let mut tx = self.begin(ns);
        if tx.entity(entity).await?.is_none() {
            return Err(Error::invalid("invalid entity ID"));
        }
        tx.delete(enrolled_key(entity, method));
        tx.commit_writes().await
    }
    /// Checks a code and uses it up. The inner error is why it is not good.
    pub(super) async fn check_totp(
        &self,
        ns: &str,
        method: &str,
        settings: &Settings,
        entity: &str,
        given: &str,
    ) -> Result<std::result::Result<(), String>> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(ns);
            let verdict = verdict(&mut tx, method, settings, entity, given).await?;
            if tx.commit(&mut tries).await? {
                return Ok(verdict);
            }
        }
    }
}

async fn verdict(
    tx: &mut Tx,
    method: &str,
    settings: &Settings,
    entity: &str,
    given: &str,
) -> Result<std::result::Result<(), String>> {
    let key = enrolled_key(entity, method);
    let Some(mut enrolled) = tx.get::<Enrolled>(&key).await? else {
        return Ok(Err(format!("MFA secret for method ID {method:?} not present in entity {entity:?}")));
    };
    let now = u64::try_from(tx.now.as_second()).unwrap_or_default();
    let current = now / settings.period;
    if enrolled.counted != current {
        (enrolled.counted, enrolled.failures) = (current, 0);
    }
    if enrolled.failures >= settings.max_attempts {
        let left = (current + 1) * settings.period - now;
        return Ok(Err(format!(
            "maximum TOTP validation attempts {} exceeded the allowed attempts {}. Please try again in {left} seconds",
            enrolled.failures + 1,
            settings.max_attempts
        )));
    }
    let secret = hex::decode(enrolled.secret.expose()).map(zeroize::Zeroizing::new);
    let secret = secret.map_err(|_| Error::Internal("an MFA secret is damaged".to_owned()))?;
    let periods = current.saturating_sub(settings.skew)..=current + settings.skew;
    let fits = |period: &u64| {
        let right = code(settings, &secret, *period);
        aws_lc_rs::constant_time::verify_slices_are_equal(right.as_bytes(), given.as_bytes()).is_ok()
    };
    let verdict = match periods.into_iter().find(fits) {
        Some(period) if period > enrolled.used => {
            enrolled.used = period;
            Ok(())
        }
        Some(_) => {
            enrolled.failures += 1;
            Err("code already used; new code is available in the next period".to_owned())
        }
        None => {
            enrolled.failures += 1;
            Err("MFA credentials not supplied or incorrect".to_owned())
        }
    };
    tx.put(key, &enrolled)?;
    Ok(verdict)
}

/// As a part of a URL.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (algorithm, secret, expected) in [
            (Hash::SHA1, "12345678901234567890", "94287082"),
            (Hash::SHA256, "12345678901234567890123456789012", "46119246"),
            (Hash::SHA512, "1234567890123456789012345678901234567890123456789012345678901234", "90693936"),
        ] {
            let settings = Settings {
                issuer: String::new(),
                period: 30,
                algorithm,
                digits: 8,
                skew: 1,
                key_size: 20,
                qr_size: 0,
                max_attempts: 5,
            };
            assert_eq!(code(&settings, secret.as_bytes(), 59 / 30), expected);
        }
    }
}
