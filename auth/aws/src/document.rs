//! Identity documents of instances
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>).
use crate::certificates::{self, Purpose};
use crate::pkcs7;
use crate::signer::{AWS, Digest, Signer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Context, Error, Result, Timestamp};
use serde::Deserialize;

/// What AWS says of an instance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    pub(crate) instance_id: String,
    pub(crate) image_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// When it was last started.
    pub(crate) pending_time: Timestamp,
}

/// A document and who vouches for it, as they are sent.
pub(crate) enum Proof<'a> {
    /// A signed message with the document in it.
    Pkcs7(&'a str),
    /// The document and its signature, both in base64.
    Signature(&'a str, &'a str),
}

fn parse(bytes: &[u8]) -> Result<Document> {
    let wrong = |error| Error::invalid(format!("the instance identity document cannot be read: {error}"));
    serde_json::from_slice(bytes).map_err(wrong)
}

fn decoded(what: &str, text: &str) -> Result<Vec<u8>> {
    // `base64` and the metadata service break lines.
    let text: String = text.chars().filter(|char| !char.is_whitespace()).collect();
    let bytes = STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| Error::invalid(format!("failed to base64 decode the {what}")))
}

impl Document {
    /// The document, if it was signed by AWS or by somebody who is configured.
    pub(crate) async fn verified(cx: &Context, proof: Proof<'_>) -> Result<Self> {
        match proof {
            Proof::Pkcs7(text) => {
                let configured = certificates::configured(cx, Purpose::Pkcs7).await?;
                let trusted: Vec<&Signer> = configured.iter().chain(AWS.iter()).collect();
                let content = pkcs7::verified(text, &trusted);
                parse(&content.map_err(|flaw| Error::invalid(flaw.to_string()))?)
            }
            Proof::Signature(document, signature) => {
                let document = decoded("instance identity document", document)?;
                let signature = decoded("SHA256 RSA signature of the instance identity document", signature)?;
                let configured = certificates::configured(cx, Purpose::Identity).await?;
                let mut trusted = configured.iter().chain(AWS.iter());
                if trusted.any(|signer| signer.signed(Digest::Sha256, &document, &signature)) {
                    return parse(&document);
                }
                Err(Error::invalid("instance identity verification using SHA256 RSA signature is unsuccessful"))
            }
        }
    }
}
