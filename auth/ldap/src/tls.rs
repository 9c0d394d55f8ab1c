//! Whom a connection to the directory trusts.
use crate::config::{Config, TlsVersion};
use lessor_engine::{Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;

fn certificates(name: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| Error::invalid(format!("{name}: failed to parse certificate: PEM is expected")))
}

fn roots(config: &Config) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if config.certificate.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    }
    for certificate in certificates("certificate", &config.certificate)? {
        let wrong = |error| Error::invalid(format!("certificate: failed to parse certificate: {error}"));
        roots.add(certificate).map_err(wrong)?;
    }
    Ok(roots)
}

/// # Errors
/// Which text is no certificate or key.
pub(crate) fn config(config: &Config) -> Result<Arc<ClientConfig>> {
    let allowed = config.tls_min_version..=config.tls_max_version;
    let known: [(TlsVersion, &'static SupportedProtocolVersion); 2] =
        [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
    let versions: Vec<_> = known.into_iter().filter(|(name, _)| allowed.contains(name)).map(|(_, v)| v).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = |error: rustls::Error| Error::invalid(format!("TLS cannot be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions).map_err(failed)?;
    let builder = builder.with_root_certificates(roots(config)?);
    if config.client_tls_cert.is_empty() {
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let chain = certificates("client_tls_cert", &config.client_tls_cert)?;
    let key = PrivateKeyDer::from_pem_slice(config.client_tls_key.expose().as_bytes());
    let key = key.map_err(|_| Error::invalid("client_tls_key: failed to parse key: PEM is expected"))?;
    Ok(Arc::new(builder.with_client_auth_cert(chain, key).map_err(failed)?))
}
