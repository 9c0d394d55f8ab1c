//! Signing and checking JSON Web Tokens (RFC 7515, 7518, 8037). Own code because P-521 is part of the contract and the
//! libraries that stand on aws-lc leave it out.
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use lessor_engine::{Error, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A signature algorithm of RFC 7518.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    RS256,
    RS384,
    RS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

pub(crate) const ALGORITHMS: [&str; 7] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"];

impl Algorithm {
    pub fn word(self) -> &'static str {
        ALGORITHMS[self as usize]
    }
    /// # Errors
    /// `unknown signing algorithm "…"`.
    pub fn parse(word: &str) -> Result<Self> {
        [Self::RS256, Self::RS384, Self::RS512, Self::ES256, Self::ES384, Self::ES512, Self::EdDSA]
            .into_iter()
            .find(|algorithm| algorithm.word() == word)
            .ok_or_else(|| Error::invalid(format!("unknown signing algorithm {word:?}")))
    }
    fn ecdsa(self) -> Option<&'static sig::EcdsaSigningAlgorithm> {
        match self {
            Self::ES256 => Some(&sig::ECDSA_P256_SHA256_FIXED_SIGNING),
            Self::ES384 => Some(&sig::ECDSA_P384_SHA384_FIXED_SIGNING),
            Self::ES512 => Some(&sig::ECDSA_P521_SHA512_FIXED_SIGNING),
            _ => None,
        }
    }
    fn verifier(self) -> &'static dyn sig::VerificationAlgorithm {
        match self {
            Self::RS256 => &sig::RSA_PKCS1_2048_8192_SHA256,
            Self::RS384 => &sig::RSA_PKCS1_2048_8192_SHA384,
            Self::RS512 => &sig::RSA_PKCS1_2048_8192_SHA512,
            Self::ES256 => &sig::ECDSA_P256_SHA256_FIXED,
            Self::ES384 => &sig::ECDSA_P384_SHA384_FIXED,
            Self::ES512 => &sig::ECDSA_P521_SHA512_FIXED,
            Self::EdDSA => &sig::ED25519,
        }
    }
    /// The left half of the algorithm's hash, for `at_hash` and `c_hash` (OpenID Connect Core, 3.1.3.6).
    pub fn half_hash(self, text: &str) -> String {
        use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
        let hash = match self {
            Self::RS256 | Self::ES256 => &SHA256,
            Self::RS384 | Self::ES384 => &SHA384,
            Self::RS512 | Self::ES512 | Self::EdDSA => &SHA512,
        };
        let whole = digest(hash, text.as_bytes());
        BASE64URL.encode(&whole.as_ref()[..whole.as_ref().len() / 2])
    }
}

/// A key pair.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Material {
    pub id: String,
    pub algorithm: Algorithm,
    /// PKCS #8 in base64url.
    #[serde(with = "lessor_engine::secret::at_rest")]
    private: Secret,
    pub public: Public,
}

/// The public half, in the form its algorithm has for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Public(#[serde(with = "in_base64")] Vec<u8>);

mod in_base64 {
    use super::BASE64URL;
    use base64::Engine;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64URL.encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64URL.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

fn unusable<E>(_: E) -> Error {
    Error::Internal("a signing key cannot be made or used".to_owned())
}

impl Material {
    /// Makes a key pair; takes up to some hundred milliseconds for RSA.
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let (private, public) = match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(unusable)?;
                let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(unusable)?.as_ref().to_vec();
                (private, pair.public_key().as_ref().to_vec())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().map_err(unusable)?;
                (pair.to_pkcs8v1().map_err(unusable)?.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
            }
            Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => {
                let curve = algorithm.ecdsa().ok_or(()).map_err(unusable)?;
                let pair = EcdsaKeyPair::generate(curve).map_err(unusable)?;
                (pair.to_pkcs8v1().map_err(unusable)?.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
            }
        };
        let private = Secret::new(BASE64URL.encode(private));
        Ok(Self { id: crate::mount::entry::uuid(), algorithm, private, public: Public(public) })
    }
    fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>> {
        let private = zeroize::Zeroizing::new(BASE64URL.decode(self.private.expose()).map_err(unusable)?);
        let random = SystemRandom::new();
        if self.algorithm == Algorithm::EdDSA {
            let pair = Ed25519KeyPair::from_pkcs8(&private).map_err(unusable)?;
            return Ok(pair.sign(message).as_ref().to_vec());
        }
        if let Some(curve) = self.algorithm.ecdsa() {
            let pair = EcdsaKeyPair::from_pkcs8(curve, &private).map_err(unusable)?;
            return Ok(pair.sign(&random, message).map_err(unusable)?.as_ref().to_vec());
        }
        let pair = RsaKeyPair::from_pkcs8(&private).map_err(unusable)?;
        let padding: &'static dyn sig::RsaEncoding = match self.algorithm {
            Algorithm::RS384 => &sig::RSA_PKCS1_SHA384,
            Algorithm::RS512 => &sig::RSA_PKCS1_SHA512,
            _ => &sig::RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &random, message, &mut signature).map_err(unusable)?;
        Ok(signature)
    }
    /// A token with these claims. Its key id names this key.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String> {
        let header = json!({ "alg": self.algorithm.word(), "kid": self.id });
        let encode = |value: Vec<u8>| BASE64URL.encode(value);
        let signed = format!("{}.{}", encode(serde_json::to_vec(&header)?), encode(serde_json::to_vec(claims)?));
        let signature = encode(self.sign_bytes(signed.as_bytes())?);
        Ok(format!("{signed}.{signature}"))
    }
}

