//! A key on a server that speaks KMIP, over TLS with a client certificate. `kmip/ttlv.rs` is the encoding, `kmip/protocol.rs`
//! what is asked.
mod protocol;
#[cfg(test)]
mod tests;
mod ttlv;

pub use protocol::{KmipAlgorithm, KmipHash};

use crate::SettingError;
use async_trait::async_trait;
use aws_lc_rs::rand::fill;
use lessor_core::seal::{Seal, SealError, Unwrapped};
use protocol::{Connection, Encrypted, NONCE};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

/// Where the key is, and who asks.
#[derive(Clone)]
pub struct KmipSettings {
    /// `host:port`; without a port 5696.
    pub endpoint: String,
    /// Id of the AES key, or of the private key.
    pub kms_key_id: String,
    /// File of the certificate that is shown.
    pub client_cert: PathBuf,
    /// File of its key.
    pub client_key: PathBuf,
    /// File of the authority of the server; without it those of the operating system.
    pub ca_cert: Option<PathBuf>,
    /// Name in the server's certificate, where it is not the host's.
    pub server_name: Option<String>,
    /// Bound of one call.
    pub timeout: Duration,
    /// How it encrypts.
    pub algorithm: KmipAlgorithm,
    /// Cipher suites of TLS 1.2, by their names; empty for all.
    pub tls12_ciphers: Vec<String>,
}

/// Encrypts on the server. Each call has a connection of its own: there are few.
pub struct KmipSeal {
    settings: KmipSettings,
    provider: CryptoProvider,
    address: String,
    name: ServerName<'static>,
}

fn provider(names: &[String]) -> Result<CryptoProvider, SettingError> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    if let Some(unknown) = names.iter().find(|wanted| !provider.cipher_suites.iter().any(|one| name(one) == **wanted)) {
        let known: Vec<String> = provider.cipher_suites.iter().filter(|one| one.tls13().is_none()).map(name).collect();
        return Err(SettingError(format!("kmip: tls12_ciphers: {unknown} is none of {}", known.join(", "))));
    }
    if !names.is_empty() {
        provider.cipher_suites.retain(|one| one.tls13().is_some() || names.contains(&name(one)));
    }
    Ok(provider)
}

impl KmipSeal {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// When the endpoint is none, or a cipher suite is unknown.
    pub fn new(settings: KmipSettings) -> Result<Self, SettingError> {
        let wrong = || SettingError(format!("kmip: {:?} is no host:port", settings.endpoint));
        let (host, port) = match settings.endpoint.rsplit_once(':') {
            // The colons of an address in brackets are its own.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().map_err(|_| wrong())?),
            _ => (settings.endpoint.as_str(), 5696),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = settings.server_name.as_deref().unwrap_or(bare).to_owned();
        let name = ServerName::try_from(name).map_err(|_| wrong())?;
        let (provider, address) = (provider(&settings.tls12_ciphers)?, format!("{host}:{port}"));
        Ok(Self { settings, provider, address, name })
    }
    async fn connect(&self) -> Result<Connection<TlsStream<TcpStream>>, SealError> {
        let away = |error: &dyn std::fmt::Display| SealError::Unavailable(format!("kmip: {}: {error}", self.address));
        let read = async |path: &PathBuf| {
            // They are replaced from time to time, while the server runs.
            let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
            text.map_err(|error| SealError::Refused(format!("kmip: {}: {error}", path.display())))
        };
        let (certificate, key) = (read(&self.settings.client_cert).await?, read(&self.settings.client_key).await?);
        let ca = match &self.settings.ca_cert {
            Some(path) => read(path).await?,
            None => Zeroizing::default(),
        };
        let tls = lessor_platform_http::tls_of(self.provider.clone(), &ca, Some((&certificate, &key)));
        let tls = tls.map_err(|error| SealError::Refused(format!("kmip: {error}")))?;
        let stream = TcpStream::connect(&self.address).await.map_err(|error| away(&error))?;
        let stream = TlsConnector::from(Arc::new(tls)).connect(self.name.clone(), stream).await;
        Connection::open(stream.map_err(|error| away(&error))?).await
    }
    async fn within<T>(&self, work: impl Future<Output = Result<T, SealError>>) -> Result<T, SealError> {
        let seconds = self.settings.timeout.as_secs();
        let late = |_| Err(SealError::Unavailable(format!("kmip: {}: no answer within {seconds} s", self.address)));
        tokio::time::timeout(self.settings.timeout, work).await.unwrap_or_else(late)
    }
}

fn not_ours() -> SealError {
    SealError::Refused("kmip: what is to be decrypted was not encrypted by kmip".into())
}

/// Nonce, length of the tag, tag, data; of RSA only the last is not empty.
fn pack(nonce: &[u8], encrypted: &Encrypted) -> Result<Vec<u8>, SealError> {
    let lengths = u8::try_from(nonce.len()).ok().zip(u8::try_from(encrypted.tag.len()).ok());
    let (nonce_length, tag_length) =
        lengths.ok_or_else(|| SealError::Unavailable("kmip: the answer cannot be read".into()))?;
    Ok([&[nonce_length, tag_length], nonce, encrypted.tag.as_slice(), encrypted.data.as_slice()].concat())
}

fn unpack(bytes: &[u8]) -> Option<(&[u8], Encrypted)> {
    let (lengths, rest) = bytes.split_first_chunk::<2>()?;
    let (nonce, rest) = rest.split_at_checked(lengths[0].into())?;
    let (tag, data) = rest.split_at_checked(lengths[1].into())?;
    Some((nonce, Encrypted { data: data.to_vec(), nonce: None, tag: tag.to_vec() }))
}

#[async_trait]
impl Seal for KmipSeal {
    fn kind(&self) -> &'static str {
        "kmip"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = vec![0; NONCE];
        fill(&mut nonce).map_err(|_| SealError::Unavailable("the system gives no random numbers".into()))?;
        let (algorithm, key) = (self.settings.algorithm, &self.settings.kms_key_id);
        if algorithm != KmipAlgorithm::AesGcm {
            nonce.clear();
        }
        let work = async { self.connect().await?.encrypt(algorithm, key, plain, &nonce).await };
        let encrypted = self.within(work).await?;
        // Some servers choose the nonce themselves.
        pack(encrypted.nonce.as_ref().unwrap_or(&nonce), &encrypted)
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let (nonce, encrypted) = unpack(wrapped).ok_or_else(not_ours)?;
        let (algorithm, key) = (self.settings.algorithm, &self.settings.kms_key_id);
        let work = async { self.connect().await?.decrypt(algorithm, key, nonce, &encrypted).await };
        Ok(Unwrapped { plain: self.within(work).await?, stale: false })
    }
}
