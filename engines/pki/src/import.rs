//! Authorities and keys that were made elsewhere.
use crate::Engine;
use crate::ca::{Ca, Record, check_key_name, new_id};
use crate::encode::blocks;
use crate::key::{KeyPair, is_private};
use crate::x509::Cert;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What is shorter is a path, not what stands in the file.
const SHORTEST: usize = 75;
const TOO_SHORT: &str = "provided data for import was too short; perhaps a path was passed to the API rather than the contents of a PEM file";

#[derive(Params)]
pub(crate) struct Bundle {
    /// Certificates and private keys in PEM, in any order.
    #[param(secret)]
    pem_bundle: Secret,
}

#[derive(Params)]
pub(crate) struct Signed {
    /// The signed certificate in PEM; those of the authorities above may follow.
    certificate: String,
}

#[derive(Params)]
pub(crate) struct ImportKey {
    /// The private key in PEM.
    #[param(secret)]
    pem_bundle: Secret,
    /// Name of the key.
    key_name: String,
}

#[derive(Default)]
struct Imported {
    issuers: Vec<String>,
    keys: Vec<String>,
    existing_issuers: Vec<String>,
    existing_keys: Vec<String>,
    mapping: Map<String, Value>,
    warnings: Vec<String>,
}

/// What is in a bundle.
struct Parts {
    certs: Vec<Cert>,
    keys: Vec<KeyPair>,
}

fn parts(text: &str, keys_allowed: bool) -> Result<Parts> {
    if text.trim().is_empty() {
        return Err(Error::invalid("'pem_bundle' and 'certificate' parameters were empty"));
    }
    if text.len() < SHORTEST {
        return Err(Error::invalid(TOO_SHORT));
    }
    let mut found = Parts { certs: Vec::new(), keys: Vec::new() };
    for (label, der) in blocks(text)? {
        match label.as_str() {
            "EC PARAMETERS" | "X509 CRL" => {}
            label if label.starts_with("ENCRYPTED") => {
                return Err(Error::invalid("the private key is encrypted: decrypt it before importing"));
            }
            label if is_private(label) => {
                if !keys_allowed {
                    return Err(Error::invalid(
                        "private keys found in the PEM bundle but not allowed by the path; use /issuers/import/bundle",
                    ));
                }
                found.keys.push(KeyPair::read(&der)?);
            }
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                let cert = Cert::parse(&der)?;
                if !cert.is_ca {
                    return Err(Error::invalid("Refusing to import non-CA certificate"));
                }
                if crate::key::Kind::of(&cert.spki).is_none() {
                    return Err(Error::invalid(
                        "the key of a certificate is not supported: use RSA of at most 8192 bits, EC on P-256, P-384 or P-521, or Ed25519",
                    ));
                }
                found.certs.push(cert);
            }
            other => return Err(Error::invalid(format!("unknown PEM block of type {other:?}"))),
        }
    }
    if found.certs.is_empty() && found.keys.is_empty() {
        return Err(Error::invalid("no certificates or private keys found in the PEM bundle"));
    }
    Ok(found)
}

fn add(ca: &Ca, record: &mut Record, parts: &Parts, now: i64) -> Imported {
    let mut done = Imported::default();
    // Public key and id of every key that is there then.
    let mut keys: Vec<(Vec<u8>, String)> = ca.keys.iter().map(|key| (key.pair.spki.clone(), key.id.clone())).collect();
    for pair in &parts.keys {
        if let Some((_, id)) = keys.iter().find(|(spki, _)| *spki == pair.spki) {
            if !done.existing_keys.contains(id) && !done.keys.contains(id) {
                done.existing_keys.push(id.clone());
            }
            continue;
        }
        let id = record.add_key("", pair);
        keys.push((pair.spki.clone(), id.clone()));
        done.keys.push(id);
    }
    for issuer in &ca.issuers {
        // A key that came late makes its issuers usable.
        let found = keys.iter().find(|(spki, _)| *spki == issuer.cert.spki);
        if let (Some((_, key)), Some(known)) =
            (found, record.issuers.iter_mut().find(|known| known.id == issuer.record.id))
            && known.key_id.is_empty()
        {
            known.key_id.clone_from(key);
        }
    }
    let mut with_key = Vec::new();
    for cert in &parts.certs {
        let der = crate::encode::b64(&cert.der);
        let key = keys.iter().find(|(spki, _)| *spki == cert.spki).map(|(_, id)| id.clone()).unwrap_or_default();
        if let Some(known) = record.issuers.iter().find(|known| known.certificate == der) {
            let id = known.id.clone();
            done.mapping.insert(id.clone(), json!(known.key_id));
            if !done.existing_issuers.contains(&id) && !done.issuers.contains(&id) {
                done.existing_issuers.push(id);
            }
            continue;
        }
        let id = new_id();
        record.add_issuer(&id, "", &key, cert, now);
        if !key.is_empty() {
            with_key.push(id.clone());
        }
        done.mapping.insert(id.clone(), json!(key));
        done.issuers.push(id);
    }
    let follows = record.default_follows_latest_issuer;
    match with_key.as_slice() {
        [only] if record.default_issuer.is_empty() || follows => record.default_issuer.clone_from(only),
        [_, _, ..] if record.default_issuer.is_empty() || follows => done.warnings.push(
            "Default issuer left unchanged: could not select new issuer automatically as multiple imported issuers had key material in Vault."
                .to_owned(),
        ),
        _ => {}
    }
    done
}

