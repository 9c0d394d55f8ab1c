//! One token: its header, and its signature against one set of keys.
use crate::KeySet;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The algorithms with a public key; those with a shared secret are no option, so that a public key can never be taken
/// for one.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("EdDSA", Algorithm::EdDSA),
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
    algorithm: Option<Algorithm>,
    /// The algorithm, as the token names it.
    pub name: String,
    /// Which key it says it was signed with.
    pub key: Option<String>,
}

/// What the API calls the algorithm, if it is one of ours.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
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
        Ok(Self { text, algorithm: algorithm(&header.alg), name: header.alg, key: header.kid })
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
        let algorithm = self.algorithm.ok_or(Fault::Key)?;
        let mut check = Validation::new(algorithm);
        // Times and audience have leeways per role: claims.rs checks them.
        check.required_spec_claims.clear();
        (check.validate_exp, check.validate_aud) = (false, false);
        let fits = |key| jsonwebtoken::decode::<Map<String, Value>>(self.text, key, &check).ok();
        let data = keys.matching(self.key.as_deref(), algorithm).find_map(fits).ok_or(Fault::Key)?;
        Ok(data.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn neither_none_nor_a_shared_secret_is_an_algorithm() {
        for name in ["none", "None", "HS256", "HS512", "ES512", ""] {
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
}
