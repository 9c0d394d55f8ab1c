//! The three ways to see that somebody controls a name: a file over HTTP (RFC 8555, 8.3), a record in the DNS (8.4), a
//! certificate in a TLS handshake (RFC 8737). This is the only place from where the engine calls out.
use super::config::AcmeConfig;
use super::problem::{Problem, problem};
use crate::x509::Cert;
use der::Decode;
use der::asn1::ObjectIdentifier;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::SubjectPublicKeyInfoRef;

const TIMEOUT: Duration = Duration::from_secs(10);
const DNS_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer over HTTP that are read.
const LARGEST: usize = 512;
const REDIRECTS: usize = 10;
const ACME_TLS: &[u8] = b"acme-tls/1";
const ACME_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.31");

/// Resolver and bounds of one validation.
pub(crate) struct Probe {
    resolver: Arc<TokioResolver>,
    config: Arc<AcmeConfig>,
}

/// Names by the configured resolver, addresses by the configured networks.
struct Bounded {
    resolver: Arc<TokioResolver>,
    config: Arc<AcmeConfig>,
}

async fn addresses(resolver: &TokioResolver, config: &AcmeConfig, host: &str) -> Result<Vec<IpAddr>, Problem> {
    // A name is looked up as it is, without the machine's search list.
    let found = resolver.lookup_ip(format!("{host}.")).await;
    let found = found.map_err(|error| problem("dns", format!("{host} cannot be resolved: {error}")))?;
    let allowed: Vec<IpAddr> = found.iter().filter(|ip| config.permits(*ip)).collect();
    if allowed.is_empty() {
        return Err(problem("rejectedIdentifier", format!("{host} has no address that may be connected to")));
    }
    Ok(allowed)
}

impl Resolve for Bounded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, config) = (Arc::clone(&self.resolver), Arc::clone(&self.config));
        Box::pin(async move {
            let found = addresses(&resolver, &config, name.as_str()).await.map_err(|problem| problem.detail)?;
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// Takes every certificate: what it is worth is looked at afterwards.
#[derive(Debug)]
struct Anything(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.holds_key(message, cert, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.holds_key(message, cert, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl Anything {
    /// Whether the server holds the certificate's key. The library's own check refuses certificates with acmeIdentifier, as
    /// one that it does not know but is critical.
    fn holds_key(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let wrong = || rustls::Error::General("the handshake is not signed by the certificate's key".to_owned());
        let cert = Cert::parse(cert).map_err(|_| wrong())?;
        let info = SubjectPublicKeyInfoRef::from_der(&cert.spki).map_err(|_| wrong())?;
        let key = info.subject_public_key.as_bytes().ok_or_else(wrong)?;
        let known = self.0.signature_verification_algorithms.mapping;
        let ways = known.iter().filter(|(scheme, _)| *scheme == signed.scheme).flat_map(|(_, ways)| ways.iter());
        let holds =
            |way: &&dyn SignatureVerificationAlgorithm| way.verify_signature(key, message, signed.signature()).is_ok();
        if ways.copied().any(|way| holds(&way)) { Ok(HandshakeSignatureValid::assertion()) } else { Err(wrong()) }
    }
}

fn tls() -> Result<rustls::ClientConfig, Problem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = |error: rustls::Error| problem("serverInternal", format!("TLS cannot be set up: {error}"));
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Anything(provider))).with_no_client_auth())
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text = format!("{text}: {error}");
        inner = error.source();
    }
    text
}

impl Probe {
    pub(crate) fn new(config: &AcmeConfig) -> Result<Self, Problem> {
        let failed = |error: &dyn std::error::Error| problem("dns", format!("the resolver cannot be set up: {error}"));
        let builder = match config.dns_resolver.parse::<SocketAddr>() {
            Ok(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            Err(_) => TokioResolver::builder_tokio().map_err(|error| failed(&error))?,
        };
        let resolver = Arc::new(builder.build().map_err(|error| failed(&error))?);
        Ok(Self { resolver, config: Arc::new(config.clone()) })
    }

    /// A client that follows redirects within the bounds, as RFC 8555, 8.3 lets it.
    fn client(&self) -> Result<reqwest::Client, Problem> {
        let config = Arc::clone(&self.config);
        let redirects = reqwest::redirect::Policy::custom(move |attempt| {
            // Names pass the resolver; addresses are looked at here.
            let host = attempt.url().host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let forbidden = host.parse::<IpAddr>().is_ok_and(|ip| !config.permits(ip));
            let port = attempt.url().port_or_known_default();
            if attempt.previous().len() > REDIRECTS {
                attempt.error("too many redirects")
            } else if forbidden || !matches!(port, Some(80 | 443)) {
                attempt.error("the redirect leads to where validations must not connect")
            } else {
                attempt.follow()
            }
        });
        let resolver = Bounded { resolver: Arc::clone(&self.resolver), config: Arc::clone(&self.config) };
        reqwest::Client::builder()
            .use_preconfigured_tls(tls()?)
            .dns_resolver(Arc::new(resolver))
            .redirect(redirects)
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| problem("serverInternal", format!("no HTTP client: {error}")))
    }

