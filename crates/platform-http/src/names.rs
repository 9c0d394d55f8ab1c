//! Certificates for other names than the address's: where a server is reached by an address that nobody certifies.
use crate::Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// The usual checks, with these names in the place of the address's.
#[derive(Debug)]
struct Named {
    usual: Arc<WebPkiServerVerifier>,
    first: ServerName<'static>,
    more: Vec<ServerName<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let check = |name| self.usual.verify_server_cert(own, others, name, ocsp, now);
        self.more.iter().fold(check(&self.first), |checked, name| checked.or_else(|_| check(name)))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

pub(crate) fn tls(roots: RootCertStore, names: &[String]) -> Result<ClientConfig, Error> {
    let name = |text: &String| {
        ServerName::try_from(text.clone()).map_err(|_| Error::Tls(format!("{text:?} is no name of a server")))
    };
    let mut names = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() {
        return Err(Error::Tls("no name of a server is given".to_owned()));
    }
    let (first, more) = (names.remove(0), names);
    let failed = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let usual = usual.map_err(|error| failed(&error))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed(&error))?.dangerous();
    let verifier = Arc::new(Named { usual, first, more });
    Ok(builder.with_custom_certificate_verifier(verifier).with_no_client_auth())
}
