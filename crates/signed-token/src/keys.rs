//! Public keys: from PEM text or from a provider's key set (RFC 7517).
use crate::token::Signing;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Keys of a set; providers have a handful.
const MOST: usize = 256;

struct Key {
    id: Option<String>,
    key: DecodingKey,
}

/// The keys that are believed.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Public keys in PEM; `None` when a text is none.
    pub fn from_pem(texts: &[String]) -> Option<Self> {
        let key = |text: &String| {
            let text = text.as_bytes();
            let parsed = DecodingKey::from_rsa_pem(text)
                .or_else(|_| DecodingKey::from_ec_pem(text))
                .or_else(|_| DecodingKey::from_ed_pem(text));
            parsed.ok().map(|key| Key { id: None, key })
        };
        texts.iter().map(key).collect::<Option<Vec<Key>>>().map(|keys| Self { keys })
    }
    /// A key set as providers publish it. Keys of a kind unknown here are left out, and so are shared secrets: a
    /// published secret proves nothing.
    pub fn from_jwks(text: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(text).ok()?;
        let key = |value: Value| {
            let jwk: Jwk = serde_json::from_value(value).ok()?;
            let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
            if !signs || matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
                return None;
            }
            Some(Key { key: DecodingKey::from_jwk(&jwk).ok()?, id: jwk.common.key_id })
        };
        Some(Self { keys: document.keys.into_iter().take(MOST).filter_map(key).collect() })
    }
    /// The keys of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }
    /// Whether a key has this id.
    pub fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }
    /// The keys that may have made a signature of this algorithm: of that id, where both name one.
    pub fn matching<'a>(&'a self, id: Option<&'a str>, signing: Signing) -> impl Iterator<Item = &'a DecodingKey> {
        let family = family(signing);
        let same = move |key: &&Key| match (&key.id, id) {
            (Some(known), Some(wanted)) => known == wanted,
            _ => true,
        };
        self.keys.iter().filter(move |key| key.key.family() == family).filter(same).map(|key| &key.key)
    }
}

fn family(signing: Signing) -> AlgorithmFamily {
    let Signing::Known(algorithm) = signing else { return AlgorithmFamily::Ec };
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_set_keeps_what_it_can_use_and_no_shared_secret() {
        let set = json!({ "keys": [
            { "kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256" },
            { "kty": "new", "kid": "n" },
            { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "e" },
        ] });
        let keys = KeySet::from_jwks(set.to_string().as_bytes()).unwrap();
        assert!(keys.knows("e") && !keys.knows("s") && !keys.knows("n"));
        assert_eq!(keys.matching(Some("e"), Signing::Known(Algorithm::EdDSA)).count(), 1);
        assert_eq!(keys.matching(Some("other"), Signing::Known(Algorithm::EdDSA)).count(), 0);
        assert_eq!(keys.matching(None, Signing::Known(Algorithm::RS256)).count(), 0);
        assert!(KeySet::from_jwks(b"{}").is_none());
        assert!(KeySet::from_pem(&["x".to_owned()]).is_none());
    }
}
