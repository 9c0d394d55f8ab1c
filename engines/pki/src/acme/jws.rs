//! Signed requests: JWS with JWKs (RFC 7515, 7517, 7638), as far as ACME uses them.
use super::problem::{Outcome, Problem, malformed, problem};
use crate::encode::tlv;
use crate::key::{EC, ED25519, Kind, RSA};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// What arrives: three parts in base64url.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) protected: String,
    pub(crate) payload: String,
    pub(crate) signature: String,
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A public key.
#[derive(Clone, Debug)]
pub(crate) struct Jwk {
    /// Only the members that make the key.
    pub(crate) members: Map<String, Value>,
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) spki: Vec<u8>,
    kind: Kind,
    bits: Vec<u8>,
}

fn bad(detail: &str) -> Problem {
    problem("badPublicKey", detail)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[start.min(bytes.len().saturating_sub(1))..];
    if bytes.first().is_some_and(|first| *first >= 0x80) { tlv(2, &[&[0], bytes]) } else { tlv(2, &[bytes]) }
}

impl Jwk {
    /// # Errors
    /// `badPublicKey` when it is no key that is taken.
    pub(crate) fn read(value: &Value) -> Result<Self, Problem> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let part = |name: &str| decode(text(name)).ok_or_else(|| bad("a member of the key is not base64url"));
        let null: &[u8] = &[5, 0];
        let (names, spki, bits): (&[&str], _, _) = match (text("kty"), text("crv")) {
            ("RSA", _) => {
                let bits = tlv(0x30, &[&integer(&part("n")?), &integer(&part("e")?)]);
                let algorithm = tlv(0x30, &[&tlv(6, &[RSA.as_bytes()]), null]);
                (&["e", "kty", "n"], tlv(0x30, &[&algorithm, &tlv(3, &[&[0], &bits])]), bits)
            }
            ("EC", curve) => {
                let (oid, size) = match curve {
                    "P-256" => ("1.2.840.10045.3.1.7", 32),
                    "P-384" => ("1.3.132.0.34", 48),
                    "P-521" => ("1.3.132.0.35", 66),
                    _ => return Err(bad("the curve is not supported: use P-256, P-384 or P-521")),
                };
                let (x, y) = (part("x")?, part("y")?);
                if x.len() != size || y.len() != size {
                    return Err(bad("a coordinate does not have the size of the curve"));
                }
                let bits = [&[4], x.as_slice(), &y].concat();
                let oid = der::asn1::ObjectIdentifier::new_unwrap(oid);
                let algorithm = tlv(0x30, &[&tlv(6, &[EC.as_bytes()]), &tlv(6, &[oid.as_bytes()])]);
                (&["crv", "kty", "x", "y"], tlv(0x30, &[&algorithm, &tlv(3, &[&[0], &bits])]), bits)
            }
            ("OKP", "Ed25519") => {
                let bits = part("x")?;
                let algorithm = tlv(0x30, &[&tlv(6, &[ED25519.as_bytes()])]);
                (&["crv", "kty", "x"], tlv(0x30, &[&algorithm, &tlv(3, &[&[0], &bits])]), bits)
            }
            _ => return Err(bad("the key's type is not supported: use RSA, EC or OKP with Ed25519")),
        };
        let kind = Kind::of(&spki).ok_or_else(|| bad("the key cannot be read"))?;
        if matches!(kind, Kind::Rsa(bits) if bits < 2048) {
            return Err(bad("RSA keys have 2048 bits at least"));
        }
        // In the order of their names, which is what a thumbprint is made of.
        let members = names.iter().map(|name| ((*name).to_owned(), json!(text(name)))).collect();
        Ok(Self { members, spki, kind, bits })
    }

    /// RFC 7638, with SHA-256.
    pub(crate) fn thumbprint(&self) -> String {
        // Members are in order, and a map of texts can always be written.
        let text = serde_json::to_vec(&self.members).unwrap_or_default();
        encode(digest(&SHA256, &text).as_ref())
    }

    fn algorithm(&self, name: &str) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self.kind, name) {
            (Kind::Rsa(_), "RS256") => &lc::RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa(_), "RS384") => &lc::RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa(_), "RS512") => &lc::RSA_PKCS1_2048_8192_SHA512,
            (Kind::Rsa(_), "PS256") => &lc::RSA_PSS_2048_8192_SHA256,
            (Kind::Rsa(_), "PS384") => &lc::RSA_PSS_2048_8192_SHA384,
            (Kind::Rsa(_), "PS512") => &lc::RSA_PSS_2048_8192_SHA512,
            (Kind::Ec(256), "ES256") => &lc::ECDSA_P256_SHA256_FIXED,
            (Kind::Ec(384), "ES384") => &lc::ECDSA_P384_SHA384_FIXED,
            (Kind::Ec(521), "ES512") => &lc::ECDSA_P521_SHA512_FIXED,
            (Kind::Ed25519, "EdDSA") => &lc::ED25519,
            _ => return None,
        })
    }

    /// # Errors
    /// When the algorithm is not one of this key's, or the signature is not its.
    pub(crate) fn verify(&self, algorithm: &str, signed: &Signed) -> Result<(), Problem> {
        let way = self.algorithm(algorithm).ok_or_else(|| {
            problem("badSignatureAlgorithm", format!(
                "the algorithm {algorithm:?} is not taken with this key: use ES256, ES384, ES512, EdDSA, RS256, RS384, RS512, PS256, PS384 or PS512"
            ))
        })?;
        let signature = decode(&signed.signature).ok_or_else(|| malformed("the signature is not base64url"))?;
        UnparsedPublicKey::new(way, &self.bits)
            .verify(signed.input().as_bytes(), &signature)
            .map_err(|_| malformed("the signature is not that of the key"))
    }
}

impl Signed {
    fn input(&self) -> String {
        format!("{}.{}", self.protected, self.payload)
    }
    /// Out of the members of a JSON object.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { protected: text("protected")?, payload: text("payload")?, signature: text("signature")? })
    }
    /// # Errors
    /// When the header is no JSON object.
    pub(crate) fn header(&self) -> Result<Map<String, Value>, Problem> {
        let bytes = decode(&self.protected).ok_or_else(|| malformed("the protected header is not base64url"))?;
        serde_json::from_slice(&bytes).map_err(|_| malformed("the protected header is no JSON object"))
    }
    /// The payload; `None` where it is empty (POST-as-GET).
    ///
    /// # Errors
    /// When it is no JSON object.
    pub(crate) fn body(&self) -> Result<Option<Map<String, Value>>, Problem> {
        if self.payload.is_empty() {
            return Ok(None);
        }
        let bytes = decode(&self.payload).ok_or_else(|| malformed("the payload is not base64url"))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| malformed("the payload is no JSON object"))
    }
    /// Checks a binding's MAC.
    ///
    /// # Errors
    /// When it is not that of the key.
    pub(crate) fn verify_mac(&self, algorithm: &str, key: &[u8]) -> Outcome<()> {
        let algorithm = match algorithm {
            "HS256" => hmac::HMAC_SHA256,
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => return Err(malformed("an external account binding is signed with HS256, HS384 or HS512").into()),
        };
        let mac = decode(&self.signature).ok_or_else(|| malformed("the binding's signature is not base64url"))?;
        hmac::verify(&hmac::Key::new(algorithm, key), self.input().as_bytes(), &mac)
            .map_err(|_| problem("unauthorized", "the external account binding is not signed with its key").into())
    }
}
