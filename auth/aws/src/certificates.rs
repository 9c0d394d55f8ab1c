//! `config/certificate/…`: certificates of signers beside AWS's own.
use crate::Aws;
use crate::signer::Signer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What a certificate's owner signs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Messages with the document in them.
    #[default]
    Pkcs7,
    /// Documents, with the signature beside them.
    Identity,
}

#[derive(Serialize, Deserialize)]
struct Certificate {
    #[serde(rename = "aws_public_cert")]
    pem: String,
    #[serde(rename = "type")]
    purpose: Purpose,
}

#[derive(Params)]
pub(crate) struct At {
    /// Name of the certificate.
    cert_name: String,
}

#[derive(Params)]
pub(crate) struct CertificateParams {
    /// Name of the certificate.
    cert_name: String,
    /// The certificate in PEM, or the same in base64.
    aws_public_cert: String,
    /// What it verifies: pkcs7 (the default) or identity.
    r#type: Option<String>,
}

const FOLDER: &str = "config/certificate/";

fn key(name: &str) -> String {
    format!("{FOLDER}{name}")
}

/// The configured ones for a purpose.
pub(crate) async fn configured(cx: &Context, purpose: Purpose) -> Result<Vec<Signer>> {
    let mut signers = Vec::new();
    for name in cx.view.list(FOLDER).await? {
        let certificate: Option<Certificate> = cx.view.get(&key(&name)).await?;
        if let Some(certificate) = certificate.filter(|certificate| certificate.purpose == purpose) {
            let broken = |flaw| Error::Internal(format!("certificate {name}: {flaw}"));
            signers.push(Signer::parse(&certificate.pem).map_err(broken)?);
        }
    }
    Ok(signers)
}

pub(crate) async fn exists(_: Arc<Aws>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.version(&key(&at.cert_name)).await?.is_some())
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: CertificateParams) -> Result<Reply> {
    let old: Option<Certificate> = cx.view.get(&key(&sent.cert_name)).await?;
    let purpose = match sent.r#type.as_deref().map(str::to_lowercase).as_deref() {
        None => old.map(|old| old.purpose).unwrap_or_default(),
        Some("pkcs7") => Purpose::Pkcs7,
        Some("identity") => Purpose::Identity,
        Some(word) => return Err(Error::invalid(format!("invalid certificate type {word:?}: use pkcs7 or identity"))),
    };
    if sent.aws_public_cert.is_empty() {
        return Err(Error::invalid("missing aws_public_cert"));
    }
    let pem = STANDARD.decode(sent.aws_public_cert.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pem = pem.unwrap_or(sent.aws_public_cert);
    Signer::parse(&pem).map_err(|flaw| Error::invalid(format!("aws_public_cert: {flaw}")))?;
    cx.view.put(&key(&sent.cert_name), &Certificate { pem, purpose }).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let found: Option<Certificate> = cx.view.get(&key(&at.cert_name)).await?;
    Ok(found.map_or_else(Reply::missing, |certificate| Reply::data(json!(certificate))))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.cert_name)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list(FOLDER).await?))
}
