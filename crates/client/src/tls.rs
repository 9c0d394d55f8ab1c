//! Turns paths and PEM text into a rustls configuration; aws-lc-rs is the only provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use lessor_tls_client::{AnyCertificate, system_roots};

use crate::Error;

/// PEM text, given as a file or in place.
#[derive(Clone)]
pub enum PemSource {
    /// Read when the client is built.
    File(PathBuf),
    /// The PEM text itself.
    Text(String),
}

impl std::fmt::Debug for PemSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

/// How the server is checked and how the client shows who it is.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// CA certificates to trust instead of the system's.
    pub ca_cert: Option<PemSource>,
    /// Directory of CA certificates to trust instead of the system's; `ca_cert` wins.
    pub ca_path: Option<PathBuf>,
    /// Client certificate chain.
    pub client_cert: Option<PemSource>,
    /// Key of the client certificate.
    pub client_key: Option<PemSource>,
    /// Name to send and to check instead of the address's host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub skip_verify: bool,
}

fn fail(text: impl std::fmt::Display) -> Error {
    Error::Tls(text.to_string())
}

fn read(source: &PemSource) -> Result<Vec<u8>, Error> {
    match source {
        PemSource::Text(text) => Ok(text.clone().into_bytes()),
        PemSource::File(path) => read_file(path),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| fail(format!("{}: {error}", path.display())))
}

fn certificates(pem: &[u8], from: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    lessor_tls_client::certificates(pem).map_err(|error| fail(format!("{from}: {error}")))
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    if let Some(source) = &settings.ca_cert {
        for certificate in certificates(&read(source)?, "CA certificate")? {
            store.add(certificate).map_err(fail)?;
        }
    } else if let Some(directory) = &settings.ca_path {
        let entries =
            std::fs::read_dir(directory).map_err(|error| fail(format!("{}: {error}", directory.display())))?;
        for entry in entries {
            let path = entry.map_err(fail)?.path();
            if path.is_file() {
                let from = path.display().to_string();
                for certificate in certificates(&read_file(&path)?, &from)? {
                    store.add(certificate).map_err(fail)?;
                }
            }
        }
    } else {
        return Ok(system_roots());
    }
    Ok(store)
}

/// The configuration for https addresses.
pub(crate) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(fail)?;
    let builder = if settings.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider)))
    } else {
        let store = roots(settings)?;
        if store.is_empty() {
            return Err(fail("no trusted CA certificate found: set VAULT_CACERT"));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build().map_err(fail)?;
        builder.with_webpki_verifier(verifier)
    };
    match (&settings.client_cert, &settings.client_key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(&read(cert)?, "client certificate")?;
            let key =
                PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| fail(format!("client key: {error}")))?;
            builder.with_client_auth_cert(chain, key).map_err(fail)
        }
        _ => Err(fail("both client cert and client key must be provided")),
    }
}

/// The configuration for http addresses, which never shakes hands: it trusts nothing.
pub(crate) fn unused_config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(fail)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}