async fn import(engine: &Engine, cx: &Context, parts: Parts) -> Result<Reply> {
    let now = cx.now().as_second();
    let mut done = engine.change(cx, |ca, record| Ok((add(ca, record, &parts, now), Changes::new()))).await?;
    if !done.issuers.is_empty() || !done.keys.is_empty() {
        done.warnings.extend(engine.rebuild_or_warn(cx).await);
    }
    let list = |ids: &Vec<String>| if ids.is_empty() { Value::Null } else { json!(ids) };
    let mut reply = Reply::data(json!({
        "existing_issuers": list(&done.existing_issuers),
        "existing_keys": list(&done.existing_keys),
        "imported_issuers": list(&done.issuers),
        "imported_keys": list(&done.keys),
        "mapping": done.mapping,
    }));
    reply.warnings = done.warnings;
    Ok(reply.reschedule(crate::schedule::CRL))
}

pub(crate) async fn bundle(engine: Arc<Engine>, cx: Context, asked: Bundle) -> Result<Reply> {
    let parts = parts(asked.pem_bundle.expose(), true)?;
    import(&engine, &cx, parts).await
}

pub(crate) async fn certs(engine: Arc<Engine>, cx: Context, asked: Bundle) -> Result<Reply> {
    let parts = parts(asked.pem_bundle.expose(), false)?;
    import(&engine, &cx, parts).await
}

pub(crate) async fn signed(engine: Arc<Engine>, cx: Context, asked: Signed) -> Result<Reply> {
    let parts = parts(&asked.certificate, false)?;
    import(&engine, &cx, parts).await
}

pub(crate) async fn key(engine: Arc<Engine>, cx: Context, asked: ImportKey) -> Result<Reply> {
    if asked.pem_bundle.expose().len() < SHORTEST {
        return Err(Error::invalid(TOO_SHORT));
    }
    let blocks = blocks(asked.pem_bundle.expose())?;
    let mut keys = blocks.iter().filter(|(label, _)| label != "EC PARAMETERS");
    let (Some((label, der)), None) = (keys.next(), keys.next()) else {
        return Err(Error::invalid("pem_bundle has to hold exactly one private key in PEM"));
    };
    if !is_private(label) || label.starts_with("ENCRYPTED") {
        return Err(Error::invalid("pem_bundle has to hold exactly one private key in PEM, not encrypted"));
    }
    let pair = KeyPair::read(der)?;
    let (id, name, existing) = engine
        .change(&cx, |ca, record| {
            if let Some(known) = ca.key_of(&pair.spki) {
                return Ok(((known.id.clone(), known.name.clone(), true), Changes::new()));
            }
            check_key_name(record, &asked.key_name, "")?;
            let id = record.add_key(&asked.key_name, &pair);
            for issuer in &ca.issuers {
                let known = record.issuers.iter_mut().find(|known| known.id == issuer.record.id);
                if let Some(known) = known.filter(|known| known.key_id.is_empty() && issuer.cert.spki == pair.spki) {
                    known.key_id.clone_from(&id);
                }
            }
            Ok(((id, asked.key_name.clone(), false), Changes::new()))
        })
        .await?;
    let mut reply = Reply::data(json!({ "key_id": id, "key_name": name, "key_type": pair.kind.name() }));
    if existing {
        reply = reply.warn("Key already imported, use key/ endpoint to update name.");
    }
    Ok(reply)
}
