//! Certificates and requests, read once.
use crate::encode::{colons, hyphens};
use crate::signature::verifies;
use const_oid::db::rfc5280;
use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Encode, Reader, SliceReader};
use lessor_engine::{Error, Result};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectAltName, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, ExtensionReq};
use x509_cert::spki::AlgorithmIdentifierOwned;

pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A certificate.
pub(crate) struct Cert {
    pub(crate) der: Vec<u8>,
    pub(crate) parsed: Certificate,
    /// DER.
    pub(crate) subject: Vec<u8>,
    /// DER.
    pub(crate) issuer: Vec<u8>,
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) spki: Vec<u8>,
    pub(crate) skid: Option<Vec<u8>>,
    pub(crate) akid: Option<Vec<u8>>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) is_ca: bool,
    pub(crate) path_length: Option<u8>,
    /// `None`: the certificate does not restrict it.
    pub(crate) key_usage: Option<KeyUsage>,
}

fn seconds(time: x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

/// The first element inside what is signed and carried around as `SEQUENCE { content, algorithm, signature }`.
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let outer = AnyRef::from_der(der).ok()?;
    let mut reader = SliceReader::new(outer.value()).ok()?;
    reader.tlv_bytes().ok()
}

/// Whether the signature of `SEQUENCE { content, algorithm, signature }` is that of the key.
pub(crate) fn is_signed_by(
    der: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    signature: &der::asn1::BitString,
    spki: &[u8],
) -> bool {
    let (Some(part), Some(signature)) = (signed_part(der), signature.as_bytes()) else { return false };
    verifies(spki, algorithm, part, signature)
}

impl Cert {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn parse(der: &[u8]) -> Result<Self> {
        let broken = |error: der::Error| Error::invalid(format!("the certificate cannot be read: {error}"));
        let parsed = Certificate::from_der(der).map_err(broken)?;
        let tbs = &parsed.tbs_certificate;
        let basic = tbs.get::<BasicConstraints>().map_err(broken)?.map(|(_, basic)| basic);
        let skid = tbs.get::<SubjectKeyIdentifier>().map_err(broken)?;
        let akid = tbs.get::<AuthorityKeyIdentifier>().map_err(broken)?;
        Ok(Self {
            der: der.to_vec(),
            subject: tbs.subject.to_der().map_err(broken)?,
            issuer: tbs.issuer.to_der().map_err(broken)?,
            spki: tbs.subject_public_key_info.to_der().map_err(broken)?,
            skid: skid.map(|(_, id)| id.0.as_bytes().to_vec()),
            akid: akid.and_then(|(_, id)| id.key_identifier).map(|id| id.as_bytes().to_vec()),
            not_before: seconds(tbs.validity.not_before),
            not_after: seconds(tbs.validity.not_after),
            is_ca: basic.as_ref().is_some_and(|basic| basic.ca),
            path_length: basic.and_then(|basic| basic.path_len_constraint),
            key_usage: tbs.get::<KeyUsage>().map_err(broken)?.map(|(_, usage)| usage),
            parsed,
        })
    }
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn from_pem(text: &str) -> Result<Self> {
        let der = crate::encode::first_block(text, &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]);
        Self::parse(&der.ok_or_else(|| Error::invalid("the certificate is no PEM block of type CERTIFICATE"))?)
    }
    pub(crate) fn serial(&self) -> &[u8] {
        serial_bytes(&self.parsed.tbs_certificate.serial_number)
    }
    /// As answers write it.
    pub(crate) fn serial_text(&self) -> String {
        colons(self.serial())
    }
    /// As storage keys write it.
    pub(crate) fn serial_key(&self) -> String {
        hyphens(self.serial())
    }
    pub(crate) fn is_self_signed(&self) -> bool {
        self.subject == self.issuer && self.is_signed_by(&self.spki)
    }
    /// Whether the key made the certificate's signature.
    pub(crate) fn is_signed_by(&self, spki: &[u8]) -> bool {
        is_signed_by(&self.der, &self.parsed.signature_algorithm, &self.parsed.signature, spki)
    }
    /// Whether `authority` issued it: by name, key identifier and signature.
    pub(crate) fn is_issued_by(&self, authority: &Self) -> bool {
        let ids_fit = match (&self.akid, &authority.skid) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        self.issuer == authority.subject && ids_fit && self.is_signed_by(&authority.spki)
    }
    /// The key identifier others refer to it by.
    pub(crate) fn key_id(&self) -> Vec<u8> {
        self.skid.clone().unwrap_or_else(|| crate::key::key_id(&self.spki))
    }
    pub(crate) fn may_sign_crls(&self) -> bool {
        self.is_ca && self.key_usage.is_none_or(|usage| usage.crl_sign())
    }
    pub(crate) fn pem(&self) -> String {
        crate::encode::certificate_pem(&self.der)
    }
    pub(crate) fn common_name(&self) -> String {
        attribute(&self.parsed.tbs_certificate.subject, COMMON_NAME).unwrap_or_default()
    }
    pub(crate) fn sans(&self) -> Vec<GeneralName> {
        let found = self.parsed.tbs_certificate.get::<SubjectAltName>();
        found.ok().flatten().map(|(_, names)| names.0).unwrap_or_default()
    }
}

