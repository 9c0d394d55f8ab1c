//! `random/` and `hash/`: no key is involved.
use crate::encoding;
use crate::hash::Hash;
use crate::record::random_bytes;
use crate::store::Keyring;
use lessor_engine::{Context, Error, Params, Reply, Result, Secret};
use serde_json::json;
use std::sync::Arc;

const MAX_RANDOM: usize = 128 * 1024;

#[derive(Params)]
pub(crate) struct Random {
    /// Where the bytes come from (`platform`, `seal` or `all`), or their number.
    source: String,
    /// Number of bytes, from the path.
    urlbytes: String,
    /// Number of bytes.
    #[param(default = "32")]
    bytes: i64,
    /// `base64` or `hex`.
    #[param(default = "base64")]
    format: String,
}

#[derive(Params)]
pub(crate) struct Digest {
    /// What to digest, in base64.
    #[param(secret)]
    input: Option<Secret>,
    /// `sha2-224`, `-256`, `-384`, `-512`, or the same of `sha3`.
    #[param(default = "sha2-256")]
    algorithm: String,
    /// The algorithm, from the path.
    urlalgorithm: String,
    /// `hex` or `base64`.
    #[param(default = "hex")]
    format: String,
}

fn format(name: &str, quoted: &str, bytes: &[u8]) -> Result<String> {
    match name {
        "hex" => Ok(hex::encode(bytes)),
        "base64" => Ok(encoding::encode(bytes)),
        _ => Err(Error::Invalid(format!("unsupported encoding format {quoted}; must be \"hex\" or \"base64\""))),
    }
}

fn is_source(text: &str) -> bool {
    matches!(text, "" | "platform" | "seal" | "all")
}

fn count(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::Invalid(format!("error parsing url-set byte count: {text:?} is no number")))
}

pub(crate) async fn random(_: Arc<Keyring>, _: Context, asked: Random) -> Result<Reply> {
    let (source, bytes) = match (asked.source.as_str(), asked.urlbytes.as_str()) {
        (source, "") if is_source(source) => (source, asked.bytes),
        // One word behind `random/` that names no source is a number.
        (number, "") => ("", count(number)?),
        (source, number) => (source, count(number)?),
    };
    if bytes < 1 {
        return Err(Error::invalid("'bytes' cannot be less than 1"));
    }
    let len = usize::try_from(bytes).ok().filter(|len| *len <= MAX_RANDOM);
    let len = len.ok_or_else(|| Error::Invalid(format!("'bytes' should be less than {MAX_RANDOM}")))?;
    if !is_source(source) {
        let text = format!("unsupported entropy source {source:?}; must be \"platform\" or \"seal\", or \"all\"");
        return Err(Error::Invalid(text));
    }
    let text = format(&asked.format, &format!("{:?}", asked.format), &random_bytes(len)?)?;
    let reply = Reply::data(json!({ "random_bytes": text }));
    if source == "seal" {
        return Ok(reply.warn("no seal/entropy augmentation available, using platform entropy source"));
    }
    Ok(reply)
}

pub(crate) async fn hash(_: Arc<Keyring>, _: Context, asked: Digest) -> Result<Reply> {
    let input = asked.input.ok_or_else(|| Error::invalid("input missing"))?;
    let input = encoding::decode(input.expose());
    let input = input.map_err(|error| Error::Invalid(format!("unable to decode input as base64: {error}")))?;
    let name = if asked.urlalgorithm.is_empty() { &asked.algorithm } else { &asked.urlalgorithm };
    // SHA-1 is offered for signatures that others made, not for new sums.
    let hash = Hash::named(name).filter(|hash| *hash != Hash::Sha1);
    let hash = hash.ok_or_else(|| Error::Invalid(format!("unsupported algorithm {name}")))?;
    Ok(Reply::data(json!({ "sum": format(&asked.format, &asked.format, &hash.digest(&input))? })))
}
