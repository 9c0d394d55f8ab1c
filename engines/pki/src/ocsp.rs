//! OCSP (RFC 6960): whether one certificate is revoked, signed by its issuer.
use crate::Engine;
use crate::ca::{Ca, Issuer};
use crate::encode::{hyphens, unb64};
use crate::key::beside;
use crate::revoke::{Revoked, revoked_at};
use crate::settings::seconds;
use crate::signature::Scheme;
use crate::template::unwritable;
use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use lessor_engine::{Context, Params, Reply, Result};
use std::sync::Arc;
use std::time::Duration;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse, ResponderId, ResponseData,
    RevokedInfo, SingleResponse, Version,
};

const KIND: &str = "application/ocsp-response";
/// Bytes.
const LARGEST: usize = 2048;

#[derive(Params)]
pub(crate) struct Posted {
    /// The request in DER, in base64: what arrives as application/ocsp-request.
    raw_body: String,
}

#[derive(Params)]
pub(crate) struct Got {
    /// The request in DER, in base64.
    req: String,
}

fn plain(status: u16, response: &OcspResponse) -> Result<Reply> {
    Ok(Reply::raw(KIND, response.to_der().map_err(unwritable)?).status(status))
}

fn hash(oid: ObjectIdentifier) -> Option<&'static Algorithm> {
    Some(match oid.to_string().as_str() {
        "1.3.14.3.2.26" => &SHA1_FOR_LEGACY_USE_ONLY,
        "2.16.840.1.101.3.4.2.1" => &SHA256,
        "2.16.840.1.101.3.4.2.2" => &SHA384,
        "2.16.840.1.101.3.4.2.3" => &SHA512,
        _ => return None,
    })
}

fn is_meant(issuer: &Issuer, id: &CertId) -> bool {
    let Some(hash) = hash(id.hash_algorithm.oid) else { return false };
    let Ok(info) = SubjectPublicKeyInfoRef::from_der(&issuer.cert.spki) else { return false };
    let Some(key) = info.subject_public_key.as_bytes() else { return false };
    digest(hash, &issuer.cert.subject).as_ref() == id.issuer_name_hash.as_bytes()
        && digest(hash, key).as_ref() == id.issuer_key_hash.as_bytes()
}

fn may_answer(issuer: &Issuer) -> bool {
    issuer.record.usage.ocsp && issuer.key.is_some()
}

fn moment(at: i64) -> Result<OcspGeneralizedTime> {
    let since = Duration::from_secs(u64::try_from(at).unwrap_or_default());
    GeneralizedTime::from_unix_duration(since).map(OcspGeneralizedTime).map_err(unwritable)
}

/// Who answers, and what.
struct Verdict {
    issuer: Arc<Issuer>,
    status: CertStatus,
}

async fn judge(cx: &Context, ca: &Ca, id: &CertId) -> Result<Option<Verdict>> {
    let meant: Vec<&Arc<Issuer>> = ca.issuers.iter().filter(|issuer| is_meant(issuer, id)).collect();
    if meant.is_empty() {
        let default = ca.find_issuer("default").filter(|issuer| may_answer(issuer));
        return Ok(default.map(|issuer| Verdict { issuer: Arc::clone(issuer), status: CertStatus::unknown() }));
    }
    // Issuers with one subject and key answer for each other.
    let Some(issuer) = meant.iter().find(|issuer| may_answer(issuer)) else { return Ok(None) };
    let serial = hyphens(crate::x509::serial_bytes(&id.serial_number));
    let revoked: Option<Revoked> = cx.view.get(&revoked_at(&serial)).await?;
    let ours = |revoked: &Revoked| {
        let known = ca.issuers.iter().any(|known| known.record.id == revoked.issuer_id);
        !known || meant.iter().any(|issuer| issuer.record.id == revoked.issuer_id)
    };
    let status = match revoked.filter(ours) {
        Some(revoked) => {
            CertStatus::revoked(RevokedInfo { revocation_time: moment(revoked.time)?, revocation_reason: None })
        }
        None => CertStatus::good(),
    };
    Ok(Some(Verdict { issuer: Arc::clone(issuer), status }))
}

async fn sign(cx: &Context, ca: &Ca, id: CertId, verdict: Verdict) -> Result<Vec<u8>> {
    let now = cx.now().as_second();
    let lasts = seconds(&ca.record.crl.ocsp_expiry);
    let Verdict { issuer, status } = verdict;
    let next_update = if lasts > 0 { Some(moment(now.saturating_add(lasts))?) } else { None };
    let response = SingleResponse {
        cert_id: id,
        cert_status: status,
        this_update: moment(now)?,
        next_update,
        single_extensions: None,
    };
    let key_hash = OctetString::new(crate::key::key_id(&issuer.cert.spki)).map_err(unwritable)?;
    let data = ResponseData {
        version: Version::V1,
        responder_id: ResponderId::ByKey(key_hash),
        produced_at: moment(now)?,
        responses: vec![response],
        response_extensions: None,
    };
    let slow = issuer.key.as_ref().is_some_and(|key| key.kind.is_slow());
    beside(slow, move || {
        let key =
            issuer.key.as_ref().ok_or_else(|| lessor_engine::Error::invalid("the issuer's key is not known here"))?;
        let scheme = Scheme::for_ocsp(key.kind, &issuer.record.revocation_signature_algorithm)?;
        let signature = key.sign(&scheme, &data.to_der().map_err(unwritable)?)?;
        let basic = BasicOcspResponse {
            tbs_response_data: data,
            signature_algorithm: scheme.algorithm,
            signature: BitString::from_bytes(&signature).map_err(unwritable)?,
            certs: Some(vec![issuer.cert.parsed.clone()]),
        };
        OcspResponse::successful(basic).and_then(|response| response.to_der()).map_err(unwritable)
    })
    .await
}

async fn answer(engine: &Engine, cx: &Context, request: Option<Vec<u8>>) -> Result<Reply> {
    let ca = engine.ca(cx).await?;
    if ca.record.crl.ocsp_disable {
        return plain(401, &OcspResponse::unauthorized());
    }
    let parsed = request.filter(|der| der.len() <= LARGEST).and_then(|der| OcspRequest::from_der(&der).ok());
    let Some(request) = parsed else { return plain(400, &OcspResponse::malformed_request()) };
    let [one] = request.tbs_request.request_list.as_slice() else {
        return plain(400, &OcspResponse::malformed_request());
    };
    let id = one.req_cert.clone();
    if hash(id.hash_algorithm.oid).is_none() {
        return plain(400, &OcspResponse::malformed_request());
    }
    let answered = match judge(cx, &ca, &id).await {
        Ok(None) => return plain(401, &OcspResponse::unauthorized()),
        Ok(Some(verdict)) => sign(cx, &ca, id, verdict).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(bytes) => Ok(Reply::raw(KIND, bytes)),
        Err(error) => {
            tracing::error!(%error, mount = %cx.mount.path, "no OCSP answer could be given");
            plain(500, &OcspResponse::internal_error())
        }
    }
}

pub(crate) async fn post(engine: Arc<Engine>, cx: Context, asked: Posted) -> Result<Reply> {
    answer(&engine, &cx, unb64(&asked.raw_body)).await
}

pub(crate) async fn get(engine: Arc<Engine>, cx: Context, asked: Got) -> Result<Reply> {
    // A `+` may have become a space on its way through a query-minded proxy.
    let text = asked.req.replace(' ', "+");
    let forms = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    let decoded = forms.iter().find_map(|form| form.decode(text.trim()).ok());
    answer(&engine, &cx, decoded).await
}
