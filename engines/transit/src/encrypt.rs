//! `encrypt/`, `decrypt/`, `rewrap/` and `datakey/`.
use crate::batch::{Item, Items, OnFailure};
use crate::cipher::{self, Around};
use crate::encoding;
use crate::kind::Kind;
use crate::record::{Key, random_bytes};
use crate::settings;
use crate::store::{Keyring, generate};
use lessor_engine::{Any, Context, Error, Params, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

const NOT_FOUND: &str = "encryption key not found";

#[derive(Params)]
pub(crate) struct Encrypt {
    /// Name of the key.
    name: String,
    /// What to encrypt, in base64.
    #[param(secret)]
    plaintext: Option<Secret>,
    /// Context of a derived key, in base64.
    context: String,
    /// Not allowed with today's keys; there for clients that still send an empty one.
    nonce: String,
    /// Version to encrypt with; 0 is the latest.
    key_version: i64,
    /// Data to authenticate with the plaintext, in base64; decryption needs it again.
    associated_data: String,
    /// Kind of the key, where it is created.
    #[param(name = "type", default = "aes256-gcm96")]
    kind: String,
    /// Whether a created key encrypts the same plaintext to the same ciphertext.
    convergent_encryption: bool,
    /// Several items instead of one: objects of the fields above, and `reference`.
    #[param(secret)]
    batch_input: Any,
    /// Status of a batch in which some items fail.
    partial_failure_response_code: Option<i64>,
}

#[derive(Params)]
pub(crate) struct Decrypt {
    /// Name of the key.
    name: String,
    /// What to decrypt, as it came from encrypting.
    ciphertext: String,
    /// Context of a derived key, in base64.
    context: String,
    /// Version to encrypt anew with; 0 is the latest.
    key_version: i64,
    /// Data that was authenticated with the plaintext, in base64.
    associated_data: String,
    /// Several items instead of one: objects of the fields above, and `reference`.
    batch_input: Any,
    /// Status of a batch in which some items fail.
    partial_failure_response_code: Option<i64>,
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the key.
    name: String,
}

#[derive(Params)]
pub(crate) struct DataKey {
    /// `plaintext` answers the new key in clear too, `wrapped` only encrypted.
    plaintext: String,
    /// Name of the key that encrypts the new one.
    name: String,
    /// Context of a derived key, in base64.
    context: String,
    /// Not allowed with today's keys.
    nonce: String,
    /// Length of the new key: 128, 256 or 512.
    #[param(default = "256")]
    bits: i64,
    /// Version to encrypt with; 0 is the latest.
    key_version: i64,
    /// Data to authenticate with the new key, in base64.
    associated_data: String,
}

/// Whether the key is there: encrypting with one that is not creates it.
pub(crate) async fn exists(keys: Arc<Keyring>, cx: Context, at: Named) -> Result<bool> {
    keys.exists(&cx, &at.name).await
}

/// One item's bytes beside the text.
struct Beside {
    context: Zeroizing<Vec<u8>>,
    data: Zeroizing<Vec<u8>>,
}

impl Beside {
    fn of(key: &Key, at: usize, item: &Item) -> Result<Self> {
        if !item.text("associated_data").is_empty() && !key.kind.authenticates_data() {
            let kind = key.kind.name();
            let text = format!("'[{at}].associated_data' provided for non-AEAD cipher suite {kind}");
            return Err(Error::Invalid(text));
        }
        Ok(Self { context: item.bytes("context")?, data: item.bytes("associated_data")? })
    }

    fn around(&self) -> Around<'_> {
        Around { context: &self.context, data: &self.data }
    }
}

fn encrypt_item(key: &Key, at: usize, item: &Item, plaintext: &[u8]) -> Result<Map<String, Value>> {
    let beside = Beside::of(key, at, item)?;
    if !item.bytes("nonce")?.is_empty() {
        return Err(Error::invalid("nonce provided when not allowed"));
    }
    let version = key.outgoing(item.key_version(), "encryption")?;
    let ciphertext = cipher::encrypt(key, version, &beside.around(), plaintext)?;
    Ok(Map::from_iter([("ciphertext".to_owned(), json!(ciphertext)), ("key_version".to_owned(), json!(version))]))
}

fn decrypt_item(key: &Key, at: usize, item: &Item) -> Result<Zeroizing<Vec<u8>>> {
    if item.text("ciphertext").is_empty() {
        return Err(Error::invalid("missing ciphertext to decrypt"));
    }
    cipher::decrypt(key, &Beside::of(key, at, item)?.around(), item.text("ciphertext"))
}

fn object(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), json!(value))])
}

