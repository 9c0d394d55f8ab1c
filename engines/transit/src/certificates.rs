//! `keys/<name>/csr` and `keys/<name>/set-certificate`.
use crate::asymmetric::{Marshaling, Message, Padding, Pair, pem, unpem};
use crate::encoding;
use crate::hash::Hash;
use crate::kind::{Curve, Family, Kind};
use crate::record::Key;
use crate::store::{Keyring, beside};
use crate::view;
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde_json::json;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::attr::Attributes;
use x509_cert::der::asn1::{Any, BitString, Null};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};

const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

#[derive(Params)]
pub(crate) struct Csr {
    /// Name of the key.
    name: String,
    /// A request in PEM whose subject and attributes are taken over; an empty one if absent.
    csr: String,
    /// Version of the key; the latest if absent.
    version: Option<i64>,
}

#[derive(Params)]
pub(crate) struct SetCertificate {
    /// Name of the key.
    name: String,
    /// Certificates in PEM, the key's own first.
    certificate_chain: String,
    /// Version of the key; the latest if absent.
    version: Option<i64>,
}

/// How a kind of key signs requests.
fn signature_of(kind: Kind) -> Option<(Hash, AlgorithmIdentifierOwned)> {
    let bare = |oid| AlgorithmIdentifierOwned { oid, parameters: None };
    Some(match kind.family() {
        Family::Rsa(_) => {
            (Hash::Sha2_256, AlgorithmIdentifierOwned { oid: RSA_SHA256, parameters: Some(Any::from(Null)) })
        }
        Family::Ecdsa(Curve::P256) => (Hash::Sha2_256, bare(ECDSA_SHA256)),
        Family::Ecdsa(Curve::P384) => (Hash::Sha2_384, bare(ECDSA_SHA384)),
        Family::Ecdsa(Curve::P521) => (Hash::Sha2_512, bare(ECDSA_SHA512)),
        Family::Ed25519 => (Hash::Sha2_512, bare(ED25519)),
        Family::Aead(_) | Family::Hmac => return None,
    })
}

fn fits(key: &Key) -> Result<()> {
    if !key.kind.signs() {
        return Err(Error::Invalid(format!("key type '{}' does not support signing", key.kind.name())));
    }
    if key.derived {
        return Err(Error::invalid("operation not supported for keys with derivation enabled"));
    }
    key.in_use()
}

fn number(key: &Key, asked: Option<i64>) -> Result<u64> {
    match asked {
        None => Ok(key.latest()),
        Some(asked) => u64::try_from(asked).map_err(|_| Error::invalid("no such key version")),
    }
}

/// Subject and attributes of a request.
fn template(text: &str) -> Result<(Name, Attributes)> {
    if text.is_empty() {
        return Ok((Name::default(), Attributes::default()));
    }
    let (_, der) = unpem(text).ok_or_else(|| Error::invalid("could not decode PEM CSR"))?;
    let request = CertReq::from_der(&der).map_err(|_| Error::invalid("could not parse the CSR"))?;
    Ok((request.info.subject, request.info.attributes))
}

fn signed(key: &Key, asked: &Csr) -> Result<String> {
    let (subject, attributes) = template(&asked.csr)?;
    let failed = |error: Error| Error::Invalid(format!("could not create the csr: {error}"));
    let version = key.version(number(key, asked.version)?).map_err(failed)?;
    if version.lacks_private() {
        return Err(failed(Error::invalid("private key not imported for key version selected")));
    }
    let unsupported = || failed(Error::invalid("the kind of key signs no requests"));
    let (hash, algorithm) = signature_of(key.kind).ok_or_else(unsupported)?;
    let broken = |_| Error::Internal("the CSR cannot be written".to_owned());
    let pair = version.pair(key.kind)?;
    let public_key = SubjectPublicKeyInfoOwned::from_der(pair.public()).map_err(broken)?;
    let info = CertReqInfo { version: Version::V1, subject, public_key, attributes };
    let message = info.to_der().map_err(broken)?;
    let input = if key.kind.family() == Family::Ed25519 { message } else { hash.digest(&message) };
    let signature = pair.sign(&Message { input: &input, hash: Some(hash), padding: Padding::Pkcs1v15 })?;
    let signature = match &*pair {
        Pair::Ecdsa(pair) => pair.marshal(&signature, Marshaling::Asn1)?,
        Pair::Ed25519(_) | Pair::Rsa(_) => signature,
    };
    let request = CertReq { info, algorithm, signature: BitString::from_bytes(&signature).map_err(broken)? };
    pem("CERTIFICATE REQUEST", &request.to_der().map_err(broken)?)
}

