//! Requests to a platform that is asked over HTTP (a provider's keys, a cluster's token review): every one has a
//! timeout, reads no more than it has to, and follows no redirect, so that credentials reach nobody but the address that
//! an operator configured.
mod names;

pub use reqwest::Method;
use reqwest::redirect::Policy;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
/// Of a whole request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const LARGEST: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text holds no certificate.
    #[error("could not parse CA PEM value successfully")]
    Ca,
    /// The address is no `http://` or `https://` URL.
    #[error("{0:?} is no http:// or https:// address")]
    Address(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// Nobody answers, not in time, or not in HTTP.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// More than a megabyte.
    #[error("{0}: the answer is larger than {LARGEST} bytes")]
    TooLarge(String),
    /// The answer is not of the expected form.
    #[error("{url}: the answer cannot be read: {reason}")]
    Form {
        /// Who was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// A client that trusts one set of authorities.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    patience: Patience,
}

/// How often a request is sent again that found nobody, or somebody who is overloaded or in trouble; the default is
/// never.
#[derive(Clone, Copy, Default, Debug)]
pub struct Patience {
    /// How often.
    pub retries: u32,
    /// Pause before the first time; each further one is twice as long.
    pub delay: Duration,
    /// Longest pause, also of one that the platform asks for.
    pub longest: Duration,
}

/// One request.
#[derive(Clone)]
pub struct Ask<'a> {
    /// Verb.
    pub method: Method,
    /// Full address.
    pub url: &'a str,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Body; empty for none.
    pub body: Vec<u8>,
}

impl<'a> Ask<'a> {
    /// A GET without headers.
    pub fn get(url: &'a str) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Vec::new() }
    }
    /// A POST of this body.
    pub fn post(url: &'a str, kind: &str, body: Vec<u8>) -> Self {
        Self { method: Method::POST, url, headers: vec![("Content-Type".to_owned(), kind.to_owned())], body }
    }
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What came back.
pub struct Answer {
    url: String,
    /// HTTP status.
    pub status: u16,
    /// How long it may be kept, where it says so (RFC 9111, section 5.2).
    pub fresh: Option<Duration>,
    /// How long to wait before asking again, where it says so (RFC 9110, section 10.2.3).
    retry_after: Option<Duration>,
    /// At most a megabyte.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Form { url: self.url.clone(), reason: error.to_string() })
    }
    /// The same answer when its status is 200.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the status.
    pub fn ok(self) -> Result<Self, Error> {
        if self.status == 200 {
            return Ok(self);
        }
        Err(Error::Unreachable { url: self.url, reason: format!("status {}", self.status) })
    }
}

/// The trust of a connection: the certificates in `ca_pem`, or those of the operating system when it is empty.
///
/// # Errors
/// [`Error::Ca`] when there is no certificate in it.
pub fn tls(ca_pem: &str) -> Result<rustls::ClientConfig, Error> {
    tls_with_identity(ca_pem, None)
}

/// The same, showing a certificate and its key (PEM) to whoever asks for one.
///
/// # Errors
/// [`Error::Ca`] when there is no certificate in it, [`Error::Tls`] when certificate and key are not of each other.
pub fn tls_with_identity(ca_pem: &str, identity: Option<(&str, &str)>) -> Result<rustls::ClientConfig, Error> {
    tls_of(rustls::crypto::aws_lc_rs::default_provider(), ca_pem, identity)
}

/// The same with the cipher suites of a provider.
///
/// # Errors
/// As [`tls_with_identity`].
pub fn tls_of(
    provider: rustls::crypto::CryptoProvider,
    ca_pem: &str,
    identity: Option<(&str, &str)>,
) -> Result<rustls::ClientConfig, Error> {
    let roots = roots(ca_pem)?;
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Tls(error.to_string()))?.with_root_certificates(roots);
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| Error::Tls(format!("client certificate: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| Error::Tls(format!("key of the client certificate: {error}")))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| Error::Tls(error.to_string()))
}

fn roots(ca_pem: &str) -> Result<rustls::RootCertStore, Error> {
    let mut roots = rustls::RootCertStore::empty();
    if ca_pem.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(ca_pem.as_bytes()).collect();
        let found = found.map_err(|_| Error::Ca)?;
        let (added, ignored) = roots.add_parsable_certificates(found);
        if added == 0 || ignored > 0 {
            return Err(Error::Ca);
        }
    }
    Ok(roots)
}

