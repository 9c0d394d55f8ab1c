//! TLS to the server, by libpq's modes.
use crate::{Error, Result};
use lessor_tls_client::{AnyCertificate, PemError, system_roots};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What the configuration asks for; PEM texts.
pub struct Wanted<'a> {
    /// `sslmode`.
    pub mode: &'a str,
    /// Whom to trust.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate.
    pub certificate: Option<Vec<u8>>,
    /// Its key.
    pub key: Option<Vec<u8>>,
}

/// The inline PEM, or the content of the file that the URL names.
///
/// # Errors
/// When the file cannot be read.
pub fn pem(inline: &str, path: Option<&str>) -> Result<Option<Vec<u8>>> {
    if !inline.is_empty() {
        return Ok(Some(inline.as_bytes().to_vec()));
    }
    // "system" is libpq's word for the machine's own roots, which is what no file means here.
    path.filter(|path| !path.is_empty() && *path != "system")
        .map(|path| std::fs::read(path).map_err(|error| Error::new(format!("cannot read {path}: {error}"))))
        .transpose()
}

/// A connector by the mode: `verify-full` checks chain and host name, `verify-ca` (and `require` with a CA, as in
/// libpq) the chain only, `prefer` and `require` neither.
///
/// # Errors
/// When a PEM text holds nothing usable.
pub fn connector(wanted: &Wanted<'_>) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let fail = |what: &str, error: &dyn std::fmt::Display| Error::new(format!("{what}: {error}"));
    let verifier: Arc<dyn ServerCertVerifier> = match wanted.mode {
        "verify-full" => trusted(wanted, &provider)?,
        "verify-ca" => Arc::new(AnyName(trusted(wanted, &provider)?)),
        "require" if wanted.ca.is_some() => Arc::new(AnyName(trusted(wanted, &provider)?)),
        _ => Arc::new(AnyCertificate::new(Arc::clone(&provider))),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fail("TLS", &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match (&wanted.certificate, &wanted.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "tls_certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| fail("private_key", &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| fail("tls_certificate and private_key", &error))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(Error::new("tls_certificate and private_key must be given together")),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(pem: &[u8], field: &str) -> Result<Vec<CertificateDer<'static>>> {
    lessor_tls_client::certificates(pem).map_err(|error| match error {
        PemError::Empty => Error::new(format!("{field} holds no certificate: expected PEM text")),
        error => Error::new(format!("{field}: {error}")),
    })
}

fn trusted(wanted: &Wanted<'_>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let roots = match &wanted.ca {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "tls_ca")? {
                roots.add(certificate).map_err(|error| Error::new(format!("tls_ca: {error}")))?;
            }
            roots
        }
        None => system_roots(),
    };
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Error::new(format!("no certificate authority to verify the server by (set tls_ca): {error}")))
}

/// `verify-ca`: the chain counts, the name does not.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        // The name is looked at last, after the chain has been found good.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
