//! `hmac/`, and what `verify/` does with an `hmac`.
use crate::batch::{Item, Items, OnFailure, Results};
use crate::cipher::{tag, untag};
use crate::encoding;
use crate::hash::Hash;
use crate::record::Key;
use crate::store::Keyring;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use lessor_engine::{Any, Context, Error, Params, Reply, Result, Secret};
use serde_json::{Map, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Hmac {
    /// Name of the key.
    name: String,
    /// What to compute the HMAC of, in base64.
    #[param(secret)]
    input: Option<Secret>,
    /// Digest: `sha1`, `sha2-224`, `-256`, `-384`, `-512`, or the same of `sha3`.
    #[param(default = "sha2-256")]
    algorithm: String,
    /// The digest, from the path.
    urlalgorithm: String,
    /// Version to use; 0 is the latest.
    key_version: i64,
    /// Several items instead of one: objects of `input` and `reference`.
    #[param(secret)]
    batch_input: Any,
}

fn version(key: &Key, asked: i64) -> Result<u64> {
    let Ok(asked) = u64::try_from(asked) else {
        return Err(Error::invalid("key version does not exist (cannot be negative)"));
    };
    let latest = key.latest();
    if asked == 0 || asked == latest {
        return Ok(latest);
    }
    if asked < key.min_encryption_version {
        return Err(Error::invalid("cannot generate HMAC: version is too old (disallowed by policy)"));
    }
    if asked > latest {
        return Err(Error::Invalid(format!("key version does not exist; latest key version is {latest}")));
    }
    Ok(asked)
}

/// An item's `input`.
pub(crate) fn input(item: &Item, missing: &str) -> Result<Vec<u8>> {
    let text = item.get("input").ok_or_else(|| Error::invalid(missing))?;
    encoding::decode(text).map_err(|error| Error::Invalid(format!("unable to decode input as base64: {error}")))
}

pub(crate) async fn generate(keys: Arc<Keyring>, cx: Context, asked: Hmac) -> Result<Reply> {
    let key = keys.need(&cx, &asked.name, "encryption key not found").await?;
    key.in_use()?;
    let version = version(&key, asked.key_version)?;
    let secret = key.version(version)?.hmac_key()?;
    let name = if asked.urlalgorithm.is_empty() { &asked.algorithm } else { &asked.urlalgorithm };
    let hash = Hash::named(name).ok_or_else(|| Error::Invalid(format!("unsupported algorithm {name:?}")))?;
    let items = Items::of(&asked.batch_input, || {
        let input = asked.input.as_ref().ok_or_else(|| Error::invalid("missing input for HMAC"))?;
        Ok(Item::default().with("input", input.expose()))
    })?;
    let results = items.run(key.kind, move |_, item| {
        let mac = hash.hmac(&secret, &input(item, "missing input for HMAC")?);
        Ok(Map::from_iter([("hmac".to_owned(), json!(tag(version, &encoding::encode(&mac))))]))
    });
    results.await?.reply(&json!({}), &OnFailure::Ok)
}

/// Whether every item's `hmac` is that of its `input`.
///
/// # Errors
/// When the key is put aside.
pub(crate) async fn verify(key: Arc<Key>, hash: Hash, items: Items) -> Result<Results> {
    key.in_use()?;
    let kind = key.kind;
    let work = move |_, item: &Item| {
        let input = input(item, "missing input")?;
        let tagged = item.get("hmac").ok_or_else(|| Error::invalid("missing hmac"))?;
        let valid = is_hmac(&key, hash, &input, tagged)?;
        Ok(Map::from_iter([("valid".to_owned(), json!(valid))]))
    };
    items.run(kind, work).await
}

fn is_hmac(key: &Key, hash: Hash, input: &[u8], tagged: &str) -> Result<bool> {
    if !tagged.starts_with("vault:v") {
        return Err(Error::invalid("invalid HMAC to verify: no prefix"));
    }
    let (version, encoded) = untag("HMAC", tagged)?;
    let mac = encoding::decode(encoded)
        .map_err(|error| Error::Invalid(format!("unable to decode verification HMAC as base64: {error}")))?;
    let too_old = || Error::invalid("cannot verify HMAC: version is too old (disallowed by policy)");
    let version = u64::try_from(version).map_err(|_| too_old())?;
    if version > key.latest() {
        return Err(Error::invalid("invalid HMAC: version is too new"));
    }
    if version < key.min_decryption_version {
        return Err(too_old());
    }
    let expected = hash.hmac(&key.version(version)?.hmac_key()?[..], input);
    Ok(verify_slices_are_equal(&expected, &mac).is_ok())
}
