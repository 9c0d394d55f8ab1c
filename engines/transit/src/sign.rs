//! `sign/` and `verify/`.
use crate::asymmetric::{EdPair, Marshaling, Message, Padding, Pair, Salt};
use crate::batch::{Item, Items, OnFailure};
use crate::cipher::{incoming, tag, untag};
use crate::derive;
use crate::encoding;
use crate::hash::Hash;
use crate::hmac::{self, input};
use crate::kind::Family;
use crate::record::Key;
use crate::store::Keyring;
use lessor_engine::{Any, Context, Error, Params, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const DEFAULT_HASH: &str = "sha2-256";

#[derive(Params)]
pub(crate) struct Sign {
    /// Name of the key.
    name: String,
    /// What to sign, in base64.
    input: String,
    /// Context of a derived key, in base64.
    context: String,
    /// Digest: `sha1`, `sha2-224`, `-256`, `-384`, `-512`, the same of `sha3`, or `none`. Not for ed25519.
    #[param(default = "sha2-256")]
    hash_algorithm: String,
    /// Older name of `hash_algorithm`.
    algorithm: String,
    /// The digest, from the path.
    urlalgorithm: String,
    /// Version to sign with; 0 is the latest.
    key_version: i64,
    /// Whether the input is the digest already.
    prehashed: bool,
    /// For RSA: `pss` (the default) or `pkcs1v15`.
    signature_algorithm: String,
    /// For ECDSA: `asn1`, or `jws` (in base64 for URLs).
    #[param(default = "asn1")]
    marshaling_algorithm: String,
    /// For PSS: `auto` (as long as the key allows), `hash` (as long as the digest), or a number of bytes.
    #[param(default = "auto")]
    salt_length: String,
    /// Several items instead of one: objects of `input`, `context` and `reference`.
    batch_input: Any,
}

#[derive(Params)]
pub(crate) struct Verify {
    /// Name of the key.
    name: String,
    /// What was signed, in base64.
    input: String,
    /// The signature.
    signature: Option<String>,
    /// An HMAC instead of a signature.
    hmac: Option<String>,
    /// Not part of this version.
    cmac: Option<String>,
    /// Context of a derived key, in base64.
    context: String,
    /// Digest: `sha1`, `sha2-224`, `-256`, `-384`, `-512`, the same of `sha3`, or `none`. Not for ed25519.
    #[param(default = "sha2-256")]
    hash_algorithm: String,
    /// Older name of `hash_algorithm`.
    algorithm: String,
    /// The digest, from the path.
    urlalgorithm: String,
    /// Whether the input is the digest already.
    prehashed: bool,
    /// For RSA: `pss` (the default) or `pkcs1v15`.
    signature_algorithm: String,
    /// For ECDSA: `asn1`, or `jws` (in base64 for URLs).
    #[param(default = "asn1")]
    marshaling_algorithm: String,
    /// For PSS: `auto` (whatever it was), `hash`, or a number of bytes.
    #[param(default = "auto")]
    salt_length: String,
    /// Several items instead of one: objects of `input`, `signature` or `hmac`, `context` and `reference`.
    batch_input: Any,
}

/// How to sign, parsed.
struct Options {
    /// `None`: the input has no digest that one could name.
    hash: Option<Hash>,
    prehashed: bool,
    padding: Padding,
    marshaling: Marshaling,
}

/// How to sign, as it was asked for.
struct Asked<'a> {
    hash: &'a str,
    prehashed: bool,
    signature: &'a str,
    marshaling: &'a str,
    salt: &'a str,
}

/// The digest a request names, in the order of precedence.
fn hash_name(names: [&str; 3]) -> &str {
    names.into_iter().find(|name| !name.is_empty()).unwrap_or(DEFAULT_HASH)
}

fn salt(text: &str) -> Result<Salt> {
    match text.to_ascii_lowercase().as_str() {
        // Zero and minus one are what Go calls the two.
        "auto" | "0" => Ok(Salt::Auto),
        "hash" | "-1" => Ok(Salt::Hash),
        other => match other.parse::<i64>().map(usize::try_from) {
            Ok(Ok(len)) => Ok(Salt::Exact(len)),
            Ok(Err(_)) => Err(Error::Invalid(format!("salt length is invalid: {other}"))),
            Err(_) => Err(Error::Invalid(format!("salt length neither 'auto', 'hash', nor an int: {text}"))),
        },
    }
}

