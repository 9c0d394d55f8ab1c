//! Messages that are signed with their content in them (RFC 5652, sections 3 and 5). Only certificates that are trusted
//! already count; those in the message are not looked at.
use crate::ber::{Element, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, der_header};
use crate::signer::{Digest, Signer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters of a message; AWS's have two thousand.
const LARGEST: usize = 64 * 1024;

/// Contents of object identifiers.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// Why a message is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("failed to decode the PEM encoded PKCS#7 signature")]
    Encoding,
    #[error("failed to parse the BER encoded PKCS#7 signature")]
    Form,
    #[error("instance identity document could not be found in the signature")]
    Content,
    #[error("none of the configured certificates, and none of AWS's, is the signer's")]
    Signer,
    #[error("failed to verify the signature")]
    Signature,
}

/// The text of the metadata service: base64 in lines, with or without those of PEM around it.
fn decoded(text: &str) -> Result<Vec<u8>, Flaw> {
    if text.len() > LARGEST {
        return Err(Flaw::Encoding);
    }
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let body: String = lines.flat_map(str::chars).filter(|char| !char.is_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| Flaw::Encoding)
}

struct Message<'a> {
    content_type: &'a [u8],
    content: Vec<u8>,
    signers: Vec<Element<'a>>,
}

/// `ContentInfo` with `SignedData` in it.
fn message(bytes: &[u8]) -> Option<Message<'_>> {
    let info = Element::first(bytes)?.0.children()?;
    let [kind, wrapped] = info.as_slice() else { return None };
    let is_signed = kind.is(OID) && kind.content == SIGNED_DATA && wrapped.is_own(0);
    let data = is_signed.then(|| Element::first(wrapped.content)).flatten()?.0;
    let parts = data.children().filter(|_| data.is(SEQUENCE))?;
    let (inner, signers) = (parts.get(2)?.children()?, parts.last().filter(|last| last.is(SET))?);
    let content_type = inner.first().filter(|first| first.is(OID))?.content;
    let content = match inner.get(1).filter(|second| second.is_own(0)) {
        Some(wrapped) => Element::first(wrapped.content)?.0.octets()?,
        None => Vec::new(),
    };
    Some(Message { content_type, content, signers: signers.children()? })
}

struct SignerInfo<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    digest: Digest,
    /// What was signed instead of the content.
    attributes: Option<Element<'a>>,
    signature: Vec<u8>,
}

fn signer_info<'a>(element: &Element<'a>) -> Option<SignerInfo<'a>> {
    let parts = element.children()?;
    let who = parts.get(1).filter(|who| who.is(SEQUENCE))?.children()?;
    let [issuer, serial] = who.as_slice() else { return None };
    let digest = match parts.get(2)?.children()?.first()?.content {
        SHA1 => Digest::Sha1,
        SHA256 => Digest::Sha256,
        _ => return None,
    };
    let attributes = parts.get(3).filter(|fourth| fourth.is_own(0)).copied();
    let signature = parts.iter().find(|part| part.is(OCTET_STRING))?.octets()?;
    serial.is(INTEGER).then_some(SignerInfo {
        issuer: issuer.whole,
        serial: serial.content,
        digest,
        attributes,
        signature,
    })
}

/// The one value of an attribute, which may be there only once.
fn attribute<'a>(attributes: &[Element<'a>], wanted: &[u8]) -> Option<Element<'a>> {
    let mut found = None;
    for attribute in attributes {
        let parts = attribute.children()?;
        let [kind, values] = parts.as_slice() else { return None };
        if kind.content != wanted {
            continue;
        }
        let values = values.children()?;
        let ([value], None) = (values.as_slice(), &found) else { return None };
        found = Some(*value);
    }
    found
}

