//! Whom a connection to the directory trusts.
use crate::settings::{Settings, TlsVersion};
use lessor_engine::{Error, Result};
use lessor_tls_client::{AnyCertificate, system_roots};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;

fn certificates(name: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    lessor_tls_client::certificates(pem.as_bytes())
        .map_err(|_| Error::invalid(format!("{name}: failed to parse certificate: PEM is expected")))
}

fn roots(settings: &Settings) -> Result<RootCertStore> {
    if settings.certificate.is_empty() {
        return Ok(system_roots());
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates("certificate", &settings.certificate)? {
        let wrong = |error| Error::invalid(format!("certificate: failed to parse certificate: {error}"));
        roots.add(certificate).map_err(wrong)?;
    }
    Ok(roots)
}

/// # Errors
/// Which text is no certificate or key.
pub fn config(settings: &Settings) -> Result<Arc<ClientConfig>> {
    let allowed = settings.tls_min_version..=settings.tls_max_version;
    let known: [(TlsVersion, &'static SupportedProtocolVersion); 2] =
        [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
    let versions: Vec<_> = known.into_iter().filter(|(name, _)| allowed.contains(name)).map(|(_, v)| v).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = |error: rustls::Error| Error::invalid(format!("TLS cannot be set up: {error}"));
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).map_err(failed)?;
    let roots = roots(settings)?;
    let builder = match settings.insecure_tls {
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider))),
        false => builder.with_root_certificates(roots),
    };
    if settings.client_tls_cert.is_empty() {
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let chain = certificates("client_tls_cert", &settings.client_tls_cert)?;
    let key = PrivateKeyDer::from_pem_slice(settings.client_tls_key.expose().as_bytes());
    let key = key.map_err(|_| Error::invalid("client_tls_key: failed to parse key: PEM is expected"))?;
    Ok(Arc::new(builder.with_client_auth_cert(chain, key).map_err(failed)?))
}
