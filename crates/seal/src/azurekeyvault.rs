//! A key of Azure's Key Vault or Managed HSM: it wraps and unwraps (RSA-OAEP-256), the private part never leaves it
//! (<https://learn.microsoft.com/rest/api/keyvault/keys/wrap-key/wrap-key>).
use crate::SettingError;
use crate::rest::{Answered, Rest};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lessor_cloud_access::azure::{Access, Application};
use lessor_core::seal::{Seal, SealError, Unwrapped};
use lessor_engine::{Clock, Secret, SystemClock};
use lessor_platform_http::Ask;
use serde_json::{Value, json};
use zeroize::Zeroizing;

const VERSION: &str = "7.4";
const ALGORITHM: &str = "RSA-OAEP-256";

/// Which key, and who asks.
#[derive(Clone)]
pub struct AzureKeyVaultSettings {
    /// `https://name.vault.azure.net`.
    pub vault: String,
    /// Name of the key.
    pub key_name: String,
    /// Who asks.
    pub application: Application,
}

/// Wraps with the newest version of the key, and unwraps with the one that wrapped; needs `get`, `wrapKey` and `unwrapKey`.
pub struct AzureKeyVaultSeal {
    settings: AzureKeyVaultSettings,
    access: Access,
    rest: Rest,
}

impl AzureKeyVaultSeal {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(settings: AzureKeyVaultSettings) -> Result<Self, SettingError> {
        let rest = Rest::new("azurekeyvault", &settings.vault)?;
        Ok(Self { settings, access: Access::default(), rest })
    }
    async fn ask(&self, segments: &[&str], body: Option<Value>) -> Result<Value, SealError> {
        let mut url = self.rest.url(segments)?;
        url.query_pairs_mut().append_pair("api-version", VERSION);
        let ask = match body {
            None => Ask::get(url.as_str()),
            Some(body) => Ask::post(url.as_str(), "application/json", body.to_string().into_bytes()),
        };
        let token = self.access.token(&self.rest.http, &self.settings.application, SystemClock.now());
        let token = token.await.map_err(|error| self.rest.no_token(&error))?;
        match self.rest.send(ask, &token).await? {
            Answered::Json(answer) => Ok(answer),
            Answered::Unknown(error) => {
                // Taken back before its time: the next call asks with another.
                self.access.forget().await;
                Err(error)
            }
        }
    }
    /// Id of the newest version.
    async fn newest(&self) -> Result<String, SealError> {
        let found = self.ask(&["keys", &self.settings.key_name], None).await?;
        let id = found["key"]["kid"].as_str().and_then(|id| id.rsplit('/').next());
        id.map(str::to_owned).ok_or_else(|| self.rest.nothing("the key"))
    }
    fn value(&self, answer: &Value, call: &str) -> Result<Secret, SealError> {
        answer["value"].as_str().map(Secret::new).ok_or_else(|| self.rest.nothing(call))
    }
}

#[async_trait]
impl Seal for AzureKeyVaultSeal {
    fn kind(&self) -> &'static str {
        "azurekeyvault"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let version = self.newest().await?;
        let body = json!({ "alg": ALGORITHM, "value": URL_SAFE_NO_PAD.encode(plain) });
        let answer = self.ask(&["keys", &self.settings.key_name, &version, "wrapkey"], Some(body)).await?;
        let value = self.value(&answer, "wrapkey")?;
        Ok(format!("{version}.{}", value.expose()).into_bytes())
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let text = std::str::from_utf8(wrapped).ok().and_then(|text| text.split_once('.'));
        let (version, value) = text.ok_or_else(|| self.rest.not_ours())?;
        let body = json!({ "alg": ALGORITHM, "value": value });
        let answer = self.ask(&["keys", &self.settings.key_name, version, "unwrapkey"], Some(body)).await?;
        let plain = URL_SAFE_NO_PAD.decode(self.value(&answer, "unwrapkey")?.expose().trim_end_matches('='));
        let plain = plain.map(Zeroizing::new).map_err(|_| self.rest.not_ours())?;
        // That the key was rotated is worth knowing, and no reason to stay sealed when it cannot be found out.
        let stale = self.newest().await.is_ok_and(|newest| newest != version);
        Ok(Unwrapped { plain, stale })
    }
}
