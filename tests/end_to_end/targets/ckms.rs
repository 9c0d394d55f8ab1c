//! A key of Google's Cloud KMS, as far as encrypting goes; its requests are held against Google's description before.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const KEY: &str = "projects/p-one/locations/global/keyRings/ring/cryptoKeys/unseal";

/// What it encrypted, by what it gave for it.
#[derive(Default)]
pub struct CloudKms {
    /// Versions newer than the first.
    pub rotated: u32,
    pub destroyed: BTreeSet<u32>,
    /// Whether the account may use the key.
    pub denied: bool,
    /// Whether answers are damaged on their way.
    pub damaged: bool,
    kept: BTreeMap<String, (u32, String)>,
}

/// CRC32C, most significant bit first: another way than Lessor's.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1edc_6f41 };
        }
    }
    (!crc).reverse_bits()
}

fn sum(text: &str) -> String {
    crc32c(&STANDARD.decode(text).unwrap()).to_string()
}

impl CloudKms {
    fn newest(&self) -> u32 {
        self.rotated + 1
    }
    /// # Errors
    /// The refusal.
    pub fn answer(&mut self, id: &str, path: &str, body: &Value) -> Result<Value, (u16, &'static str)> {
        if self.denied {
            return Err((403, "PERMISSION_DENIED"));
        }
        let (key, verb) = path.trim_start_matches("/v1/").rsplit_once(':').unwrap_or_default();
        if key != KEY || !id.ends_with(verb) {
            return Err((404, "NOT_FOUND"));
        }
        let field = if verb == "encrypt" { "plaintext" } else { "ciphertext" };
        let sent = body[field].as_str().unwrap_or_default();
        if body[format!("{field}Crc32c").as_str()] != json!(sum(sent)) {
            return Err((400, "INVALID_ARGUMENT"));
        }
        if verb == "encrypt" {
            let version = self.newest();
            let made = STANDARD.encode(rand::random::<[u8; 48]>());
            self.kept.insert(made.clone(), (version, sent.to_owned()));
            let answered = if self.damaged { STANDARD.encode([0; 48]) } else { made.clone() };
            return Ok(json!({
                "name": format!("{KEY}/cryptoKeyVersions/{version}"), "ciphertext": answered,
                "ciphertextCrc32c": sum(&made), "verifiedPlaintextCrc32c": true, "protectionLevel": "SOFTWARE",
            }));
        }
        let (version, plain) = self.kept.get(sent).ok_or((400, "INVALID_ARGUMENT"))?;
        if self.destroyed.contains(version) {
            return Err((400, "FAILED_PRECONDITION"));
        }
        Ok(json!({
            "plaintext": plain, "plaintextCrc32c": sum(plain), "usedPrimary": *version == self.newest(),
            "protectionLevel": "SOFTWARE",
        }))
    }
}
