//! A key vault with one key, whose RSA is OpenSSL's.
use crate::auth_remote::signer::Signer;
use crate::auth_remote::stand_in::Asked;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::process::Command;

/// Its versions, oldest first.
pub struct KeyVault {
    versions: Vec<Version>,
    /// Whether the application may use the key.
    pub denied: bool,
    directory: tempfile::TempDir,
}

struct Version {
    id: String,
    key: Signer,
    enabled: bool,
}

impl Default for KeyVault {
    fn default() -> Self {
        let mut vault = Self { versions: Vec::new(), denied: false, directory: tempfile::tempdir().unwrap() };
        vault.rotate();
        vault
    }
}

fn refusal(status: u16, code: &str) -> (u16, Value) {
    (status, json!({ "error": { "code": code, "message": format!("{code} it is.") } }))
}

impl KeyVault {
    /// Makes a newer version.
    pub fn rotate(&mut self) {
        let id = hex::encode(rand::random::<[u8; 16]>());
        self.versions.push(Version { key: Signer::rsa(&id), id, enabled: true });
    }
    /// Takes the oldest version out of use.
    pub fn disable_oldest(&mut self) {
        self.versions[0].enabled = false;
    }
    fn rsa(&self, version: &Version, operation: &str, input: &[u8]) -> Option<Vec<u8>> {
        let file = |name: &str| self.directory.path().join(name);
        std::fs::write(file("key"), &version.key.private).unwrap();
        std::fs::write(file("in"), input).unwrap();
        let options = "rsa_padding_mode:oaep rsa_oaep_md:sha256 rsa_mgf1_md:sha256".split(' ');
        let output = Command::new("openssl")
            .args(["pkeyutl", operation, "-inkey"])
            .arg(file("key"))
            .arg("-in")
            .arg(file("in"))
            .args(options.flat_map(|option| ["-pkeyopt", option]))
            .output()
            .unwrap();
        output.status.success().then_some(output.stdout)
    }
    /// `GET key`, `POST wrapkey` and `POST unwrapkey` of version 7.4.
    pub fn answer(&self, asked: &Asked, path: &str, query: &str) -> (u16, Value) {
        if self.denied {
            return refusal(403, "Forbidden");
        }
        if query != "api-version=7.4" {
            return refusal(400, "BadParameter");
        }
        let parts: Vec<&str> = path.trim_start_matches("/keys/").split('/').collect();
        let (id, operation) = match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["unseal"] | ["unseal", ""]) => ("", "get"),
            ("GET", ["unseal", id]) => (*id, "get"),
            ("POST", ["unseal", id, operation @ ("wrapkey" | "unwrapkey")]) => (*id, *operation),
            _ => return refusal(404, "KeyNotFound"),
        };
        let version = if id.is_empty() { self.versions.last() } else { self.versions.iter().find(|one| one.id == id) };
        let Some(version) = version else { return refusal(404, "KeyNotFound") };
        let kid = format!("https://{}/keys/unseal/{}", asked.header("host"), version.id);
        if operation == "get" {
            let mut key = Signer::published(&[&version.key])["keys"][0].clone();
            let key_ops = json!(["wrapKey", "unwrapKey"]);
            key = json!({ "kid": kid, "kty": "RSA", "key_ops": key_ops, "n": key["n"], "e": key["e"] });
            return (200, json!({ "key": key, "attributes": { "enabled": version.enabled } }));
        }
        if !version.enabled {
            return refusal(403, "Forbidden");
        }
        let body = asked.json();
        let value = body["value"].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let (Some(value), Some("RSA-OAEP-256")) = (value, body["alg"].as_str()) else {
            return refusal(400, "BadParameter");
        };
        let done = self.rsa(version, if operation == "wrapkey" { "-encrypt" } else { "-decrypt" }, &value);
        let answer = |bytes: Vec<u8>| (200, json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(bytes) }));
        done.map_or_else(|| refusal(400, "BadParameter"), answer)
    }
}
