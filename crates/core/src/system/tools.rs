//! `sys/tools`: random bytes and digests.
use super::System;
use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::json;
use sha3::{Digest, Sha3_224};
use std::sync::Arc;

const MOST_BYTES: i64 = 131_072;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("tools/random", "Makes random bytes.", |path| path.write(random))
        .path("tools/random/{urlbytes}", "Makes that many random bytes.", |path| path.write(random_at))
        .path("tools/random/{source}/{urlbytes}", "Makes that many random bytes.", |path| path.write(random_from))
        .path("tools/hash", "Makes a digest.", |path| path.write(hash))
        .path("tools/hash/{urlalgorithm}", "Makes a digest by an algorithm.", |path| path.write(hash_at))
}

#[derive(Params)]
struct Random {
    /// How many bytes, 1 to 131072.
    #[param(default = "32")]
    bytes: i64,
    /// `base64` or `hex`.
    #[param(default = "base64")]
    format: String,
    /// `platform`, `seal` or `all`.
    #[param(default = "platform")]
    source: String,
}

#[derive(Params)]
struct RandomAt {
    /// How many bytes, 1 to 131072; or the source.
    urlbytes: String,
    /// How many bytes, where the path names the source.
    #[param(default = "32")]
    bytes: i64,
    /// `base64` or `hex`.
    #[param(default = "base64")]
    format: String,
}

#[derive(Params)]
struct RandomFrom {
    /// `platform`, `seal` or `all`.
    source: String,
    /// How many bytes, 1 to 131072.
    urlbytes: String,
    /// `base64` or `hex`.
    #[param(default = "base64")]
    format: String,
}

async fn random(_: Arc<System>, _: Context, asked: Random) -> Result<Reply> {
    make(asked.bytes, &asked.format, &asked.source)
}

async fn random_at(_: Arc<System>, _: Context, asked: RandomAt) -> Result<Reply> {
    match asked.urlbytes.as_str() {
        source @ ("platform" | "seal" | "all") => make(asked.bytes, &asked.format, source),
        bytes => make(number(bytes)?, &asked.format, "platform"),
    }
}

async fn random_from(_: Arc<System>, _: Context, asked: RandomFrom) -> Result<Reply> {
    make(number(&asked.urlbytes)?, &asked.format, &asked.source)
}

fn number(text: &str) -> Result<i64> {
    let wrong = |_| Error::invalid(format!("error parsing url-set byte count: \"{text}\" is no whole number"));
    text.parse().map_err(wrong)
}

fn make(bytes: i64, format: &str, source: &str) -> Result<Reply> {
    if bytes < 1 {
        return Err(Error::invalid("'bytes' cannot be less than 1"));
    }
    let len = usize::try_from(bytes.min(MOST_BYTES + 1)).unwrap_or_default();
    if bytes > MOST_BYTES {
        return Err(Error::invalid(format!("'bytes' should be less than {MOST_BYTES}")));
    }
    let warning = match source {
        "platform" | "all" => None,
        "seal" => Some("no seal/entropy augmentation available, using platform entropy source"),
        other => {
            let text = format!("unsupported entropy source \"{other}\"; must be \"platform\" or \"seal\", or \"all\"");
            return Err(Error::invalid(text));
        }
    };
    let mut random = vec![0_u8; len];
    rand::fill(&mut random).map_err(|_| Error::Internal("the system gives no random bytes".to_owned()))?;
    let unsupported =
        || Error::invalid(format!("unsupported encoding format \"{format}\"; must be \"hex\" or \"base64\""));
    let text = encode(&random, format).ok_or_else(unsupported)?;
    let reply = Reply::data(json!({ "random_bytes": text }));
    Ok(match warning {
        Some(warning) => reply.warn(warning),
        None => reply,
    })
}

fn encode(bytes: &[u8], format: &str) -> Option<String> {
    match format {
        "hex" => Some(hex::encode(bytes)),
        "base64" => Some(STANDARD.encode(bytes)),
        _ => None,
    }
}

#[derive(Params)]
struct Hash {
    /// The input, in base64.
    input: String,
    /// `sha2-224`, `-256`, `-384`, `-512`, or the same of `sha3`.
    #[param(default = "sha2-256")]
    algorithm: String,
    /// `hex` or `base64`.
    #[param(default = "hex")]
    format: String,
}

#[derive(Params)]
struct HashAt {
    /// The input, in base64.
    input: String,
    /// `sha2-224`, `-256`, `-384`, `-512`, or the same of `sha3`.
    urlalgorithm: String,
    /// `hex` or `base64`.
    #[param(default = "hex")]
    format: String,
}

async fn hash(_: Arc<System>, _: Context, asked: Hash) -> Result<Reply> {
    sum(&asked.input, &asked.algorithm, &asked.format)
}

async fn hash_at(_: Arc<System>, _: Context, asked: HashAt) -> Result<Reply> {
    sum(&asked.input, &asked.urlalgorithm, &asked.format)
}

fn sum(input: &str, algorithm: &str, format: &str) -> Result<Reply> {
    let input = STANDARD.decode(input).map_err(|error| {
        let reason = match error {
            base64::DecodeError::InvalidByte(at, _) => format!("illegal base64 data at input byte {at}"),
            other => other.to_string(),
        };
        Error::invalid(format!("unable to decode input as base64: {reason}"))
    })?;
    let sum = digest_of(algorithm, &input);
    let sum = sum.ok_or_else(|| Error::invalid(format!("unsupported algorithm {algorithm}")))?;
    let unsupported = || Error::invalid(format!("unsupported encoding format {format}; must be \"hex\" or \"base64\""));
    Ok(Reply::data(json!({ "sum": encode(&sum, format).ok_or_else(unsupported)? })))
}

fn digest_of(algorithm: &str, input: &[u8]) -> Option<Vec<u8>> {
    let known = match algorithm {
        "sha2-224" => &digest::SHA224,
        "sha2-256" => &digest::SHA256,
        "sha2-384" => &digest::SHA384,
        "sha2-512" => &digest::SHA512,
        // The one that aws-lc-rs does not offer.
        "sha3-224" => return Some(Sha3_224::digest(input).to_vec()),
        "sha3-256" => &digest::SHA3_256,
        "sha3-384" => &digest::SHA3_384,
        "sha3-512" => &digest::SHA3_512,
        _ => return None,
    };
    Some(digest::digest(known, input).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beginnings of the digests of `hello`, by OpenSSL 3.
    #[test]
    fn every_algorithm_is_the_one_of_its_name() {
        for (algorithm, len, start) in [
            ("sha2-224", 28, "ea09ae9c"),
            ("sha2-256", 32, "2cf24dba"),
            ("sha2-384", 48, "59e17487"),
            ("sha2-512", 64, "9b71d224"),
            ("sha3-224", 28, "b87f88c7"),
            ("sha3-256", 32, "3338be69"),
            ("sha3-384", 48, "720aea11"),
            ("sha3-512", 64, "75d527c3"),
        ] {
            let sum = digest_of(algorithm, b"hello").unwrap();
            assert_eq!((sum.len(), hex::encode(&sum[..4]).as_str()), (len, start), "{algorithm}");
        }
        assert!(digest_of("md5", b"").is_none());
    }
}
