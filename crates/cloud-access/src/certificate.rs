//! What an application of Azure says about itself, signed with the key of a certificate that Azure knows
//! (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials>).
use crate::{Error, read};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lessor_engine::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

/// Seconds that a statement lasts.
const LASTS: i64 = 600;

/// The block of a private key, among others.
fn private_key(pem: &str) -> Option<&str> {
    let ends = pem.find("PRIVATE KEY-----")?;
    let begins = pem.get(..ends)?.rfind("-----BEGIN")?;
    let rest = pem.get(begins..)?;
    let end = rest.find("-----END")?;
    let last = end + rest.get(end..)?.find("KEY-----")? + "KEY-----".len();
    rest.get(..last)
}

/// A statement for the token endpoint `url`; certificate and key lie in one PEM file.
///
/// # Errors
/// What is wrong with the file.
pub(crate) async fn statement(path: &str, url: &str, client: &str, now: i64) -> Result<Secret, Error> {
    let pem = read(path).await?;
    let wrong = |why: &str| Error::Refused(format!("{path}: {why}"));
    let certificate = CertificateDer::from_pem_slice(pem.expose().as_bytes());
    let certificate = certificate.map_err(|_| wrong("it has no certificate in PEM; other forms are not read"))?;
    let key = private_key(pem.expose()).and_then(|block| EncodingKey::from_rsa_pem(block.as_bytes()).ok());
    let key = key.ok_or_else(|| wrong("it has no RSA key in PEM that is not encrypted"))?;
    let mut header = Header::new(Algorithm::PS256);
    header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)));
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| wrong("the system gives no random numbers"))?;
    let claims = json!({
        "aud": url, "iss": client, "sub": client, "jti": URL_SAFE_NO_PAD.encode(id),
        "iat": now, "nbf": now, "exp": now + LASTS,
    });
    jsonwebtoken::encode(&header, &claims, &key).map(Secret::new).map_err(|_| wrong("the key cannot sign"))
}
