//! A certificate before it is signed.
use crate::encode::tlv;
use crate::key::{KeyPair, key_id};
use crate::signature::Scheme;
use aws_lc_rs::rand;
use const_oid::AssociatedOid;
use der::asn1::{BitString, GeneralizedTime, Ia5String, ObjectIdentifier, OctetString, UtcTime};
use der::{Decode, Encode};
use lessor_engine::{Error, Result};
use std::time::Duration;
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, FreshestCrl, KeyUsage, SubjectAltName, SubjectKeyIdentifier, crl::dp::DistributionPoint,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// UTCTime is for years before this one (RFC 5280, 4.1.2.5).
const YEAR_2050: i64 = 2_524_608_000;

pub(crate) fn unwritable(error: der::Error) -> Error {
    Error::invalid(format!("the certificate cannot be written: {error}"))
}

/// A moment as certificates and revocation lists hold it.
///
/// # Errors
/// When it lies outside of the years they know.
pub(crate) fn time(seconds: i64) -> Result<Time> {
    let since = Duration::from_secs(u64::try_from(seconds).map_err(|_| Error::invalid("a time before 1970"))?);
    if seconds < YEAR_2050 {
        return UtcTime::from_unix_duration(since).map(Time::UtcTime).map_err(unwritable);
    }
    GeneralizedTime::from_unix_duration(since).map(Time::GeneralTime).map_err(unwritable)
}

/// An extension out of a type of x509-cert.
pub(crate) fn extension<T: AssociatedOid + Encode>(value: &T, critical: bool) -> Result<Extension> {
    extension_of(T::OID, value.to_der().map_err(unwritable)?, critical)
}

/// An extension out of DER.
pub(crate) fn extension_of(oid: ObjectIdentifier, der: Vec<u8>, critical: bool) -> Result<Extension> {
    Ok(Extension { extn_id: oid, critical, extn_value: OctetString::new(der).map_err(unwritable)? })
}

/// Where the issuer's certificate, lists and answers are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) issuing_certificates: Vec<String>,
    pub(crate) crl_distribution_points: Vec<String>,
    pub(crate) ocsp_servers: Vec<String>,
    pub(crate) delta_crl_distribution_points: Vec<String>,
}

fn uri(text: &str) -> Result<GeneralName> {
    let text = Ia5String::new(text).map_err(|_| Error::invalid(format!("the URL {text:?} is not ASCII")))?;
    Ok(GeneralName::UniformResourceIdentifier(text))
}

fn points(urls: &[String]) -> Result<Vec<DistributionPoint>> {
    let point = |url: &String| {
        let name = DistributionPointName::FullName(vec![uri(url)?]);
        Ok(DistributionPoint { distribution_point: Some(name), reasons: None, crl_issuer: None })
    };
    urls.iter().map(point).collect()
}

impl Urls {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    pub(crate) fn extensions(&self) -> Result<Extensions> {
        let mut all = Extensions::new();
        let mut places = Vec::new();
        for (method, urls) in [(OCSP, &self.ocsp_servers), (CA_ISSUERS, &self.issuing_certificates)] {
            for url in urls {
                places.push(AccessDescription { access_method: method, access_location: uri(url)? });
            }
        }
        if !places.is_empty() {
            all.push(extension(&AuthorityInfoAccessSyntax(places), false)?);
        }
        if !self.crl_distribution_points.is_empty() {
            all.push(extension(&CrlDistributionPoints(points(&self.crl_distribution_points)?), false)?);
        }
        if !self.delta_crl_distribution_points.is_empty() {
            all.push(extension(&FreshestCrl(points(&self.delta_crl_distribution_points)?), false)?);
        }
        Ok(all)
    }
}

/// What the certificate is to be.
pub(crate) struct Template {
    pub(crate) subject: Name,
    pub(crate) sans: Vec<GeneralName>,
    /// DER.
    pub(crate) spki: Vec<u8>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended: Vec<ObjectIdentifier>,
    /// BasicConstraints: of an authority with its path length, of a leaf, or none at all.
    pub(crate) basic: Option<BasicConstraints>,
    pub(crate) skid: Option<Vec<u8>>,
    /// Behind those that are made here; one of a kind that is there already is left out.
    pub(crate) more: Extensions,
    pub(crate) signature_bits: i64,
    pub(crate) use_pss: bool,
}

