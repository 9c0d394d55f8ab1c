//! One token: its header, and its signature against one set of keys.
use crate::{KeySet, es512};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How a token may be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signing {
    /// One that the library knows.
    Known(Algorithm),
    /// ECDSA on P-521.
    Es512,
}

/// The algorithms with a public key; those with a shared secret are no option, so that a public key can never be taken
/// for one.
const ALGORITHMS: [(&str, Signing); 10] = [
    ("RS256", Signing::Known(Algorithm::RS256)),
    ("RS384", Signing::Known(Algorithm::RS384)),
    ("RS512", Signing::Known(Algorithm::RS512)),
    ("ES256", Signing::Known(Algorithm::ES256)),
    ("ES384", Signing::Known(Algorithm::ES384)),
    ("ES512", Signing::Es512),
    ("PS256", Signing::Known(Algorithm::PS256)),
    ("PS384", Signing::Known(Algorithm::PS384)),
    ("PS512", Signing::Known(Algorithm::PS512)),
    ("EdDSA", Signing::Known(Algorithm::EdDSA)),
];

/// Why a token's signature is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Not a token at all.
    #[error("a signed token has three parts in base64url, divided by dots")]
    Form,
    /// No key fits.
    #[error("no known key successfully validated the token signature")]
    Key,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// A token that was taken apart and not yet believed.
pub struct Unverified<'a> {
    text: &'a str,
    signing: Option<Signing>,
    /// The algorithm, as the token names it.
    pub name: String,
    /// Which key it says it was signed with.
    pub key: Option<String>,
}

/// What the API calls the algorithm, if it is one of ours.
pub fn algorithm(name: &str) -> Option<Signing> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, signing)| *signing)
}

impl<'a> Unverified<'a> {
    /// Takes the compact form apart.
    ///
    /// # Errors
    /// When it has no such form, or an extension that must be understood.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        let mut parts = text.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Fault::Form);
        };
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Fault::Form)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Fault::Form)?;
        // An extension that must be understood, and nobody here understands any (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Fault::Key);
        }
        Ok(Self { text, signing: algorithm(&header.alg), name: header.alg, key: header.kid })
    }
    /// The claims as they stand there: anybody can have written them.
    ///
    /// # Errors
    /// When they are no JSON object.
    pub fn claims_unverified(&self) -> Result<Map<String, Value>, Fault> {
        let body = self.text.split('.').nth(1).unwrap_or_default();
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| Fault::Form)?;
        serde_json::from_slice(&body).map_err(|_| Fault::Form)
    }
    /// The claims, once one of the keys fits.
    ///
    /// # Errors
    /// When none fits.
    pub fn verify(&self, keys: &KeySet) -> Result<Map<String, Value>, Fault> {
        let signing = self.signing.ok_or(Fault::Key)?;
        let mut keys = keys.matching(self.key.as_deref(), signing);
        let Signing::Known(algorithm) = signing else { return self.verify_es512(keys) };
        let mut check = Validation::new(algorithm);
        // Times and audience have leeways per role: claims.rs checks them.
        check.required_spec_claims.clear();
        (check.validate_exp, check.validate_aud) = (false, false);
        let fits = |key| jsonwebtoken::decode::<Map<String, Value>>(self.text, key, &check).ok();
        Ok(keys.find_map(fits).ok_or(Fault::Key)?.claims)
    }
    fn verify_es512<'k>(&self, mut keys: impl Iterator<Item = &'k DecodingKey>) -> Result<Map<String, Value>, Fault> {
        let (message, signature) = self.text.rsplit_once('.').ok_or(Fault::Form)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Fault::Key)?;
        if !keys.any(|key| es512::made(key, message.as_bytes(), &signature)) {
            return Err(Fault::Key);
        }
        self.claims_unverified().map_err(|_| Fault::Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
    use serde_json::json;

    #[test]
    fn neither_none_nor_a_shared_secret_is_an_algorithm() {
        for name in ["none", "None", "HS256", "HS512", "es512", ""] {
            assert!(algorithm(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_header_that_must_be_understood_is_refused() {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "crit": ["b64"] }).to_string());
        assert_eq!(Unverified::parse(&format!("{header}.e30.")).err(), Some(Fault::Key));
        assert_eq!(Unverified::parse("x").err(), Some(Fault::Form));
        assert_eq!(Unverified::parse("x.y.z").err(), Some(Fault::Form));
    }

    /// A key pair, its public half as a key set, and a token of it.
    fn p521(id: &str, claims: &Value) -> (String, String) {
        let algorithm = &aws_lc_rs::signature::ECDSA_P521_SHA512_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        assert_eq!(point.len(), 133);
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..67]), URL_SAFE_NO_PAD.encode(&point[67..]));
        let key = json!({ "kty": "EC", "crv": "P-521", "alg": "ES512", "use": "sig", "kid": id, "x": x, "y": y });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "ES512", "kid": id })), part(claims));
        let signature = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), message.as_bytes()).unwrap();
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        (json!({ "keys": [key] }).to_string(), token)
    }

    #[test]
    fn a_token_on_the_largest_curve_is_believed_for_its_own_key_only() {
        let claims = json!({ "sub": "bob" });
        let ((keys, token), (others, _)) = (p521("a", &claims), p521("a", &claims));
        let verified = |keys: &str, token: &str| {
            Unverified::parse(token).unwrap().verify(&KeySet::from_jwks(keys.as_bytes()).unwrap()).map(Value::Object)
        };
        assert_eq!(verified(&keys, &token), Ok(claims));
        assert_eq!(verified(&others, &token), Err(Fault::Key));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, body) = message.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(json!({ "sub": "eve" }).to_string());
        for wrong in [
            format!("{header}.{forged}.{signature}"),
            format!("{message}."),
            format!("{message}.{}", &signature[..40]),
            format!("{message}.!"),
            // The same key and signature under another algorithm's name.
            format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(json!({ "alg": "ES384" }).to_string())),
        ] {
            assert_eq!(verified(&keys, &wrong), Err(Fault::Key), "{wrong}");
        }
        let elsewhere = keys.replace("\"kid\":\"a\"", "\"kid\":\"b\"");
        assert_eq!(verified(&elsewhere, &token), Err(Fault::Key));
    }
}
