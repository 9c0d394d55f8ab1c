//! `keys/`: making, importing, showing and deleting keys.
use crate::algorithm::Algorithm;
use crate::record::{KEYS, Key, key, secret, used};
use crate::{Totp, barcode, url};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::BASE32_NOPAD;
use lessor_engine::{Changes, Context, Error, Outcome, Params, Reply, Result, Seconds, Secret};
use serde_json::{Map, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Pixels a side.
const LARGEST_QR: i64 = 4096;
/// Bytes.
const LARGEST_KEY: i64 = 1024;

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the key.
    name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the key.
    name: String,
    /// Whether the key is made here; otherwise `key` or `url` brings it.
    generate: bool,
    /// Whether a key made here is answered, as URL and QR code.
    #[param(default = "true")]
    exported: bool,
    /// Length of a key made here, in bytes.
    #[param(default = "20")]
    key_size: i64,
    /// A URL `otpauth://totp/…` that brings a key with its parameters.
    #[param(secret)]
    url: Secret,
    /// A key in base32.
    #[param(secret)]
    key: Secret,
    /// Who issued the key. Required for a key made here.
    issuer: String,
    /// The account the key belongs to. Required for a key made here.
    account_name: String,
    /// How long a code is valid.
    #[param(default = "30")]
    period: Seconds,
    /// Digest: SHA1, SHA256 or SHA512.
    #[param(default = "SHA1")]
    algorithm: String,
    /// Digits of a code: 6 or 8.
    #[param(default = "6")]
    digits: i64,
    /// How many periods before and behind the current one are accepted: 0 or 1.
    #[param(default = "1")]
    skew: i64,
    /// Pixels a side of the QR code; 0 for none.
    #[param(default = "200")]
    qr_size: i64,
}

/// What a URL says replaces what stands beside it.
fn with_url(mut asked: Write) -> Result<Write> {
    if asked.generate && !asked.key.is_empty() {
        return Err(Error::invalid("a key should not be passed if generate is true"));
    }
    if asked.url.is_empty() {
        return Ok(asked);
    }
    if asked.generate {
        return Err(Error::invalid("a url should not be passed if generate is true"));
    }
    let parsed = url::parse(asked.url.expose())?;
    asked.key = parsed.secret.into();
    asked.issuer = parsed.issuer.unwrap_or(asked.issuer);
    asked.account_name = parsed.account_name;
    asked.digits = parsed.digits.unwrap_or(asked.digits);
    asked.algorithm = parsed.algorithm.unwrap_or(asked.algorithm);
    if let Some(period) = parsed.period {
        asked.period = Seconds(u64::try_from(period).unwrap_or_default());
    }
    Ok(asked)
}

fn size(name: &str, asked: i64, range: std::ops::RangeInclusive<i64>, below: &str) -> Result<usize> {
    if asked < *range.start() {
        return Err(Error::Invalid(format!("the {name} value must be {below}")));
    }
    if asked > *range.end() {
        return Err(Error::Invalid(format!("the {name} value must be at most {}", range.end())));
    }
    usize::try_from(asked).map_err(|_| Error::Invalid(format!("the {name} value must be {below}")))
}

/// The key that is asked for, checked.
fn planned(asked: &Write) -> Result<Key> {
    let digits = match asked.digits {
        6 => 6,
        8 => 8,
        _ => return Err(Error::invalid("the digits value can only be 6 or 8")),
    };
    let algorithm = Algorithm::named(&asked.algorithm);
    let algorithm = algorithm.ok_or_else(|| Error::invalid("the algorithm value is not valid"))?;
    if asked.period.0 == 0 {
        return Err(Error::invalid("the period value must be greater than zero"));
    }
    let skew = u64::try_from(asked.skew).ok().filter(|skew| *skew <= 1);
    let skew = skew.ok_or_else(|| Error::invalid("the skew value must be 0 or 1"))?;
    let key_size = size("key_size", asked.key_size, 1..=LARGEST_KEY, "greater than zero")?;
    let secret = if asked.generate {
        if asked.account_name.is_empty() {
            return Err(Error::invalid("the account_name value is required for generated keys"));
        }
        if asked.issuer.is_empty() {
            return Err(Error::invalid("the issuer value is required for generated keys"));
        }
        random(key_size)?
    } else if asked.key.is_empty() {
        return Err(Error::invalid("the key value is required"));
    } else {
        secret(asked.key.expose())?
    };
    let (issuer, account_name) = (asked.issuer.clone(), asked.account_name.clone());
    Ok(Key { secret, issuer, account_name, period: asked.period, algorithm, digits, skew })
}

fn random(len: usize) -> Result<Secret> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    let failed = |_| Error::Internal("the system gives no randomness".to_owned());
    aws_lc_rs::rand::fill(&mut bytes).map_err(failed)?;
    Ok(Secret::new(BASE32_NOPAD.encode(&bytes)))
}

/// URL and QR code.
fn exported(key: &Key, qr_size: usize) -> Result<Map<String, serde_json::Value>> {
    let url = url::write(key);
    let mut data = Map::new();
    if qr_size > 0 {
        data.insert("barcode".to_owned(), json!(STANDARD.encode(barcode::png(&url, qr_size)?)));
    }
    data.insert("url".to_owned(), json!(url));
    Ok(data)
}

pub(crate) async fn write(_: Arc<Totp>, cx: Context, asked: Write) -> Result<Reply> {
    let asked = with_url(asked)?;
    let made = planned(&asked)?;
    let qr_size = size("qr_size", asked.qr_size, 0..=LARGEST_QR, "greater than or equal to zero")?;
    let reply =
        if asked.generate && asked.exported { Outcome::Data(exported(&made, qr_size)?).into() } else { Reply::empty() };
    // Codes of an earlier key of this name say nothing about this one.
    cx.view.commit(Changes::new().put(&key(&asked.name), &made)?.delete(&used(&asked.name))).await?;
    Ok(reply)
}

pub(crate) async fn read(_: Arc<Totp>, cx: Context, at: Named) -> Result<Reply> {
    let Some(found) = cx.view.get::<Key>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "account_name": found.account_name,
        "algorithm": found.algorithm.name(),
        "digits": found.digits,
        "issuer": found.issuer,
        "period": found.period,
    })))
}

pub(crate) async fn list(_: Arc<Totp>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list(KEYS).await?))
}

pub(crate) async fn delete(_: Arc<Totp>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.commit(Changes::new().delete(&key(&at.name)).delete(&used(&at.name))).await?;
    Ok(Reply::empty())
}