/// A serial number without the zero in front that says "not negative".
pub(crate) fn serial_bytes(serial: &x509_cert::serial_number::SerialNumber) -> &[u8] {
    match serial.as_bytes() {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}

/// The last value of an attribute of a name, as text.
pub(crate) fn attribute(name: &Name, oid: ObjectIdentifier) -> Option<String> {
    values(name, oid).pop()
}

/// Every value of an attribute of a name, as text.
pub(crate) fn values(name: &Name, oid: ObjectIdentifier) -> Vec<String> {
    let all = name.0.iter().flat_map(|rdn| rdn.0.iter()).filter(|pair| pair.oid == oid);
    all.filter_map(|pair| String::from_utf8(pair.value.value().to_vec()).ok()).collect()
}

/// A certificate request.
pub(crate) struct Csr {
    pub(crate) parsed: CertReq,
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) spki: Vec<u8>,
    pub(crate) extensions: Extensions,
}

impl Csr {
    /// Reads a request in PEM.
    ///
    /// # Errors
    /// When it is none, or its key did not sign it.
    pub(crate) fn from_pem(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::invalid("\"csr\" is empty"));
        }
        let der = crate::encode::first_block(text, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]);
        Self::from_der(&der.ok_or_else(|| Error::invalid("csr contains no data"))?)
    }
    /// Reads a request in DER.
    ///
    /// # Errors
    /// As [`Csr::from_pem`].
    pub(crate) fn from_der(der: &[u8]) -> Result<Self> {
        let broken = |error: der::Error| Error::invalid(format!("certificate request could not be parsed: {error}"));
        let parsed = CertReq::from_der(der).map_err(broken)?;
        let spki = parsed.info.public_key.to_der().map_err(broken)?;
        if crate::key::Kind::of(&spki).is_none() {
            return Err(Error::invalid(
                "the key of the request is not supported: use RSA of at most 8192 bits, EC on P-256, P-384 or P-521, or Ed25519",
            ));
        }
        if !is_signed_by(der, &parsed.algorithm, &parsed.signature, &spki) {
            return Err(Error::invalid("request signature invalid"));
        }
        let mut extensions = Extensions::new();
        for attribute in parsed.info.attributes.iter() {
            if attribute.oid != const_oid::db::rfc5912::ID_EXTENSION_REQ {
                continue;
            }
            for value in attribute.values.iter() {
                let asked = value.to_der().and_then(|der| ExtensionReq::from_der(&der)).map_err(broken)?;
                extensions.extend(asked.0);
            }
        }
        Ok(Self { parsed, spki, extensions })
    }
    /// The extension of this kind that is asked for.
    pub(crate) fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.extn_id == oid)
    }
    pub(crate) fn subject(&self) -> &Name {
        &self.parsed.info.subject
    }
    pub(crate) fn common_name(&self) -> String {
        attribute(self.subject(), COMMON_NAME).unwrap_or_default()
    }
    /// # Errors
    /// When the request's names cannot be read.
    pub(crate) fn sans(&self) -> Result<Vec<GeneralName>> {
        let Some(extension) = self.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME) else { return Ok(Vec::new()) };
        let names = SubjectAltName::from_der(extension.extn_value.as_bytes());
        names
            .map(|names| names.0)
            .map_err(|_| Error::invalid("the subject alternative names of the request cannot be read"))
    }
    pub(crate) fn asks_for_ca(&self) -> bool {
        self.extension(rfc5280::ID_CE_BASIC_CONSTRAINTS).is_some()
    }
}
