//! `export/` and `byok-export/`.
use crate::asymmetric::{Pair, pem};
use crate::encoding;
use crate::kind::Family;
use crate::record::{Key, KeyVersion};
use crate::store::{Keyring, beside};
use crate::view;
use crate::wrap;
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Export {
    /// What to export: `encryption-key`, `signing-key`, `hmac-key`, `public-key` or `certificate-chain`.
    #[param(name = "type")]
    kind: String,
    /// Name of the key.
    name: String,
    /// Version to export (a number, or `latest`); all that are in use if empty.
    version: String,
    /// Form: empty for the usual one, `raw` (symmetric and ed25519), `der` or `pem` (asymmetric).
    format: String,
}

#[derive(Params)]
pub(crate) struct Byok {
    /// Name of the RSA key to wrap with.
    destination: String,
    /// Name of the key to export.
    source: String,
    /// Version to export (a number, or `latest`); all that are in use if empty.
    version: String,
    /// Digest of the inner OAEP: SHA1, SHA256, SHA384 or SHA512.
    #[param(default = "SHA256")]
    hash: String,
}

/// What is exported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Encryption,
    Signing,
    Hmac,
    Public,
    Chain,
}

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Usual,
    Raw,
    Der,
    Pem,
}

fn what(name: &str) -> Result<What> {
    Ok(match name {
        "encryption-key" => What::Encryption,
        "signing-key" => What::Signing,
        "hmac-key" => What::Hmac,
        "public-key" => What::Public,
        "certificate-chain" => What::Chain,
        other => return Err(Error::Invalid(format!("invalid export type: {other}"))),
    })
}

fn format(name: &str) -> Result<Format> {
    Ok(match name {
        "" => Format::Usual,
        "raw" => Format::Raw,
        "der" => Format::Der,
        "pem" => Format::Pem,
        other => return Err(Error::Invalid(format!("invalid format: {other}"))),
    })
}

fn allowed(key: &Key, what: What) -> Result<()> {
    if !key.exportable && !matches!(what, What::Public | What::Chain) {
        return Err(Error::invalid("private key material is not exportable"));
    }
    key.in_use()?;
    match what {
        What::Encryption if !key.kind.encrypts() => Err(Error::invalid("encryption not supported for the key")),
        What::Signing if !key.kind.signs() => Err(Error::invalid("signing not supported for the key")),
        What::Chain if !key.kind.signs() => {
            Err(Error::invalid("certificate chain not supported for keys that do not support signing"))
        }
        _ => Ok(()),
    }
}

/// The versions a request names.
fn chosen<'a>(key: &'a Key, asked: &str) -> Result<Vec<(u64, &'a KeyVersion)>> {
    let number = match asked {
        "" => return Ok(key.usable().collect()),
        "latest" => key.latest(),
        text => text.trim_start_matches('v').parse().map_err(|_| Error::invalid("invalid key version"))?,
    };
    if number < key.min_decryption_version {
        return Err(Error::invalid("version for export is below minimum decryption version"));
    }
    let version = key.versions.get(&number);
    Ok(vec![(number, version.ok_or_else(|| Error::invalid("version does not exist or cannot be found"))?)])
}

fn bytes(key: &Key, secret: &[u8], format: Format) -> Result<String> {
    match format {
        Format::Usual | Format::Raw => Ok(encoding::encode(secret)),
        Format::Der | Format::Pem => {
            let name = key.kind.name();
            Err(Error::Invalid(format!("unknown format for {name} key; supported values are `` or `raw`")))
        }
    }
}

fn no_raw(what: &str) -> Error {
    Error::Invalid(format!("unknown key format for {what} key; supported values are ``, `der`, or `pem`"))
}

fn in_format(label: &str, der: &[u8], format: Format) -> Result<String> {
    if format == Format::Der { Ok(encoding::encode(der)) } else { pem(label, der) }
}

