//! Lists by somebody's order: `resign-crls` and `sign-revocation-list`.
use crate::Engine;
use crate::ca::Issuer;
use crate::crl::{Contents, Entry, sign};
use crate::encode::{b64, first_block, moment, pem, unb64};
use crate::key::beside;
use crate::signature::Scheme;
use crate::template::extension_of;
use crate::x509::{is_signed_by, serial_bytes};
use const_oid::db::rfc5280;
use der::Decode;
use der::asn1::ObjectIdentifier;
use lessor_engine::{Any, Context, Error, Params, Reply, Result, StringList, duration};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use x509_cert::crl::CertificateList;
use x509_cert::ext::{Extension, Extensions};

#[derive(Params)]
pub(crate) struct Common {
    /// Reference (name or id) to the issuer.
    issuer_ref: String,
    /// The number of the list; it has to be higher than that of the last one.
    crl_number: Option<i64>,
    /// The number of the complete list that this is a delta to; -1 for a complete list.
    #[param(default = "-1")]
    delta_crl_base_number: i64,
    /// How long the list is valid.
    #[param(default = "72h")]
    next_update: String,
    /// Form of the list: pem or der.
    #[param(default = "pem")]
    format: String,
}

#[derive(Params)]
pub(crate) struct Resign {
    /// Lists of the issuer in PEM.
    crls: StringList,
    /// The new list.
    #[param(flatten)]
    common: Common,
}

#[derive(Params)]
pub(crate) struct Make {
    /// Objects with serial_number, revocation_time and extensions.
    revoked_certs: Any,
    /// Objects with id, critical and value (base64).
    extensions: Any,
    /// The new list.
    #[param(flatten)]
    common: Common,
}

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

async fn finish(
    engine: &Engine,
    cx: &Context,
    common: &Common,
    entries: Vec<Entry>,
    more: Extensions,
) -> Result<Value> {
    // A default would be a number that was used before, and readers keep the list with the higher one.
    let Some(number) = common.crl_number else {
        return refuse("crl_number is required: a number higher than that of the last CRL");
    };
    let Ok(number) = u64::try_from(number) else {
        return refuse("crl_number parameter must be 0 or greater");
    };
    let base = match common.delta_crl_base_number {
        -1 => None,
        base => match u64::try_from(base) {
            Ok(base) => Some(base),
            Err(_) => return refuse("delta_crl_base_number parameter must be -1 or greater"),
        },
    };
    let in_pem = match common.format.as_str() {
        "pem" | "" => true,
        "der" => false,
        other => return refuse(format!("unknown format {other:?}: use pem or der")),
    };
    let lasts = duration::parse(&common.next_update).map_err(|why| Error::invalid(format!("next_update: {why}")))?;
    if lasts.as_secs() == 0 {
        return refuse("next_update parameter must be greater than 0");
    }
    let now = cx.now().as_second();
    let next_update = now.saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX / 2));
    let issuer = issuer(engine, cx, &common.issuer_ref).await?;
    let contents = Contents { entries, number, base, this_update: now, next_update, more };
    let der = beside(true, move || {
        let key = issuer.key.as_ref().ok_or_else(|| Error::invalid("the issuer's key is not known here"))?;
        let scheme = Scheme::named(key.kind, &issuer.record.revocation_signature_algorithm)?;
        sign(contents, &issuer, key, &scheme)
    });
    let der = der.await?;
    Ok(json!({ "crl": if in_pem { pem("X509 CRL", &der) } else { b64(&der) } }))
}

async fn issuer(engine: &Engine, cx: &Context, reference: &str) -> Result<Arc<Issuer>> {
    let ca = engine.ca(cx).await?;
    let issuer = ca.issuer(reference)?;
    if !issuer.record.usage.crl || issuer.key.is_none() {
        return refuse(format!(
            "issuer {} may not sign CRLs: it needs its key and the usage crl-signing",
            issuer.record.id
        ));
    }
    Ok(Arc::clone(issuer))
}

