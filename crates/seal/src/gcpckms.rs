//! A key of Google's Cloud KMS (cloudkms v1). Plain and encrypted bytes go with their CRC32C, in both directions, as Google
//! recommends (<https://cloud.google.com/kms/docs/data-integrity-guidelines>).
use crate::SettingError;
use crate::rest::{Answered, Rest};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_cloud_access::google::{Access, Identity};
use lessor_core::seal::{Seal, SealError, Unwrapped};
use lessor_engine::{Clock, Secret, SystemClock};
use lessor_platform_http::Ask;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Which key, and who asks.
#[derive(Clone)]
pub struct GcpCkmsSettings {
    /// Path of a file of credentials, or its text; without it Application Default Credentials are taken.
    pub credentials: Option<Secret>,
    /// The project the key is in.
    pub project: String,
    /// Its location, such as `global`.
    pub region: String,
    /// Its ring.
    pub key_ring: String,
    /// Its name.
    pub crypto_key: String,
    /// Another address than Google's.
    pub endpoint: Option<String>,
}

/// Encrypts with the primary version of the key; needs `cloudkms.cryptoKeyVersions.useToEncrypt` and `…useToDecrypt`.
pub struct GcpCkmsSeal {
    settings: GcpCkmsSettings,
    access: Access,
    rest: Rest,
}

impl GcpCkmsSeal {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(settings: GcpCkmsSettings) -> Result<Self, SettingError> {
        let address = settings.endpoint.as_deref().unwrap_or("https://cloudkms.googleapis.com");
        let rest = Rest::new("gcpckms", address)?;
        let access = settings.credentials.clone().map_or_else(Access::default, Access::with);
        Ok(Self { settings, access, rest })
    }
    async fn ask(&self, verb: &str, body: Value) -> Result<Value, SealError> {
        let of = &self.settings;
        // The last segment is a name and a verb behind a colon, which is no character to escape.
        let key = format!("{}:{verb}", of.crypto_key);
        let segments =
            ["v1", "projects", &of.project, "locations", &of.region, "keyRings", &of.key_ring, "cryptoKeys", &key];
        let url = self.rest.url(&segments)?;
        let token = self.access.token(&self.rest.http, &Identity::Surroundings, SystemClock.now());
        let token = token.await.map_err(|error| self.rest.no_token(&error))?;
        let ask = Ask::post(url.as_str(), "application/json", body.to_string().into_bytes());
        match self.rest.send(ask, &token).await? {
            Answered::Json(answer) => Ok(answer),
            Answered::Unknown(error) => {
                // Taken back before its time: the next call asks with another.
                self.access.forget().await;
                Err(error)
            }
        }
    }
    /// The bytes of an answer, if they are those that Google sent.
    fn bytes(&self, answer: &Value, name: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let bytes = answer[name].as_str().and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
        let bytes = bytes.ok_or_else(|| self.rest.nothing(name))?;
        let sum = answer[format!("{name}Crc32c").as_str()].as_str().and_then(|text| text.parse().ok());
        if sum == Some(i64::from(crc32c(&bytes))) { Ok(bytes) } else { Err(self.damaged()) }
    }
    fn damaged(&self) -> SealError {
        SealError::Unavailable("gcpckms: bytes were damaged on the way (CRC32C)".into())
    }
}

/// The CRC of Castagnoli (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(!0, byte)
}

#[async_trait]
impl Seal for GcpCkmsSeal {
    fn kind(&self) -> &'static str {
        "gcpckms"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let body = json!({ "plaintext": STANDARD.encode(plain), "plaintextCrc32c": crc32c(plain).to_string() });
        let answer = self.ask("encrypt", body).await?;
        if answer["verifiedPlaintextCrc32c"] != true {
            return Err(self.damaged());
        }
        self.bytes(&answer, "ciphertext").map(|bytes| bytes.to_vec())
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let body = json!({ "ciphertext": STANDARD.encode(wrapped), "ciphertextCrc32c": crc32c(wrapped).to_string() });
        let answer = self.ask("decrypt", body).await?;
        Ok(Unwrapped { plain: self.bytes(&answer, "plaintext")?, stale: answer["usedPrimary"] == false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b""), 0);
    }
}
