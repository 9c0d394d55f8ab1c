//! A provider's signing key.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use std::process::Command;

pub struct Signer {
    id: String,
    algorithm: Algorithm,
    key: EncodingKey,
    /// The private key in PEM.
    pub private: String,
    /// The public key in PEM.
    pub public: String,
}

fn openssl(arguments: &[&str], input: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("in");
    std::fs::write(&file, input).unwrap();
    let output = Command::new("openssl").args(arguments).stdin(std::fs::File::open(file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A signer on the curve P-521, which the library of the others leaves out.
pub struct Es512 {
    private: String,
    /// The public key in PEM.
    pub public: String,
}

/// A number of ASN.1 at the beginning of the bytes, in 66 bytes; and what follows it.
fn number(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let length = usize::from(bytes[1]);
    let digits: Vec<u8> = bytes[2..2 + length].iter().copied().skip_while(|byte| *byte == 0).collect();
    ([vec![0; 66 - digits.len()], digits].concat(), &bytes[2 + length..])
}

impl Es512 {
    pub fn new() -> Self {
        let private = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "");
        Self { public: openssl(&["pkey", "-pubout"], &private), private }
    }
    pub fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "ES512", "typ": "JWT" })), part(claims));
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), &self.private).unwrap();
        std::fs::write(directory.path().join("message"), &message).unwrap();
        let mut signed = Command::new("openssl");
        let signed = signed
            .args(["dgst", "-sha512", "-sign", "key", "message"])
            .current_dir(directory.path())
            .output()
            .unwrap()
            .stdout;
        // A sequence of two numbers, whose length may take two bytes.
        let body = if signed[1] == 0x81 { &signed[3..] } else { &signed[2..] };
        let (r, rest) = number(body);
        let (s, _) = number(rest);
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, s].concat()))
    }
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

impl Signer {
    pub fn rsa(id: &str) -> Self {
        let private = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "");
        let key = EncodingKey::from_rsa_pem(private.as_bytes()).unwrap();
        Self {
            id: id.into(),
            algorithm: Algorithm::RS256,
            key,
            public: openssl(&["pkey", "-pubout"], &private),
            private,
        }
    }
    pub fn ec(id: &str) -> Self {
        let private = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "");
        let key = EncodingKey::from_ec_pem(private.as_bytes()).unwrap();
        Self {
            id: id.into(),
            algorithm: Algorithm::ES256,
            key,
            public: openssl(&["pkey", "-pubout"], &private),
            private,
        }
    }
    fn header(&self, algorithm: Algorithm) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(algorithm) }
    }
    pub fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(self.algorithm), claims, &self.key).unwrap()
    }
    /// What a token says, unchecked.
    pub fn claims(token: &str) -> Value {
        jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims
    }
    /// Signed with the public key as if it were a shared secret.
    pub fn confused(&self, claims: &Value) -> String {
        let secret = EncodingKey::from_secret(self.public.as_bytes());
        jsonwebtoken::encode(&self.header(Algorithm::HS256), claims, &secret).unwrap()
    }
    /// Says that it needs no signature, and has none.
    pub fn unsigned(&self, claims: &Value) -> String {
        let signed = self.sign(claims);
        let body = signed.split('.').nth(1).unwrap();
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{body}.")
    }
    /// The key set a provider with these keys publishes.
    pub fn published(signers: &[&Self]) -> Value {
        let key = |signer: &&Self| {
            let mut jwk = Jwk::from_encoding_key(&signer.key, signer.algorithm).unwrap();
            jwk.common.key_id = Some(signer.id.clone());
            jwk
        };
        json!({ "keys": signers.iter().map(key).collect::<Vec<_>>() })
    }
}

/// Whether a token is one that this issuer signed for that audience, by the keys it publishes.
pub fn trusted(issuer: &str, audience: &str, token: &str) -> bool {
    let curl = Command::new("curl").args(["-sf", &format!("{issuer}/.well-known/keys")]).output().unwrap();
    let keys: JwkSet = serde_json::from_slice(&curl.stdout).unwrap();
    let mut check = Validation::new(Algorithm::RS256);
    check.set_audience(&[audience]);
    check.set_issuer(&[issuer]);
    let key = |key| DecodingKey::from_jwk(key).unwrap();
    keys.keys.iter().any(|one| jsonwebtoken::decode::<Value>(token, &key(one), &check).is_ok())
}