impl Http {
    /// Trusts the certificates in `ca_pem`, or those of the operating system when it is empty.
    ///
    /// # Errors
    /// [`Error::Ca`] when there is no certificate in it.
    pub fn new(ca_pem: &str) -> Result<Self, Error> {
        Self::with_identity(ca_pem, None)
    }
    /// The same, showing a certificate and its key (PEM) to whoever asks for one.
    ///
    /// # Errors
    /// As [`tls_with_identity`].
    pub fn with_identity(ca_pem: &str, identity: Option<(&str, &str)>) -> Result<Self, Error> {
        Self::over(tls_with_identity(ca_pem, identity)?)
    }
    /// Trusts the same authorities, for certificates of any of these names, whatever the address says.
    ///
    /// # Errors
    /// [`Error::Ca`] as [`Http::new`], [`Error::Tls`] when a name is none.
    pub fn accepting(ca_pem: &str, names: &[String]) -> Result<Self, Error> {
        if names.is_empty() { Self::new(ca_pem) } else { Self::over(names::tls(roots(ca_pem)?, names)?) }
    }
    fn over(tls: rustls::ClientConfig) -> Result<Self, Error> {
        let builder = reqwest::Client::builder().use_preconfigured_tls(tls).redirect(Policy::none());
        let built = builder.connect_timeout(CONNECT).timeout(TIMEOUT).user_agent("lessor").build();
        let client = built.map_err(|error| Error::Tls(error.to_string()))?;
        Ok(Self { client, patience: Patience::default() })
    }
    /// The same client, which sends again what failed for a reason that passes.
    #[must_use]
    pub fn patient(&self, patience: Patience) -> Self {
        Self { client: self.client.clone(), patience }
    }
    /// Sends one request, and again as often as the client has patience.
    ///
    /// # Errors
    /// When there is no answer; every status is an answer.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        let mut pause = self.patience.delay;
        for _ in 0..self.patience.retries {
            let asked_for = match self.once(ask.clone()).await {
                Ok(answer) if passes(answer.status) => answer.retry_after,
                Err(Error::Unreachable { .. }) => None,
                done => return done,
            };
            tokio::time::sleep(asked_for.unwrap_or(pause).min(self.patience.longest)).await;
            pause = pause.saturating_mul(2);
        }
        self.once(ask).await
    }
    async fn once(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        if !ask.url.starts_with("http://") && !ask.url.starts_with("https://") {
            return Err(Error::Address(ask.url.to_owned()));
        }
        let failed = |error: &reqwest::Error| Error::Unreachable { url: ask.url.to_owned(), reason: cause(error) };
        let mut request = self.client.request(ask.method, ask.url);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let mut answer = request.body(ask.body).send().await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let (fresh, retry_after) = (fresh(header("cache-control"), header("age")), seconds(header("retry-after")));
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| failed(&error))? {
            body.extend_from_slice(&part);
            if body.len() > LARGEST {
                return Err(Error::TooLarge(ask.url.to_owned()));
            }
        }
        Ok(Answer { url: ask.url.to_owned(), status, fresh, retry_after, body })
    }
}

/// Whether the trouble that a status tells of is likely to pass.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

fn seconds(text: Option<&str>) -> Option<Duration> {
    text.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
}

/// How long an answer may be kept that was on its way for a while.
fn fresh(control: Option<&str>, age: Option<&str>) -> Option<Duration> {
    let control = control?.to_ascii_lowercase();
    let mut directives = control.split(',').map(str::trim);
    if directives.clone().any(|one| one == "no-store" || one == "no-cache") {
        return Some(Duration::ZERO);
    }
    let most = directives.find_map(|one| one.strip_prefix("max-age="))?;
    Some(seconds(Some(most))?.saturating_sub(seconds(age).unwrap_or_default()))
}

/// The innermost reason: the outer ones only repeat the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_certificate_is_no_authority() {
        assert!(matches!(tls("x"), Err(Error::Ca)));
        assert!(tls("").is_ok());
    }

    #[test]
    fn an_answer_is_kept_as_long_as_it_says_less_its_age() {
        let kept = |control, age| fresh(control, age).map(|time| time.as_secs());
        assert_eq!(kept(Some("public, max-age=21600, must-revalidate"), Some("600")), Some(21000));
        assert_eq!(kept(Some("Max-Age=60"), None), Some(60));
        assert_eq!(kept(Some("max-age=60"), Some("90")), Some(0));
        assert_eq!(kept(Some("private, no-store, max-age=60"), None), Some(0));
        assert_eq!(kept(Some("public"), None), None);
        assert_eq!(kept(None, Some("3")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_not_there_is_asked_again_as_often_as_there_is_patience() {
        let started = tokio::time::Instant::now();
        let patience = Patience { retries: 3, delay: Duration::from_secs(4), longest: Duration::from_secs(10) };
        let http = Http::new("").unwrap().patient(patience);
        assert!(http.send(Ask::get("http://127.0.0.1:1/x")).await.is_err());
        assert_eq!(started.elapsed().as_secs(), 4 + 8 + 10);
    }

    #[tokio::test]
    async fn nobody_there_and_no_address_are_told_apart() {
        let http = Http::new("").unwrap();
        let error = http.send(Ask::get("http://127.0.0.1:1/x")).await.err().unwrap();
        assert!(matches!(&error, Error::Unreachable { url, .. } if url == "http://127.0.0.1:1/x"), "{error}");
        assert!(matches!(http.send(Ask::get("file:///etc/passwd")).await, Err(Error::Address(_))));
    }
}
