//! Whether a role trusts a certificate at all: a chain to one of its authorities, or the very certificate it pins.
use crate::certificate::Certificate;
use lessor_engine::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// The certificates of a PEM text; `None` where there is none, or one cannot be read.
pub(crate) fn parse_pem(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().ok()?;
    (!all.is_empty() && all.iter().all(|der| Certificate::parse(der).is_some())).then_some(all)
}

/// The certificate that issued the client's own: the next one of the chain that [`trusted`] found, or the authority
/// above it. What the client merely presented does not count.
pub(crate) fn issuer(chain: &[Vec<u8>], trust: &[CertificateDer<'static>]) -> Option<Vec<u8>> {
    let own = Certificate::parse(chain.first()?)?;
    let issued = |der: &&[u8]| {
        Certificate::parse(der).is_some_and(|above| {
            let same_key = own.authority_key_id.is_empty() || above.subject_key_id == own.authority_key_id;
            above.is_ca && above.subject == own.issuer && same_key
        })
    };
    let above = chain.iter().skip(1).map(Vec::as_slice);
    above.chain(trust.iter().map(AsRef::as_ref)).find(issued).map(<[u8]>::to_vec)
}

/// The chain from the client's certificate up to, and without, the authority that is trusted. `None` where there is none.
/// `presented` is the client's, its own certificate first.
pub(crate) fn trusted(
    presented: &[Vec<u8>],
    trust: &[CertificateDer<'static>],
    now: Timestamp,
) -> Option<Vec<Vec<u8>>> {
    let own = presented.first()?;
    if trust.iter().any(|pinned| pinned.as_ref() == own.as_slice()) {
        let certificate = Certificate::parse(own)?;
        let usable = certificate.is_valid_at(now) && (certificate.for_clients || !certificate.limited_use);
        return usable.then(|| vec![own.clone()]);
    }
    let authority = |der: &&CertificateDer<'static>| {
        Certificate::parse(der).is_some_and(|certificate| certificate.is_ca && certificate.is_valid_at(now))
    };
    let anchors: Vec<_> = trust.iter().filter(authority).filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
    let intermediates: Vec<CertificateDer<'_>> =
        presented.iter().skip(1).map(|der| CertificateDer::from(der.as_slice())).collect();
    let der = CertificateDer::from(own.as_slice());
    let leaf = EndEntityCert::try_from(&der).ok()?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second()).ok()?));
    let path = leaf
        .verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &intermediates, time, KeyUsage::client_auth(), None, None)
        .ok()?;
    let above = path.intermediate_certificates().map(|certificate| certificate.der().to_vec());
    Some(std::iter::once(own.clone()).chain(above).collect())
}
