//! The transit engine of another Vault, OpenBao or Lessor.
use crate::SettingError;
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_client::{Client, Config, Error, Request, TlsSettings, Token};
use lessor_core::seal::{Seal, SealError, Unwrapped};
use lessor_engine::Secret;
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;
use zeroize::Zeroizing;

/// Bound of one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between attempts to renew the token where there is nothing else to go by.
const RENEW_RETRY: Duration = Duration::from_secs(60);

/// Where the key is, and who asks.
#[derive(Clone)]
pub struct TransitSettings {
    /// `https://host:port` of the other server.
    pub address: String,
    /// A token that may update `encrypt/` and `decrypt/` of the key.
    pub token: Secret,
    /// The key.
    pub key_name: String,
    /// Where the engine is mounted.
    pub mount_path: String,
    /// The namespace it is in, if any.
    pub namespace: Option<String>,
    /// Leaves the token's life to somebody else.
    pub disable_renewal: bool,
    /// How the other server is checked.
    pub tls: TlsSettings,
}

/// Encrypts through the HTTP API; keeps its token alive.
pub struct TransitSeal {
    client: Arc<Client>,
    mount: String,
    key: String,
}

impl TransitSeal {
    /// Opens no connection yet. The token is renewed behind, for which a runtime has to be there.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(settings: TransitSettings) -> Result<Self, SettingError> {
        let config = Config {
            address: settings.address,
            token: Some(Token::new(settings.token.expose())),
            namespace: settings.namespace,
            tls: settings.tls,
            timeout: TIMEOUT,
            max_retries: 0,
            ..Config::default()
        };
        let client = Client::new(config).map_err(|error| SettingError(error.to_string()))?;
        let client = Arc::new(client);
        if !settings.disable_renewal {
            tokio::spawn(renew(Arc::downgrade(&client)));
        }
        Ok(Self { client, mount: settings.mount_path.trim_matches('/').to_owned(), key: settings.key_name })
    }
    async fn ask(&self, operation: &str, body: Value, wanted: &str) -> Result<Secret, SealError> {
        let request = Request::put(&format!("{}/{operation}/{}", self.mount, self.key), body);
        let answer = self.client.send(request).await.map_err(|error| classify(&error))?;
        let text = answer.json.as_ref().and_then(|body| body["data"][wanted].as_str());
        let text = text.ok_or_else(|| SealError::Refused(format!("transit: {operation} answered no {wanted}")))?;
        Ok(Secret::new(text))
    }
}

#[async_trait]
impl Seal for TransitSeal {
    fn kind(&self) -> &'static str {
        "transit"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let body = json!({ "plaintext": STANDARD.encode(plain) });
        let ciphertext = self.ask("encrypt", body, "ciphertext").await?;
        Ok(ciphertext.expose().as_bytes().to_vec())
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let not_ours = || SealError::Refused("transit: what is to be decrypted was not encrypted by transit".into());
        let ciphertext = std::str::from_utf8(wrapped).map_err(|_| not_ours())?;
        let plain = self.ask("decrypt", json!({ "ciphertext": ciphertext }), "plaintext").await?;
        let plain = STANDARD.decode(plain.expose()).map(Zeroizing::new).map_err(|_| not_ours())?;
        Ok(Unwrapped { plain, stale: false })
    }
}

/// A server that is sealed, overloaded or away may come back; one that answers and says no has decided.
fn classify(error: &Error) -> SealError {
    let text = match error.api() {
        Some(api) => format!("transit: {} answered {}: {}", api.url, api.status, api.errors.join("; ")),
        None => format!("transit: {error}"),
    };
    match error.status() {
        Some(status) if (400..500).contains(&status) && !matches!(status, 408 | 412 | 429) => SealError::Refused(text),
        Some(_) => SealError::Unavailable(text),
        None if matches!(error, Error::Transport { .. }) => SealError::Unavailable(text),
        None => SealError::Refused(text),
    }
}

/// Renews the token when half of its life is over, as long as the seal is there.
async fn renew(client: Weak<Client>) {
    let mut pause = Duration::ZERO;
    loop {
        tokio::time::sleep(pause).await;
        let Some(client) = client.upgrade() else { return };
        let own = client.send(Request::get("auth/token/lookup-self")).await;
        let own = own.map(|answer| answer.json.unwrap_or_default()["data"].clone());
        pause = match own {
            Ok(own) if own["renewable"] != true => return,
            Ok(own) => Duration::from_secs(own["ttl"].as_u64().unwrap_or_default() / 2).max(Duration::from_secs(1)),
            // A token without this right works as well.
            Err(error) if error.status() == Some(403) => return,
            Err(_) => RENEW_RETRY,
        };
        let renewed = client.send(Request::put("auth/token/renew-self", json!({}))).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "the token of the transit seal was not renewed; it is tried again");
            pause = pause.min(RENEW_RETRY);
        }
    }
}