impl Asked<'_> {
    fn parse(&self, key: &Key) -> Result<Options> {
        let hash = match self.hash {
            "none" => None,
            name => {
                let unknown = || Error::Invalid(format!("invalid hash algorithm {name:?}"));
                Some(Hash::named(name).ok_or_else(unknown)?)
            }
        };
        let marshaling = match self.marshaling {
            "asn1" => Marshaling::Asn1,
            "jws" => Marshaling::Jws,
            other => return Err(Error::Invalid(format!("invalid marshaling type {other:?}"))),
        };
        let salt = salt(self.salt)?;
        let hashes = key.kind.family() != Family::Ed25519;
        if hashes && hash.is_none() && (!self.prehashed || self.signature != "pkcs1v15") {
            return Err(Error::invalid(
                "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15",
            ));
        }
        let padding = match self.signature {
            "" | "pss" => Padding::Pss(salt),
            "pkcs1v15" => Padding::Pkcs1v15,
            other if matches!(key.kind.family(), Family::Rsa(_)) => {
                return Err(Error::Invalid(format!("unsupported rsa signature algorithm {other}")));
            }
            _ => Padding::Pkcs1v15,
        };
        Ok(Options { hash, prehashed: self.prehashed, padding, marshaling })
    }
}

impl Options {
    /// What goes into the signature: the digest, but for ed25519 the input itself.
    fn digest(&self, key: &Key, input: Vec<u8>) -> Vec<u8> {
        match self.hash {
            Some(hash) if !self.prehashed && key.kind.family() != Family::Ed25519 => hash.digest(&input),
            _ => input,
        }
    }

    fn message<'a>(&self, input: &'a [u8]) -> Message<'a> {
        Message { input, hash: self.hash, padding: self.padding }
    }

    fn encode(&self, signature: &[u8]) -> String {
        match self.marshaling {
            Marshaling::Asn1 => encoding::encode(signature),
            Marshaling::Jws => encoding::encode_url(signature),
        }
    }

    fn decode(&self, text: &str) -> Result<Vec<u8>> {
        let bytes = match self.marshaling {
            Marshaling::Asn1 => encoding::decode(text).map_err(Error::from),
            Marshaling::Jws => encoding::decode_url(text),
        };
        bytes.map_err(|_| Error::invalid("invalid base64 signature value"))
    }
}

fn context(item: &Item) -> Result<Vec<u8>> {
    encoding::decode(item.text("context")).map_err(|_| Error::invalid("failed to base64-decode context"))
}

fn derived(key: &Key, version: u64, context: &[u8]) -> Result<EdPair> {
    derive::pair(key, version, context).map_err(|error| match error {
        Error::Invalid(text) => Error::Invalid(format!("error deriving key: {text}")),
        other => other,
    })
}

fn sign_item(key: &Key, options: &Options, asked: i64, item: &Item) -> Result<Map<String, Value>> {
    let digest = options.digest(key, input(item, "missing input")?);
    let context = context(item)?;
    let version = key.outgoing(asked, "signing")?;
    let mut answer = Map::new();
    let signature = if key.derived {
        let pair = derived(key, version, &context)?;
        answer.insert("public_key".to_owned(), json!(encoding::encode(pair.key())));
        pair.sign(&digest)?
    } else {
        let pair = key.version(version)?.pair(key.kind)?;
        let signature = pair.sign(&options.message(&digest))?;
        match &*pair {
            Pair::Ecdsa(pair) => pair.marshal(&signature, options.marshaling)?,
            Pair::Ed25519(_) | Pair::Rsa(_) => signature,
        }
    };
    answer.insert("signature".to_owned(), json!(tag(version, &options.encode(&signature))));
    answer.insert("key_version".to_owned(), json!(version));
    Ok(answer)
}

pub(crate) async fn sign(keys: Arc<Keyring>, cx: Context, asked: Sign) -> Result<Reply> {
    let key = keys.need(&cx, &asked.name, "signing key not found").await?;
    if !key.kind.signs() {
        return Err(Error::Invalid(format!("key type {} does not support signing", key.kind.name())));
    }
    let options = Asked {
        hash: hash_name([&asked.urlalgorithm, &asked.hash_algorithm, &asked.algorithm]),
        prehashed: asked.prehashed,
        signature: &asked.signature_algorithm,
        marshaling: &asked.marshaling_algorithm,
        salt: &asked.salt_length,
    }
    .parse(&key)?;
    key.in_use()?;
    let items = Items::of(&asked.batch_input, || {
        Ok(Item::default().with("input", &asked.input).with("context", &asked.context))
    })?;
    let many = items.many;
    let results = items.run(key.kind, move |_, item| {
        let mut answer = sign_item(&key, &options, asked.key_version, item)?;
        // In a batch it has another name.
        if let Some(public_key) = answer.remove("public_key") {
            answer.insert(if many { "publickey" } else { "public_key" }.to_owned(), public_key);
        }
        Ok(answer)
    });
    results.await?.reply(&json!({ "key_version": 0 }), &OnFailure::Ok)
}

