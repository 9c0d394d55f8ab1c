//! Asking an authority: one request with a timeout and a bound on the answer's size.
use lessor_engine::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes.
pub(crate) const LARGEST: usize = 10 << 20;

fn client() -> Result<reqwest::Client> {
    let failed = |error: &dyn std::fmt::Display| Error::Internal(format!("TLS cannot be set up: {error}"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().use_preconfigured_tls(tls).timeout(TIMEOUT);
    builder.build().map_err(|error| failed(&error))
}

/// # Errors
/// When it cannot be asked over HTTP.
pub(crate) fn check_address(url: &str) -> Result<()> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(Error::invalid(format!("url {url:?} is no http:// or https:// address")))
}

/// The body behind `url`.
pub(crate) async fn get(url: &str) -> Result<Vec<u8>> {
    check_address(url)?;
    body(url, client()?.get(url)).await
}

/// What `url` answers to a body of that content type.
pub(crate) async fn post(url: &str, kind: &str, content: Vec<u8>) -> Result<Vec<u8>> {
    check_address(url)?;
    body(url, client()?.post(url).header("Content-Type", kind).body(content)).await
}

async fn body(url: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>> {
    let failed = |why: String| Error::Unavailable(format!("{url} cannot be fetched: {why}"));
    let answer = request.send().await.map_err(|error| failed(cause(&error)))?;
    let mut answer = answer.error_for_status().map_err(|error| failed(cause(&error)))?;
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| failed(cause(&error)))? {
        body.extend_from_slice(&part);
        if body.len() > LARGEST {
            return Err(failed(format!("it is larger than {LARGEST} bytes")));
        }
    }
    Ok(body)
}

/// The innermost reason: the outer ones only repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