pub(crate) async fn resign(engine: Arc<Engine>, cx: Context, asked: Resign) -> Result<Reply> {
    let issuer = issuer(&engine, &cx, &asked.common.issuer_ref).await?;
    if asked.crls.is_empty() {
        return refuse("at least one CRL must be provided in crls");
    }
    let mut merged: BTreeMap<Vec<u8>, (i64, Extensions)> = BTreeMap::new();
    let mut warnings = Vec::new();
    for (at, text) in asked.crls.iter().enumerate() {
        let broken = || Error::invalid(format!("crls[{at}] cannot be read: expected a CRL in PEM"));
        let der = first_block(text, &["X509 CRL"]).ok_or_else(broken)?;
        let list = CertificateList::from_der(&der).map_err(|_| broken())?;
        if !is_signed_by(&der, &list.signature_algorithm, &list.signature, &issuer.cert.spki) {
            return refuse(format!("crls[{at}] is not signed by the issuer"));
        }
        for entry in list.tbs_cert_list.revoked_certificates.unwrap_or_default() {
            let serial = serial_bytes(&entry.serial_number).to_vec();
            let time = i64::try_from(entry.revocation_date.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
            let extensions = entry.crl_entry_extensions.unwrap_or_default();
            match merged.get(&serial) {
                Some((known, others)) => {
                    if *known != time || *others != extensions {
                        warnings.push(format!(
                            "duplicate entries for serial {} that differ: the earliest counts",
                            crate::encode::colons(&serial)
                        ));
                    }
                    if time < *known {
                        merged.insert(serial, (time, extensions));
                    }
                }
                None => drop(merged.insert(serial, (time, extensions))),
            }
        }
    }
    let entries = merged.into_iter().map(|(serial, (time, extensions))| Entry { serial, time, extensions });
    let mut reply = Reply::data(finish(&engine, &cx, &asked.common, entries.collect(), Extensions::new()).await?);
    reply.warnings = warnings;
    Ok(reply)
}

fn list_of(value: &Value, field: &str) -> Result<Vec<Value>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.clone()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("{field} is no list of objects: {error}"))),
        _ => refuse(format!("{field} is no list of objects")),
    }
}

fn extensions(value: &Value, field: &str, reserved: &[ObjectIdentifier]) -> Result<Extensions> {
    let mut all = Extensions::new();
    for item in list_of(value, field)? {
        let id = item["id"].as_str().unwrap_or_default();
        let oid = ObjectIdentifier::new(id)
            .map_err(|_| Error::invalid(format!("{field}: {id:?} is no object identifier")))?;
        if reserved.contains(&oid) {
            return refuse(format!("{field}: the extension {id} is set by the server"));
        }
        let critical = match &item["critical"] {
            Value::String(text) => text == "true",
            other => other.as_bool().unwrap_or(false),
        };
        let value = unb64(item["value"].as_str().unwrap_or_default());
        let value = value.ok_or_else(|| Error::invalid(format!("{field}: the value of {id} is not base64")))?;
        let extension: Extension = extension_of(oid, value, critical)?;
        all.push(extension);
    }
    Ok(all)
}

pub(crate) async fn make(engine: Arc<Engine>, cx: Context, asked: Make) -> Result<Reply> {
    let reserved =
        [rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, rfc5280::ID_CE_CRL_NUMBER, rfc5280::ID_CE_DELTA_CRL_INDICATOR];
    let more = extensions(&asked.extensions.0, "extensions", &reserved)?;
    let mut entries: Vec<Entry> = Vec::new();
    for item in list_of(&asked.revoked_certs.0, "revoked_certs")? {
        let text = item["serial_number"].as_str().unwrap_or_default();
        let serial = crate::encode::serial(text)
            .ok_or_else(|| Error::invalid(format!("revoked_certs: {text:?} is no serial number")))?;
        if entries.iter().any(|entry| entry.serial == serial) {
            return refuse(format!("revoked_certs: the serial number {text} is there twice"));
        }
        let time = match item["revocation_time"].as_str().filter(|text| !text.is_empty()) {
            Some(text) => moment("revocation_time", text)?,
            None => cx.now().as_second(),
        };
        entries.push(Entry { serial, time, extensions: extensions(&item["extensions"], "revoked_certs", &[])? });
    }
    Ok(Reply::data(finish(&engine, &cx, &asked.common, entries, more).await?))
}