fn verify_item(key: &Key, options: &Options, item: &Item) -> Result<Map<String, Value>> {
    let digest = options.digest(key, input(item, "missing input")?);
    let tagged = item.get("signature").ok_or_else(|| Error::invalid("missing signature"))?;
    let context = context(item)?;
    let (version, encoded) = untag("signature", tagged)?;
    let version = incoming(key, "signature", version)?;
    let sent = options.decode(encoded)?;
    let valid = if key.derived {
        derived(key, version, &context)?.verify(&digest, &sent)
    } else {
        let pair = key.version(version)?.pair(key.kind)?;
        let signature = match &*pair {
            Pair::Ecdsa(pair) => pair.unmarshal(&sent, options.marshaling)?,
            Pair::Ed25519(_) | Pair::Rsa(_) => Some(sent),
        };
        match signature {
            Some(signature) => pair.verify(&options.message(&digest), &signature)?,
            None => false,
        }
    };
    Ok(Map::from_iter([("valid".to_owned(), json!(valid))]))
}

/// What the items are to be checked by.
enum By {
    Signature,
    Hmac,
}

fn by(items: &Items) -> Result<By> {
    let refuse = |text: &str| Err(Error::invalid(text));
    let count = |name: &str| items.items.iter().filter(|item| item.get(name).is_some()).count();
    let (signatures, all) = (count("signature"), items.items.len());
    let hmacs = items.items.iter().filter(|item| item.get("signature").is_none() && item.get("hmac").is_some()).count();
    if !items.many && signatures + count("hmac") > 1 {
        return refuse("provide one of 'signature' or 'hmac'");
    }
    match (signatures, hmacs) {
        (0, 0) if !items.many => refuse("neither a 'signature' nor an 'hmac' were given to verify"),
        (0, 0) => refuse("no batch_input elements have 'signature' or 'hmac'"),
        (s, 0) if s < all => refuse("some elements of batch_input are missing 'signature'"),
        (0, h) if h < all => refuse("some elements of batch_input are missing 'hmac'"),
        (_, 0) => Ok(By::Signature),
        (0, _) => Ok(By::Hmac),
        _ => refuse("elements of batch_input must all provide 'signature' or all provide 'hmac'"),
    }
}

pub(crate) async fn verify(keys: Arc<Keyring>, cx: Context, asked: Verify) -> Result<Reply> {
    if asked.cmac.is_some() {
        return Err(Error::invalid("cmac is not supported: give a signature or an hmac"));
    }
    let items = Items::of(&asked.batch_input, || {
        let mut item = Item::default().with("input", &asked.input).with("context", &asked.context);
        for (name, value) in [("signature", &asked.signature), ("hmac", &asked.hmac)] {
            if let Some(value) = value {
                item = item.with(name, value);
            }
        }
        Ok(item)
    })?;
    let name = hash_name([&asked.urlalgorithm, &asked.hash_algorithm, &asked.algorithm]);
    let blank = json!({ "valid": false });
    if let By::Hmac = by(&items)? {
        let key = keys.need(&cx, &asked.name, "encryption key not found").await?;
        let hash = Hash::named(name).ok_or_else(|| Error::Invalid(format!("invalid hash algorithm {name:?}")))?;
        return hmac::verify(key, hash, items).await?.reply(&blank, &OnFailure::Ok);
    }
    let key = keys.need(&cx, &asked.name, "signature verification key not found").await?;
    if !key.kind.signs() {
        return Err(Error::Invalid(format!("key type {} does not support verification", key.kind.name())));
    }
    let options = Asked {
        hash: name,
        prehashed: asked.prehashed,
        signature: &asked.signature_algorithm,
        marshaling: &asked.marshaling_algorithm,
        salt: &asked.salt_length,
    }
    .parse(&key)?;
    key.in_use()?;
    let results = items.run(key.kind, move |_, item| verify_item(&key, &options, item));
    results.await?.reply(&blank, &OnFailure::Ok)
}