    /// http-01: the file has to hold the key authorization.
    pub(crate) async fn http(&self, host: &str, token: &str, wanted: &str) -> Result<(), Problem> {
        let at = match host.parse::<IpAddr>() {
            Ok(ip) if !self.config.permits(ip) => {
                return Err(problem("rejectedIdentifier", format!("{host} may not be connected to")));
            }
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            Ok(IpAddr::V4(_)) => host.to_owned(),
            Err(_) => {
                // Looked up here for the sake of a clear answer; the client asks again, of the resolver's memory.
                addresses(&self.resolver, &self.config, host).await?;
                host.to_owned()
            }
        };
        let url = format!("http://{at}/.well-known/acme-challenge/{token}");
        let failed = |error: reqwest::Error| {
            problem("connection", format!("{url} cannot be fetched: {}", cause(&error.without_url())))
        };
        let mut answer = self.client()?.get(&url).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(problem(
                "incorrectResponse",
                format!("{url} is answered with status {}", answer.status().as_u16()),
            ));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(problem("incorrectResponse", format!("{url} has more than {LARGEST} bytes")));
            }
        }
        if String::from_utf8_lossy(&body).trim_end() == wanted {
            return Ok(());
        }
        Err(problem("incorrectResponse", format!("{url} does not hold the key authorization of the challenge")))
    }

    /// dns-01: a TXT record has to hold the digest of the key authorization.
    pub(crate) async fn dns(&self, host: &str, wanted: &str) -> Result<(), Problem> {
        let name = format!("_acme-challenge.{host}.");
        let asked = tokio::time::timeout(DNS_TIMEOUT, self.resolver.lookup(name.as_str(), RecordType::TXT)).await;
        let asked = asked.map_err(|_| problem("dns", format!("the DNS does not answer for {name}")))?;
        let found = asked.map_err(|error| problem("dns", format!("{name} has no TXT record: {error}")))?;
        let texts: Vec<String> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                _ => None,
            })
            .collect();
        if texts.iter().any(|text| text == wanted) {
            return Ok(());
        }
        Err(problem("incorrectResponse", format!("no TXT record of {name} is {wanted}; found: {}", texts.join(", "))))
    }

    /// tls-alpn-01: the certificate of the handshake has to hold name and digest.
    pub(crate) async fn tls_alpn(&self, host: &str, wanted: &[u8]) -> Result<(), Problem> {
        let look = async {
            let found = addresses(&self.resolver, &self.config, host).await?;
            let mut why = problem("connection", format!("{host} has no address"));
            for ip in found {
                match TcpStream::connect((ip, 443)).await {
                    Ok(stream) => return self.handshake(host, stream).await,
                    Err(error) => why = problem("connection", format!("{ip} port 443: {error}")),
                }
            }
            Err(why)
        };
        let looked = tokio::time::timeout(TIMEOUT, look).await;
        let cert = looked.map_err(|_| problem("connection", format!("{host} does not answer in time")))??;
        check_alpn(&cert, host, wanted)
    }

    async fn handshake(&self, host: &str, stream: TcpStream) -> Result<Cert, Problem> {
        let mut config = tls()?;
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        let failed = |why: String| problem("tls", format!("{host}: {why}"));
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(ACME_TLS) {
            return Err(failed("the server does not speak acme-tls/1".to_owned()));
        }
        let cert = session.peer_certificates().and_then(|chain| chain.first());
        let cert = cert.ok_or_else(|| failed("the server shows no certificate".to_owned()))?;
        Cert::parse(cert).map_err(|error| failed(error.to_string()))
    }
}

fn check_alpn(cert: &Cert, host: &str, wanted: &[u8]) -> Result<(), Problem> {
    let wrong = |why: &str| Err(problem("incorrectResponse", format!("the certificate of {host} {why}")));
    let sans = cert.sans();
    let only = matches!(sans.as_slice(), [GeneralName::DnsName(name)] if name.as_str().eq_ignore_ascii_case(host));
    if !only {
        return wrong("does not hold exactly this name");
    }
    let extensions = cert.parsed.tbs_certificate.extensions.as_deref().unwrap_or_default();
    let Some(extension) = extensions.iter().find(|extension| extension.extn_id == ACME_IDENTIFIER) else {
        return wrong("has no acmeIdentifier");
    };
    // An OCTET STRING of 32 bytes.
    let shown = extension.extn_value.as_bytes();
    if !extension.critical || shown.len() != 34 || shown[..2] != [4, 32] || shown[2..] != *wanted {
        return wrong("does not hold the digest of the key authorization");
    }
    Ok(())
}
