//! `policy_identifiers` as the extension certificatePolicies (RFC 5280, 4.2.1.4).
use crate::encode::tlv;
use crate::template::extension_of;
use const_oid::db::rfc5280::ID_CE_CERTIFICATE_POLICIES;
use der::asn1::ObjectIdentifier;
use lessor_engine::{Error, Result};
use serde_json::Value;
use x509_cert::ext::Extension;

const CPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.1");
const NOTICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.2");

fn oid(text: &str) -> Result<Vec<u8>> {
    let parsed = ObjectIdentifier::new(text.trim());
    let parsed = parsed.map_err(|_| Error::invalid(format!("policy_identifiers: {text:?} is no object identifier")))?;
    Ok(tlv(6, &[parsed.as_bytes()]))
}

fn qualifier(id: &ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(6, &[id.as_bytes()]), content])
}

fn information(policy: &Value) -> Result<Vec<u8>> {
    let parsed;
    let policy = match policy {
        Value::String(text) if text.trim_start().starts_with('{') => {
            parsed = serde_json::from_str(text)
                .map_err(|error| Error::invalid(format!("policy_identifiers: {text:?} is no JSON object: {error}")))?;
            &parsed
        }
        other => other,
    };
    let text = |name: &str| policy.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = policy.as_str().or_else(|| text("oid"));
    let id = oid(id.ok_or_else(|| Error::invalid("policy_identifiers: an entry has no oid"))?)?;
    let mut qualifiers = Vec::new();
    if let Some(notice) = text("notice") {
        qualifiers.extend(qualifier(&NOTICE, &tlv(0x30, &[&tlv(0x0c, &[notice.as_bytes()])])));
    }
    if let Some(cps) = text("cps") {
        if !cps.is_ascii() {
            return Err(Error::invalid("policy_identifiers: cps has to be ASCII"));
        }
        qualifiers.extend(qualifier(&CPS, &tlv(0x16, &[cps.as_bytes()])));
    }
    let qualifiers = if qualifiers.is_empty() { Vec::new() } else { tlv(0x30, &[&qualifiers]) };
    Ok(tlv(0x30, &[&id, &qualifiers]))
}

/// The extension; `None` without policies.
///
/// # Errors
/// When a policy is none.
pub(crate) fn extension(policies: &[Value]) -> Result<Option<Extension>> {
    if policies.is_empty() {
        return Ok(None);
    }
    let all = policies.iter().map(information).collect::<Result<Vec<_>>>()?.concat();
    extension_of(ID_CE_CERTIFICATE_POLICIES, tlv(0x30, &[&all]), false).map(Some)
}
