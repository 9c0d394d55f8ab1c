//! Distinguished names, in the order and with the string types that Go's `crypto/x509/pkix` writes them.
use der::Tag;
use der::asn1::{Any, ObjectIdentifier, SetOfVec};
use lessor_engine::{CommaList, Error, Params, Result};
use serde::{Deserialize, Serialize};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
const PROVINCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.8");
const STREET: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.9");
const POSTAL_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.17");
pub(crate) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
pub(crate) const USER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");

/// The parts of a subject beside its own name, as roles and CA requests give them.
#[derive(Clone, Debug, Default, Params, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubjectParams {
    /// Organizational units (OU) of the subject.
    pub(crate) ou: CommaList,
    /// Organizations (O) of the subject.
    pub(crate) organization: CommaList,
    /// Countries (C) of the subject.
    pub(crate) country: CommaList,
    /// Localities (L) of the subject.
    pub(crate) locality: CommaList,
    /// Provinces (ST) of the subject.
    pub(crate) province: CommaList,
    /// Street addresses of the subject.
    pub(crate) street_address: CommaList,
    /// Postal codes of the subject.
    pub(crate) postal_code: CommaList,
}

fn is_printable(text: &str) -> bool {
    // '*' and '&' are what Go lets pass too.
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte))
}

fn pair(oid: ObjectIdentifier, text: &str) -> Result<AttributeTypeAndValue> {
    let tag = if is_printable(text) { Tag::PrintableString } else { Tag::Utf8String };
    let value = Any::new(tag, text.as_bytes()).map_err(|_| too_long(text))?;
    Ok(AttributeTypeAndValue { oid, value })
}

fn too_long(text: &str) -> Error {
    Error::invalid(format!("{text:?} cannot stand in a subject"))
}

fn add<T: AsRef<str>>(name: &mut Vec<RelativeDistinguishedName>, oid: ObjectIdentifier, values: &[T]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let mut set = SetOfVec::new();
    for value in values {
        set.insert(pair(oid, value.as_ref())?)
            .map_err(|_| Error::invalid(format!("{:?} is there twice", value.as_ref())))?;
    }
    name.push(RelativeDistinguishedName(set));
    Ok(())
}

/// A subject out of its parts; empty ones are left out.
///
/// # Errors
/// When a value cannot stand in a subject.
pub(crate) fn build(common_name: &str, serial_number: &str, user_ids: &[String], more: &SubjectParams) -> Result<Name> {
    let mut name = Vec::new();
    add(&mut name, COUNTRY, &unique(&more.country))?;
    add(&mut name, ORGANIZATION, &unique(&more.organization))?;
    add(&mut name, UNIT, &unique(&more.ou))?;
    add(&mut name, LOCALITY, &unique(&more.locality))?;
    add(&mut name, PROVINCE, &unique(&more.province))?;
    add(&mut name, STREET, &unique(&more.street_address))?;
    add(&mut name, POSTAL_CODE, &unique(&more.postal_code))?;
    let one = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    add(&mut name, crate::x509::COMMON_NAME, &one(common_name))?;
    add(&mut name, SERIAL_NUMBER, &one(serial_number))?;
    for id in user_ids {
        add(&mut name, USER_ID, std::slice::from_ref(id))?;
    }
    Ok(RdnSequence(name))
}

fn unique(values: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for value in values {
        if !kept.contains(value) {
            kept.push(value.clone());
        }
    }
    kept
}

/// A name as people read it.
pub(crate) fn show(name: &Name) -> String {
    name.to_string()
}