impl Public {
    /// A JSON Web Key (RFC 7517).
    pub fn jwk(&self, id: &str, algorithm: Algorithm) -> Value {
        let encode = |bytes: &[u8]| BASE64URL.encode(bytes);
        let (crv, kty) = match algorithm {
            Algorithm::ES256 => ("P-256", "EC"),
            Algorithm::ES384 => ("P-384", "EC"),
            Algorithm::ES512 => ("P-521", "EC"),
            Algorithm::EdDSA => ("Ed25519", "OKP"),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => {
                let (n, e) = rsa_numbers(&self.0).unwrap_or_default();
                return json!({
                    "use": "sig", "kty": "RSA", "kid": id, "alg": algorithm.word(), "n": encode(n), "e": encode(e),
                });
            }
        };
        let mut key = json!({ "use": "sig", "kty": kty, "kid": id, "crv": crv, "alg": algorithm.word() });
        if kty == "OKP" {
            key["x"] = encode(&self.0).into();
            return key;
        }
        let (x, y) = self.point();
        key["x"] = encode(x).into();
        key["y"] = encode(y).into();
        key
    }
    /// The coordinates of an elliptic curve key, big-endian. It is kept as an uncompressed point: 4, x, y.
    pub fn point(&self) -> (&[u8], &[u8]) {
        self.0[1..].split_at(self.0.len() / 2)
    }
    /// Whether `signature` is this key's under `message`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm.verifier(), &self.0).verify(message, signature).is_ok()
    }
}

/// Modulus and exponent out of a DER `RSAPublicKey` (RFC 8017, A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, _) = der_value(der, 0x30)?;
    let (n, rest) = der_value(body, 0x02)?;
    let (e, _) = der_value(rest, 0x02)?;
    Some((n.strip_prefix(&[0]).unwrap_or(n), e.strip_prefix(&[0]).unwrap_or(e)))
}

/// The content of the element with that tag, and what is behind it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let count = usize::from(first & 0x7f);
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(count).filter(|_| count <= 4)?;
        (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// A token taken apart; nothing is checked yet.
pub(crate) struct Parsed {
    pub key_id: String,
    pub claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl Parsed {
    /// # Errors
    /// What about it is no token.
    pub fn parse(token: &str) -> std::result::Result<Self, String> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err("compact JWS format must have three parts".to_owned());
        };
        let decode = |part: &str| BASE64URL.decode(part).map_err(|error| error.to_string());
        let object = |bytes: Vec<u8>| serde_json::from_slice::<Map<String, Value>>(&bytes).map_err(|e| e.to_string());
        let header_fields = object(decode(header)?)?;
        let key_id = header_fields.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let signature = decode(signature)?;
        Ok(Self { key_id, claims: object(decode(claims)?)?, signed: format!("{header}.{claims}"), signature })
    }
    pub fn signed_by(&self, public: &Public, algorithm: Algorithm) -> bool {
        public.verifies(algorithm, self.signed.as_bytes(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_what_its_public_key_verifies_and_nothing_else() {
        for word in ALGORITHMS {
            let key = Material::generate(Algorithm::parse(word).unwrap()).unwrap();
            let claims = Map::from_iter([("sub".to_owned(), json!("e"))]);
            let token = key.sign(&claims).unwrap();
            let parsed = Parsed::parse(&token).unwrap();
            assert_eq!((&parsed.key_id, &parsed.claims), (&key.id, &claims));
            assert!(parsed.signed_by(&key.public, key.algorithm), "{word}");
            let other = Material::generate(key.algorithm).unwrap();
            assert!(!parsed.signed_by(&other.public, key.algorithm), "{word}");
            let mut bent = Parsed::parse(&token).unwrap();
            bent.signed.push('x');
            assert!(!bent.signed_by(&key.public, key.algorithm), "{word}");
        }
    }
}