/// The key, created where it is not there and that is allowed.
async fn upserted(keys: &Keyring, cx: &Context, asked: &Encrypt, items: &Items) -> Result<Arc<Key>> {
    if let Some(key) = keys.find(cx, &asked.name).await? {
        return Ok(key);
    }
    if asked.convergent_encryption && !items.has_context() {
        return Err(Error::invalid("convergent encryption requires derivation to be enabled, so context is required"));
    }
    let kind = match Kind::named(&asked.kind) {
        Some(kind) if kind.authenticates_data() => kind,
        Some(kind) if kind.is_asymmetric() => {
            let text = format!("key type {} not supported for this operation", kind.name());
            return Err(Error::Invalid(text));
        }
        _ => return Err(Error::Invalid(format!("unknown key type {}", asked.kind))),
    };
    // Nothing is created for what cannot be encrypted anyway.
    let good = items.items.iter().map(|item| item.bytes("plaintext").and_then(|_| item.bytes("context")));
    if let Some(Err(error)) = good.reduce(Result::or) {
        return Err(error);
    }
    if settings::keys_config(cx).await?.disable_upsert {
        return Err(Error::invalid(NOT_FOUND));
    }
    let mut key = Key::new(&asked.name, kind);
    key.derived = items.has_context();
    if asked.convergent_encryption {
        key.nonces = crate::record::Nonces::Convergent;
    }
    key.push(generate(kind, 0, cx.now()).await?);
    // Of two that raced, one key stays; it may have been made for something else, which shows when it is used.
    keys.create(cx, &key).await?;
    keys.need(cx, &asked.name, NOT_FOUND).await
}

pub(crate) async fn encrypt(keys: Arc<Keyring>, cx: Context, asked: Encrypt) -> Result<Reply> {
    let items = Items::of(&asked.batch_input, || {
        let plaintext = asked.plaintext.as_ref().ok_or_else(|| Error::invalid("missing plaintext to encrypt"))?;
        let fields =
            [("context", &*asked.context), ("nonce", &*asked.nonce), ("associated_data", &*asked.associated_data)];
        Ok(Item::single(&fields).with("plaintext", plaintext.expose()).at_version(asked.key_version))
    })?;
    items.require("plaintext", "missing plaintext to encrypt")?;
    items.same_context()?;
    let key = upserted(&keys, &cx, &asked, &items).await?;
    let on_failure = OnFailure::Refuse { partial: asked.partial_failure_response_code };
    let results = items.run(key.kind, move |at, item| encrypt_item(&key, at, item, &item.bytes("plaintext")?)).await?;
    results.reply(&json!({}), &on_failure)
}

fn ciphertexts(asked: &Decrypt) -> Result<Items> {
    let items = Items::of(&asked.batch_input, || {
        if asked.ciphertext.is_empty() {
            return Err(Error::invalid("missing ciphertext to decrypt"));
        }
        let fields = [
            ("ciphertext", &*asked.ciphertext),
            ("context", &*asked.context),
            ("associated_data", &*asked.associated_data),
        ];
        Ok(Item::single(&fields).at_version(asked.key_version))
    })?;
    items.same_context()?;
    Ok(items)
}

pub(crate) async fn decrypt(keys: Arc<Keyring>, cx: Context, asked: Decrypt) -> Result<Reply> {
    let items = ciphertexts(&asked)?;
    items.require("ciphertext", "missing ciphertext to decrypt")?;
    let key = keys.need(&cx, &asked.name, NOT_FOUND).await?;
    let results = items.run(key.kind, move |at, item| {
        decrypt_item(&key, at, item).map(|plaintext| object("plaintext", &encoding::encode(&plaintext)))
    });
    let on_failure = OnFailure::Refuse { partial: asked.partial_failure_response_code };
    results.await?.reply(&json!({ "plaintext": "" }), &on_failure)
}

pub(crate) async fn rewrap(keys: Arc<Keyring>, cx: Context, asked: Decrypt) -> Result<Reply> {
    let items = ciphertexts(&asked)?;
    let key = keys.need(&cx, &asked.name, NOT_FOUND).await?;
    let results = items.run(key.kind, move |at, item| {
        decrypt_item(&key, at, item).and_then(|text| encrypt_item(&key, at, item, &text))
    });
    results.await?.reply(&json!({}), &OnFailure::Ok)
}

pub(crate) async fn data_key(keys: Arc<Keyring>, cx: Context, asked: DataKey) -> Result<Reply> {
    let in_clear = match asked.plaintext.as_str() {
        "plaintext" => true,
        "wrapped" => false,
        _ => return Err(Error::invalid("Invalid path, must be 'plaintext' or 'wrapped'")),
    };
    encoding::decode(&asked.context).map_err(|_| Error::invalid("failed to base64-decode context"))?;
    let key = keys.need(&cx, &asked.name, NOT_FOUND).await?;
    let len = match asked.bits {
        128 => 16,
        256 => 32,
        512 => 64,
        _ => return Err(Error::invalid("invalid bit length")),
    };
    if !asked.associated_data.is_empty() && !key.kind.authenticates_data() {
        let text = format!("'associated_data' provided for non-AEAD cipher suite {}", key.kind.name());
        return Err(Error::Invalid(text));
    }
    let fields = [("context", &*asked.context), ("nonce", &*asked.nonce), ("associated_data", &*asked.associated_data)];
    let item = Item::single(&fields).at_version(asked.key_version);
    let fresh = random_bytes(len)?;
    let mut data = encrypt_item(&key, 0, &item, &fresh)?;
    if in_clear {
        data.insert("plaintext".to_owned(), json!(encoding::encode(&fresh)));
    }
    Ok(Reply::data(Value::Object(data)))
}