fn private(version: &KeyVersion, pair: &Pair, format: Format) -> Result<String> {
    if version.lacks_private() {
        return Ok(String::new());
    }
    let pkcs8 = || Ok::<_, Error>(pair.pkcs8()?.unwrap_or_default());
    match (pair, format) {
        (Pair::Ed25519(_), Format::Usual | Format::Raw) => Ok(version.private.expose().to_owned()),
        (Pair::Ecdsa(_), Format::Raw) => Err(no_raw("ec")),
        (Pair::Rsa(_), Format::Raw) => Err(no_raw("rsa")),
        (Pair::Ecdsa(pair), Format::Usual) => {
            Ok(pem("EC PRIVATE KEY", &pair.sec1()?.unwrap_or_default())?.trim().to_owned())
        }
        (Pair::Rsa(pair), Format::Usual) => pem("RSA PRIVATE KEY", &pair.pkcs1()?.unwrap_or_default()),
        (Pair::Rsa(_), _) => in_format("PRIVATE KEY", &pkcs8()?, format),
        (Pair::Ed25519(_) | Pair::Ecdsa(_), _) => Ok(in_format("PRIVATE KEY", &pkcs8()?, format)?.trim().to_owned()),
    }
}

fn public(pair: &Pair, format: Format) -> Result<String> {
    match (pair, format) {
        (Pair::Ed25519(pair), Format::Usual | Format::Raw) => Ok(encoding::encode(pair.key())),
        (Pair::Ecdsa(_), Format::Raw) => Err(no_raw("ec")),
        (Pair::Rsa(_), Format::Raw) => Err(no_raw("rsa")),
        (Pair::Rsa(_), _) => in_format("PUBLIC KEY", pair.public(), format),
        (Pair::Ed25519(_) | Pair::Ecdsa(_), _) => Ok(in_format("PUBLIC KEY", pair.public(), format)?.trim().to_owned()),
    }
}

fn export_version(key: &Key, version: &KeyVersion, what: What, format: Format) -> Result<String> {
    let unknown = |what: &str| Error::Invalid(format!("unknown key type {} for export type {what}", key.kind.name()));
    match what {
        What::Hmac => bytes(key, &version.hmac_key()?, format),
        What::Encryption if matches!(key.kind.family(), Family::Aead(_)) => bytes(key, &version.secret()?, format),
        What::Encryption => private(version, &*version.pair(key.kind)?, format),
        What::Signing => private(version, &*version.pair(key.kind)?, format),
        What::Public if key.kind.is_asymmetric() => public(&*version.pair(key.kind)?, format),
        What::Public => Err(unknown("public-key")),
        What::Chain if version.certificates.is_empty() => {
            Err(Error::invalid("selected key version does not have a certificate chain imported"))
        }
        What::Chain => view::chain(version),
    }
}

fn answer(key: &Key, keys: Map<String, Value>) -> Reply {
    let mut data = json!({ "name": key.name, "type": key.kind.name() });
    data["keys"] = Value::Object(keys);
    Reply::data(data)
}

pub(crate) async fn export(keys: Arc<Keyring>, cx: Context, asked: Export) -> Result<Reply> {
    let (what, format) = (what(&asked.kind)?, format(&asked.format)?);
    let Some(key) = keys.find(&cx, &asked.name).await? else { return Ok(Reply::missing()) };
    allowed(&key, what)?;
    beside(key.kind.is_slow(), move || {
        let mut exported = Map::new();
        for (number, version) in chosen(&key, &asked.version)? {
            exported.insert(number.to_string(), json!(export_version(&key, version, what, format)?));
        }
        Ok(answer(&key, exported))
    })
    .await
}

pub(crate) async fn byok(keys: Arc<Keyring>, cx: Context, asked: Byok) -> Result<Reply> {
    let hash = wrap::oaep(&asked.hash)?;
    let destination = keys.need(&cx, &asked.destination, "no such destination key to export to").await?;
    let source = keys.need(&cx, &asked.source, "no such source key for export").await?;
    if !source.exportable {
        return Err(Error::invalid("key is not exportable"));
    }
    destination.in_use()?;
    source.in_use()?;
    beside(destination.kind.is_slow(), move || {
        let number = destination.outgoing(0, "key wrapping")?;
        let with = destination.version(number)?.pair(destination.kind);
        let Ok(Pair::Rsa(with)) = with.as_deref() else {
            return Err(Error::invalid("unsupported key type in use; must be a rsa key"));
        };
        let mut exported = Map::new();
        for (number, version) in chosen(&source, &asked.version)? {
            let plain = if source.kind.is_asymmetric() {
                let lacking = || Error::invalid("the version to export has no private key");
                version.pair(source.kind)?.pkcs8()?.ok_or_else(lacking)?
            } else {
                version.secret()?
            };
            exported.insert(number.to_string(), json!(encoding::encode(&wrap::wrap(with, hash, &plain)?)));
        }
        Ok(answer(&source, exported))
    })
    .await
}