/// What the signature is over.
fn signed_bytes(message: &Message<'_>, info: &SignerInfo<'_>) -> Option<Vec<u8>> {
    let Some(attributes) = &info.attributes else { return Some(message.content.clone()) };
    let list = attributes.children()?;
    let names_content = attribute(&list, CONTENT_TYPE)?.content == message.content_type;
    let has_digest = attribute(&list, MESSAGE_DIGEST)?.octets()? == info.digest.of(&message.content);
    let bytes = || [der_header(0x31, attributes.content.len()), attributes.content.to_vec()].concat();
    (names_content && has_digest).then(bytes)
}

/// The content of a message that one of these signed.
pub(crate) fn verified(text: &str, trusted: &[&Signer]) -> Result<Vec<u8>, Flaw> {
    let bytes = decoded(text)?;
    let message = message(&bytes).ok_or(Flaw::Form)?;
    if message.content.is_empty() {
        return Err(Flaw::Content);
    }
    let mut flaw = Flaw::Form;
    for element in &message.signers {
        let info = signer_info(element).ok_or(Flaw::Form)?;
        let mut meant = trusted.iter().filter(|signer| signer.is(info.issuer, info.serial)).peekable();
        flaw = if meant.peek().is_some() { Flaw::Signature } else { Flaw::Signer };
        let signed = signed_bytes(&message, &info).ok_or(Flaw::Signature)?;
        if meant.any(|signer| signer.signed(info.digest, &signed, &info.signature)) {
            return Ok(message.content);
        }
    }
    Err(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_signed_message_is_refused() {
        let refused = |bytes: &[u8]| verified(&STANDARD.encode(bytes), &[]).unwrap_err();
        assert_eq!(verified("%%%", &[]), Err(Flaw::Encoding));
        assert_eq!(verified(&"A".repeat(LARGEST + 4), &[]), Err(Flaw::Encoding));
        for bytes in [&b""[..], b"{}", &[0x30, 0x80, 0, 0], &[0x30, 3, 6, 1, 0x2a], &[0x30, 0x84, 255, 255, 255, 255]] {
            assert_eq!(refused(bytes), Flaw::Form);
        }
    }

    #[test]
    fn what_aws_signed_is_believed_by_its_published_certificates() {
        let aws: Vec<&Signer> = crate::signer::AWS.iter().collect();
        let document = verified(include_str!("../tests/messages/aws.b64"), &aws).unwrap();
        assert!(String::from_utf8_lossy(&document).contains("\"instanceId\" : \"i-02e3bec1f600f5e33\""));
        let signature = STANDARD.decode(include_str!("../tests/messages/aws-signature.b64").trim()).unwrap();
        assert!(aws.iter().any(|signer| signer.signed(Digest::Sha256, &document, &signature)));
        assert!(!aws.iter().any(|signer| signer.signed(Digest::Sha256, &document[1..], &signature)));
    }

    /// Of the same form as AWS's: DSA with SHA-1, no certificate in it, lengths without an end.
    const MESSAGE: &str = include_str!("../tests/messages/message.b64");

    fn signer() -> Signer {
        Signer::parse(include_str!("../tests/messages/cert.pem")).unwrap()
    }

    #[test]
    fn no_change_of_a_message_changes_what_is_believed() {
        let (signer, bytes) = (signer(), decoded(MESSAGE).unwrap());
        let content = verified(MESSAGE, &[&signer]).unwrap();
        assert!(content.starts_with(b"{\"instanceId\":\"i-1\""));
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let found = verified(&STANDARD.encode(&changed), &[&signer]);
                assert!(found.is_err() || found == Ok(content.clone()), "byte {at} ^ {flip}");
            }
        }
    }

    #[test]
    fn a_message_that_breaks_off_is_refused() {
        let (signer, bytes) = (signer(), decoded(MESSAGE).unwrap());
        for length in 0..bytes.len() {
            assert!(verified(&STANDARD.encode(&bytes[..length]), &[&signer]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_nobodys() {
        assert_eq!(verified(MESSAGE, &[]), Err(Flaw::Signer));
    }
}
