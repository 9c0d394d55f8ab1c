//! The two messages of OCSP (RFC 6960): a question about one certificate, and an answer that somebody entitled signed.
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use lessor_engine::Timestamp;
use rustls::pki_types::CertificateDer;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request, TbsRequest, Version,
};

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// Seconds that clocks may differ.
const SKEW: i64 = 300;

/// What a responder says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Good,
    Revoked,
    Unknown,
}

/// An answer that is in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) status: Status,
    /// Seconds since 1970; `None` where newer information is always there.
    pub(crate) until: Option<i64>,
}

/// A certificate and who signed it.
pub(crate) struct Question {
    issuer: Certificate,
    issuer_der: Vec<u8>,
    id: CertId,
}

fn sha1(bytes: &[u8]) -> Result<OctetString, String> {
    // RFC 5019 has responders know this hash and no other; it only names the issuer here.
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    OctetString::new(hash.as_ref()).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Whether the key of `signer` made the signature.
fn signed_by(signer: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let der = CertificateDer::from(signer);
    let Ok(signer) = EndEntityCert::try_from(&der) else { return false };
    ALL_VERIFICATION_ALGS.iter().any(|algorithm| signer.verify_signature(*algorithm, message, signature).is_ok())
}

impl Question {
    /// # Errors
    /// What of the two is no certificate.
    pub(crate) fn new(certificate: &[u8], issuer: &[u8]) -> Result<Self, String> {
        let (own, parsed) =
            (Certificate::from_der(certificate).map_err(text)?, Certificate::from_der(issuer).map_err(text)?);
        let key = &parsed.tbs_certificate.subject_public_key_info.subject_public_key;
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA1, parameters: Some(der::Any::null()) },
            issuer_name_hash: sha1(&parsed.tbs_certificate.subject.to_der().map_err(text)?)?,
            issuer_key_hash: sha1(key.raw_bytes())?,
            serial_number: own.tbs_certificate.serial_number,
        };
        Ok(Self { issuer: parsed, issuer_der: issuer.to_vec(), id })
    }
    /// The request's DER.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let request = Request { req_cert: self.id.clone(), single_request_extensions: None };
        let asked = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![request],
            request_extensions: None,
        };
        OcspRequest { tbs_request: asked, optional_signature: None }.to_der().map_err(text)
    }
    /// What the answer says, once it is known to be signed by somebody entitled and in force.
    /// `trusted` are further responders (DER); `oldest` bounds the age of an answer in seconds, 0 for no bound.
    pub(crate) fn read(&self, answer: &[u8], trusted: &[Vec<u8>], oldest: u64, now: Timestamp) -> Result<Said, String> {
        let response = OcspResponse::from_der(answer).map_err(|error| format!("it is no OCSP response: {error}"))?;
        if response.response_status != OcspResponseStatus::Successful {
            return Err(format!("the responder answered {:?}", response.response_status));
        }
        let bytes = response.response_bytes.filter(|bytes| bytes.response_type == BASIC);
        let bytes = bytes.ok_or_else(|| "the response is of a kind that is not known here".to_owned())?;
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(text)?;
        let message = basic.tbs_response_data.to_der().map_err(text)?;
        let signature = basic.signature.raw_bytes();
        let now = now.as_second();
        let delegates = basic.certs.iter().flatten().filter(|delegate| self.delegated(delegate, now));
        let delegates = delegates.map(Encode::to_der).collect::<Result<Vec<_>, _>>().map_err(text)?;
        let mut entitled = std::iter::once(&self.issuer_der).chain(trusted).chain(&delegates);
        if !entitled.any(|signer| signed_by(signer, &message, signature)) {
            return Err("nobody who may answer for the issuer has signed the response".to_owned());
        }
        let mut answers = basic.tbs_response_data.responses.iter();
        let answer = answers.find(|answer| self.same(&answer.cert_id));
        let answer = answer.ok_or_else(|| "the response is about another certificate".to_owned())?;
        let seconds = |time: &x509_ocsp::OcspGeneralizedTime| {
            i64::try_from(time.0.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let (since, until) = (seconds(&answer.this_update), answer.next_update.as_ref().map(seconds));
        if since > now.saturating_add(SKEW) {
            return Err("the response is of the future".to_owned());
        }
        if until.is_some_and(|until| until.saturating_add(SKEW) < now) {
            return Err("the response is over".to_owned());
        }
        let too_old = (oldest > 0).then(|| since.saturating_add_unsigned(oldest));
        if too_old.is_some_and(|end| end < now) {
            return Err(format!("the response is older than ocsp_this_update_max_age ({oldest} s)"));
        }
        let status = match answer.cert_status {
            CertStatus::Good(_) => Status::Good,
            CertStatus::Revoked(_) => Status::Revoked,
            CertStatus::Unknown(_) => Status::Unknown,
        };
        Ok(Said { status, until: until.into_iter().chain(too_old).min() })
    }
    fn same(&self, id: &CertId) -> bool {
        // The parameters of the hash may be null or left out.
        id.hash_algorithm.oid == self.id.hash_algorithm.oid
            && id.issuer_name_hash == self.id.issuer_name_hash
            && id.issuer_key_hash == self.id.issuer_key_hash
            && id.serial_number == self.id.serial_number
    }
    /// Whether the issuer lets this certificate answer for it (RFC 6960, 4.2.2.2).
    fn delegated(&self, delegate: &Certificate, now: i64) -> bool {
        let own = &delegate.tbs_certificate;
        let at = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        let valid = at(own.validity.not_before) <= now && now <= at(own.validity.not_after);
        let usage = own.get::<ExtendedKeyUsage>().ok().flatten();
        let answers = usage.is_some_and(|(_, usage)| usage.0.contains(&OCSP_SIGNING));
        let Ok(message) = own.to_der() else { return false };
        valid
            && answers
            && own.issuer == self.issuer.tbs_certificate.subject
            && signed_by(&self.issuer_der, &message, delegate.signature.raw_bytes())
    }
}