/// Who signs it.
pub(crate) struct Authority<'a> {
    pub(crate) key: &'a KeyPair,
    pub(crate) subject: Name,
    /// Its key identifier; `None` where it signs itself.
    pub(crate) key_id: Option<Vec<u8>>,
    pub(crate) urls: Urls,
}

/// 159 random bits, so that the number is positive and has twenty bytes at most (RFC 5280, 4.1.2.2).
pub(crate) fn random_serial() -> Result<Vec<u8>> {
    let mut bytes = vec![0; 20];
    rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
    bytes[0] &= 0x7f;
    // A zero in front would not be written.
    bytes[0] |= 0x01;
    Ok(bytes)
}

impl Template {
    fn extensions(&self, by: &Authority<'_>) -> Result<Extensions> {
        let mut all = Extensions::new();
        if let Some(usage) = self.key_usage.filter(|usage| usage.0.bits() != 0) {
            all.push(extension(&usage, true)?);
        }
        if !self.extended.is_empty() {
            all.push(extension(&ExtendedKeyUsage(self.extended.clone()), false)?);
        }
        if let Some(basic) = &self.basic {
            all.push(extension(basic, true)?);
        }
        let skid = self.skid.clone().unwrap_or_else(|| key_id(&self.spki));
        all.push(extension(&SubjectKeyIdentifier(OctetString::new(skid.clone()).map_err(unwritable)?), false)?);
        let authority = by.key_id.clone().unwrap_or(skid);
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(authority).map_err(unwritable)?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        all.push(extension(&authority, false)?);
        all.extend(by.urls.extensions()?);
        if !self.sans.is_empty() {
            all.push(extension(&SubjectAltName(self.sans.clone()), self.subject.is_empty())?);
        }
        for extension in &self.more {
            if !all.iter().any(|known| known.extn_id == extension.extn_id) {
                all.push(extension.clone());
            }
        }
        Ok(all)
    }

    /// The certificate in DER.
    ///
    /// # Errors
    /// When it cannot be written or signed.
    pub(crate) fn sign(&self, by: &Authority<'_>) -> Result<Vec<u8>> {
        let scheme = Scheme::new(by.key.kind, self.signature_bits, self.use_pss);
        let tbs = TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::new(&random_serial()?).map_err(unwritable)?,
            signature: scheme.algorithm.clone(),
            issuer: by.subject.clone(),
            validity: Validity { not_before: time(self.not_before)?, not_after: time(self.not_after)? },
            subject: self.subject.clone(),
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&self.spki).map_err(unwritable)?,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(self.extensions(by)?),
        };
        signed(&tbs, &scheme, by.key)
    }
}

/// `SEQUENCE { content, algorithm, signature }`.
pub(crate) fn signed<T: Encode>(content: &T, scheme: &Scheme, key: &KeyPair) -> Result<Vec<u8>> {
    let content = content.to_der().map_err(unwritable)?;
    let signature = key.sign(scheme, &content)?;
    let algorithm = scheme.algorithm.to_der().map_err(unwritable)?;
    let signature = BitString::from_bytes(&signature).and_then(|bits| bits.to_der()).map_err(unwritable)?;
    Ok(tlv(0x30, &[&content, &algorithm, &signature]))
}

/// A certificate of somebody else with another issuer, signature and addresses; everything else stays.
///
/// # Errors
/// When it cannot be written or signed.
pub(crate) fn resign(of: &Certificate, by: &Authority<'_>, scheme: &Scheme) -> Result<Vec<u8>> {
    let mut tbs = of.tbs_certificate.clone();
    tbs.signature = scheme.algorithm.clone();
    tbs.issuer = by.subject.clone();
    let replaced =
        [AuthorityKeyIdentifier::OID, AuthorityInfoAccessSyntax::OID, CrlDistributionPoints::OID, FreshestCrl::OID];
    let mut all = tbs.extensions.take().unwrap_or_default();
    all.retain(|extension| !replaced.contains(&extension.extn_id));
    if let Some(id) = &by.key_id {
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(id.clone()).map_err(unwritable)?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        all.push(extension(&authority, false)?);
    }
    all.extend(by.urls.extensions()?);
    tbs.extensions = Some(all);
    signed(&tbs, scheme, by.key)
}