fn not_found(name: &str) -> String {
    format!("key with provided name '{name}' not found")
}

pub(crate) async fn csr(keys: Arc<Keyring>, cx: Context, asked: Csr) -> Result<Reply> {
    let key = keys.need(&cx, &asked.name, &not_found(&asked.name)).await?;
    fits(&key)?;
    beside(key.kind.is_slow(), move || {
        Ok(Reply::data(json!({ "name": key.name, "type": key.kind.name(), "csr": signed(&key, &asked)? })))
    })
    .await
}

fn is_ca(certificate: &Certificate) -> bool {
    let found = certificate.tbs_certificate().get_extension::<BasicConstraints>();
    found.is_ok_and(|found| found.is_some_and(|(_, constraints)| constraints.ca))
}

/// Refuses chains that do not lead from one leaf over authorities.
fn check_order(chain: &[Certificate]) -> Result<()> {
    let refuse = |text: &str| Err(Error::Invalid(format!("failed to persist certificate chain: {text}")));
    let (Some(leaf), Some(last)) = (chain.first(), chain.last()) else {
        return refuse("expected at least one certificate in the certificate chain");
    };
    if is_ca(leaf) {
        return refuse("certificate in the first element is not a valid leaf certificate");
    }
    if chain.len() > 1 && !is_ca(last) {
        return refuse("certificate in the last element is not a valid CA certificate");
    }
    if !chain.iter().skip(1).all(is_ca) {
        return refuse("could not validate if there is only one leaf certificate in the provided chain");
    }
    Ok(())
}

fn store(key: &mut Key, asked: Option<i64>, leaf: &Certificate, chain: &[Vec<u8>]) -> Result<()> {
    fits(key)?;
    let refuse = |text: &str| Error::Invalid(format!("failed to persist certificate chain: {text}"));
    let number = number(key, asked)?;
    key.version(number).map_err(|error| refuse(&error.to_string()))?;
    let version = key.versions.get_mut(&number).ok_or_else(|| refuse("no such key version"))?;
    let broken = |_| Error::invalid("the public key of the leaf certificate cannot be read");
    let public = leaf.tbs_certificate().subject_public_key_info().to_der().map_err(broken)?;
    if encoding::encode(&public) != version.public {
        return Err(refuse("leaf certificate public key does not match the selected key version"));
    }
    version.certificates = chain.iter().map(|der| encoding::encode(der)).collect();
    Ok(())
}

pub(crate) async fn set_certificate(keys: Arc<Keyring>, cx: Context, asked: SetCertificate) -> Result<Reply> {
    let missing = || Error::invalid(not_found(&asked.name));
    let key = keys.find(&cx, &asked.name).await?.ok_or_else(missing)?;
    fits(&key)?;
    let chain = view::certificates(&asked.certificate_chain)?;
    let parse = |der: &Vec<u8>| {
        Certificate::from_der(der).map_err(|_| Error::invalid("could not parse a certificate in the certificate chain"))
    };
    let parsed = chain.iter().map(parse).collect::<Result<Vec<_>>>()?;
    check_order(&parsed)?;
    let changed = keys.change(&cx, &asked.name, |key| store(key, asked.version, &parsed[0], &chain));
    let key = changed.await?.ok_or_else(missing)?;
    Ok(Reply::data(json!({
        "name": key.name, "type": key.kind.name(), "certificate_chain": asked.certificate_chain,
    })))
}
