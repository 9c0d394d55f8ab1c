//! How a key is shown.
use crate::asymmetric::{pem, unpem};
use crate::derive;
use crate::encoding;
use crate::kind::{Family, Kind};
use crate::record::{Kdf, Key, KeyVersion, Mark, Nonces};
use lessor_engine::{Error, Result, Timestamp};
use serde_json::{Map, Value, json};

/// The certificates in PEM, one behind the other.
pub(crate) fn chain(version: &KeyVersion) -> Result<String> {
    let mut chain = Vec::new();
    for certificate in &version.certificates {
        chain.push(pem("CERTIFICATE", &encoding::decode(certificate)?)?.trim().to_owned());
    }
    Ok(chain.join("\n"))
}

/// The certificates of a PEM text, in DER; other blocks are passed over.
///
/// # Errors
/// When there is none, or a block is broken.
pub(crate) fn certificates(text: &str) -> Result<Vec<Vec<u8>>> {
    const END: &str = "-----END ";
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let broken = || Error::invalid("could not decode a PEM block in the certificate chain");
        let end = rest.find(END).ok_or_else(broken)?;
        let line = rest[end..].find('\n').map_or(rest.len(), |at| end + at);
        let (block, tail) = rest.split_at(line);
        let (label, der) = unpem(block).ok_or_else(broken)?;
        if matches!(label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
            found.push(der);
        }
        rest = tail.trim_start();
    }
    if found.is_empty() {
        let text = "provided certificate chain did not contain any valid PEM encoded certificate";
        return Err(Error::invalid(text));
    }
    Ok(found)
}

/// The public half as clients read it: base64 of 32 bytes for ed25519, PEM for others.
pub(crate) fn public_key(kind: Kind, version: &KeyVersion) -> Result<String> {
    let der = encoding::decode(&version.public)?;
    match kind.family() {
        // The key is what stands behind the 12 bytes that name the algorithm (RFC 8410).
        Family::Ed25519 => Ok(encoding::encode(der.get(12..).unwrap_or_default())),
        Family::Ecdsa(_) | Family::Rsa(_) => pem("PUBLIC KEY", &der),
        Family::Aead(_) | Family::Hmac => Ok(String::new()),
    }
}

fn mark(mark: &Mark) -> Value {
    json!({ "time": mark.time.to_string(), "version": mark.version })
}

fn unix(time: Timestamp) -> i64 {
    time.as_second()
}

fn name_of(kind: Kind) -> &'static str {
    match kind.family() {
        Family::Ecdsa(curve) => curve.name(),
        _ => kind.name(),
    }
}

fn versions(key: &Key, context: &[u8]) -> Result<Map<String, Value>> {
    let mut shown = Map::new();
    for (number, version) in key.usable() {
        let value = if key.kind.is_asymmetric() {
            let public_key = match (key.derived, context.is_empty()) {
                (false, _) => public_key(key.kind, version)?,
                (true, true) => String::new(),
                (true, false) => encoding::encode(derive::pair(key, number, context)?.key()),
            };
            json!({
                "name": name_of(key.kind),
                "public_key": public_key,
                "certificate_chain": chain(version)?,
                "creation_time": version.created.to_string(),
            })
        } else {
            json!(unix(version.created))
        };
        shown.insert(number.to_string(), value);
    }
    Ok(shown)
}

/// Everything about a key that is no secret. `context` picks the public keys of a derived key.
pub(crate) fn describe(key: &Key, context: &[u8]) -> Result<Value> {
    let kind = key.kind;
    let mut data = json!({
        "name": key.name,
        "type": kind.name(),
        "derived": key.derived,
        "deletion_allowed": key.deletion_allowed,
        "min_available_version": key.min_available_version,
        "min_decryption_version": key.min_decryption_version,
        "min_encryption_version": key.min_encryption_version,
        "latest_version": key.latest(),
        "exportable": key.exportable,
        "allow_plaintext_backup": key.allow_plaintext_backup,
        "supports_encryption": kind.encrypts(),
        "supports_decryption": kind.encrypts(),
        "supports_signing": kind.signs(),
        "supports_derivation": kind.derives(),
        "auto_rotate_period": key.auto_rotate_period,
        "imported_key": key.imported,
        "soft_deleted": key.soft_deleted,
    });
    if key.key_size > 0 {
        data["key_size"] = json!(key.key_size);
    }
    if key.imported {
        data["imported_key_allow_rotation"] = json!(key.allow_rotation);
    }
    if let Some(backup) = &key.backup {
        data["backup_info"] = mark(backup);
    }
    if let Some(restore) = &key.restore {
        data["restore_info"] = mark(restore);
    }
    if key.derived {
        let kdf = match key.kdf {
            Kdf::Hkdf => "hkdf_sha256",
            Kdf::HmacCounter => "hmac-sha256-counter",
        };
        data["kdf"] = json!(kdf);
        let convergent = key.nonces == Nonces::Convergent;
        data["convergent_encryption"] = json!(convergent);
        if convergent {
            // The scheme is kept with each version; −1 says so to those who know the field.
            data["convergent_encryption_version"] = json!(-1);
        }
    }
    data["keys"] = Value::Object(versions(key, context)?);
    Ok(data)
}
