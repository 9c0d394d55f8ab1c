//! A key of AWS's KMS, by AWS's own SDK.
use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lessor_core::seal::{Seal, SealError, Unwrapped};
use lessor_engine::Secret;
use std::error::Error;
use std::time::Duration;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// Bound of one call with all its retries.
const CALL: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);

/// Which key, and who asks.
#[derive(Clone)]
pub struct AwsKmsSettings {
    /// Where the key is.
    pub region: String,
    /// Id, ARN or alias of the key.
    pub kms_key_id: String,
    /// Access key id and secret; without them the surroundings are asked (environment, files, instance).
    pub key: Option<(String, Secret)>,
    /// The session token of temporary credentials.
    pub session_token: Option<Secret>,
    /// Another endpoint than AWS's.
    pub endpoint: Option<String>,
}

/// Encrypts with the key; needs `kms:Encrypt` and `kms:Decrypt` on it.
pub struct AwsKmsSeal {
    settings: AwsKmsSettings,
    client: OnceCell<Client>,
}

impl AwsKmsSeal {
    /// Opens no connection yet.
    pub fn new(settings: AwsKmsSettings) -> Self {
        Self { settings, client: OnceCell::new() }
    }
    async fn client(&self) -> &Client {
        self.client.get_or_init(|| open(&self.settings)).await
    }
}

async fn open(settings: &AwsKmsSettings) -> Client {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(settings.region.clone()))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(CALL).build());
    if let Some((id, secret)) = &settings.key {
        let token = settings.session_token.as_ref().map(|token| token.expose().to_owned());
        loader = loader.credentials_provider(Credentials::new(id, secret.expose(), token, None, "lessor"));
    }
    let mut config = aws_sdk_kms::config::Builder::from(&loader.load().await);
    config.set_endpoint_url(settings.endpoint.clone());
    Client::from_conf(config.build())
}

#[async_trait]
impl Seal for AwsKmsSeal {
    fn kind(&self) -> &'static str {
        "awskms"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let call = self.client().await.encrypt().key_id(&self.settings.kms_key_id).plaintext(Blob::new(plain));
        let answer = call.send().await.map_err(|error| classify(&error))?;
        answer.ciphertext_blob.map(Blob::into_inner).ok_or_else(|| nothing("Encrypt"))
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let call = self.client().await.decrypt().key_id(&self.settings.kms_key_id).ciphertext_blob(Blob::new(wrapped));
        let answer = call.send().await.map_err(|error| classify(&error))?;
        let plain = answer.plaintext.map(Blob::into_inner).ok_or_else(|| nothing("Decrypt"))?;
        Ok(Unwrapped { plain: Zeroizing::new(plain), stale: false })
    }
}

fn nothing(call: &str) -> SealError {
    SealError::Refused(format!("awskms: {call} answered nothing"))
}

/// A KMS that cannot be reached, is overloaded or in trouble may come back; one that answers and says no has decided.
fn classify<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> SealError {
    let text = format!("awskms: {}", DisplayErrorContext(error));
    let status = error.raw_response().map(|response| response.status().as_u16());
    let busy = ["ThrottlingException", "LimitExceededException", "KMSInternalException", "DependencyTimeoutException"];
    match status {
        Some(400..500) if !error.code().is_some_and(|code| busy.contains(&code)) => SealError::Refused(text),
        _ => SealError::Unavailable(text),
    }
}
