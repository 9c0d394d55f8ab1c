//! The calls, by AWS's own SDK.
mod convert;
mod federation;
mod iam;
mod sts;

use crate::call::{
    Answer, AssumeRole, CallError, Cloud, GroupPolicies, Key, ListedKey, NewUser, Session, SessionPolicy, Settings,
    Temporary, User,
};
use async_trait::async_trait;
use aws_config::identity::IdentityCache;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use federation::Federated;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// Bound of one call with all its retries.
const CALL: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// Calls to IAM of one account that run at once.
const IAM_AT_ONCE: usize = 16;
/// No STS endpoint has answered yet.
const NONE: usize = usize::MAX;

/// Makes sessions that share one pool of connections.
pub(crate) struct Sdk {
    http: SharedHttpClient,
}

impl Default for Sdk {
    fn default() -> Self {
        let builder = aws_smithy_http_client::Builder::new();
        Self { http: builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https() }
    }
}

impl Cloud for Sdk {
    fn session(&self, settings: &Settings) -> Arc<dyn Session> {
        Arc::new(SdkSession {
            settings: settings.clone(),
            http: self.http.clone(),
            clients: OnceCell::new(),
            iam_turns: Semaphore::new(IAM_AT_ONCE),
            sts_at: AtomicUsize::new(NONE),
        })
    }
}

struct Clients {
    iam: aws_sdk_iam::Client,
    /// One per endpoint, tried in order.
    sts: Vec<aws_sdk_sts::Client>,
}

/// Opened on the first call: credentials of the surroundings are looked for over the network.
struct SdkSession {
    settings: Settings,
    http: SharedHttpClient,
    clients: OnceCell<Clients>,
    /// IAM is one slow control plane for the whole account: more at once are only throttled.
    iam_turns: Semaphore,
    /// Which STS endpoint answered last.
    sts_at: AtomicUsize,
}

fn nonempty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn region(settings: &Settings) -> Region {
    let of_environment = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    let name = nonempty(&settings.region).or_else(of_environment).unwrap_or_else(|| "us-east-1".to_owned());
    Region::new(name)
}

impl SdkSession {
    async fn base(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(CALL).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(region(&self.settings))
            .timeout_config(timeouts)
            .identity_cache(IdentityCache::lazy().load_timeout(CALL).build());
        if let Ok(retries) = u32::try_from(self.settings.max_retries) {
            loader = loader.retry_config(RetryConfig::standard().with_max_attempts(retries.saturating_add(1)));
        }
        if let Some(key) = &self.settings.key {
            let token = key.token.as_ref().map(|token| token.expose().to_owned());
            loader = loader.credentials_provider(Credentials::new(&key.id, key.secret.expose(), token, None, "lessor"));
        }
        loader.load().await
    }

    async fn open(&self) -> Clients {
        let mut base = self.base().await;
        if let Some(federation) = self.settings.federation.as_ref().filter(|_| self.settings.key.is_none()) {
            let provider = Federated::new(federation.clone(), self.sts_clients(&base));
            base = base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
        }
        if let Some(through) = &self.settings.through {
            let mut sts = base.clone().into_builder();
            if let Some((endpoint, _)) = self.settings.sts_endpoints.first() {
                sts = sts.endpoint_url(endpoint);
            }
            let mut provider = AssumeRoleProvider::builder(&through.role_arn)
                .session_name(&through.session_name)
                .configure(&sts.build());
            if !through.external_id.is_empty() {
                provider = provider.external_id(&through.external_id);
            }
            let provider = provider.build().await;
            base = base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
        }
        let mut iam = aws_sdk_iam::config::Builder::from(&base);
        iam.set_endpoint_url(nonempty(&self.settings.iam_endpoint));
        Clients { iam: aws_sdk_iam::Client::from_conf(iam.build()), sts: self.sts_clients(&base) }
    }

    /// One per endpoint, in their order.
    fn sts_clients(&self, base: &SdkConfig) -> Vec<aws_sdk_sts::Client> {
        let sts = |endpoint: Option<&(String, String)>| {
            let mut config = aws_sdk_sts::config::Builder::from(base);
            if let Some((url, region)) = endpoint {
                config.set_endpoint_url(Some(url.clone()));
                if !region.is_empty() {
                    config.set_region(Some(Region::new(region.clone())));
                }
            }
            aws_sdk_sts::Client::from_conf(config.build())
        };
        let endpoints = &self.settings.sts_endpoints;
        if endpoints.is_empty() { vec![sts(None)] } else { endpoints.iter().map(|e| sts(Some(e))).collect() }
    }

    async fn clients(&self) -> &Clients {
        self.clients.get_or_init(|| self.open()).await
    }

    /// IAM, when it is this call's turn.
    async fn iam(&self) -> Answer<Turn<'_>> {
        let client = &self.clients().await.iam;
        let turn = self.iam_turns.acquire().await;
        turn.map(|turn| Turn { client, _turn: turn }).map_err(|_| CallError::Unavailable("IAM is closed".into()))
    }

    /// The STS endpoint that answered last, or else the first that answers now.
    async fn sts(&self) -> Answer<&aws_sdk_sts::Client> {
        let clients = &self.clients().await.sts;
        if let [only] = clients.as_slice() {
            return Ok(only);
        }
        if let Some(client) = clients.get(self.sts_at.load(Ordering::Relaxed)) {
            return Ok(client);
        }
        let mut last = CallError::Unavailable("no STS endpoint is configured".into());
        for (at, client) in clients.iter().enumerate() {
            match sts::caller_identity(client).await {
                Err(error @ CallError::Unavailable(_)) => last = error,
                _ => {
                    self.sts_at.store(at, Ordering::Relaxed);
                    return Ok(client);
                }
            }
        }
        Err(last)
    }
    /// An endpoint that stops answering is looked for again by the next call.
    fn noted<T>(&self, answer: Answer<T>) -> Answer<T> {
        if matches!(answer, Err(CallError::Unavailable(_))) {
            self.sts_at.store(NONE, Ordering::Relaxed);
        }
        answer
    }
}

/// IAM's client while one of the account's turns is taken.
struct Turn<'a> {
    client: &'a aws_sdk_iam::Client,
    _turn: SemaphorePermit<'a>,
}

impl std::ops::Deref for Turn<'_> {
    type Target = aws_sdk_iam::Client;
    fn deref(&self) -> &Self::Target {
        self.client
    }
}

#[async_trait]
impl Session for SdkSession {
    async fn caller_identity(&self) -> Answer<String> {
        self.noted(sts::caller_identity(self.sts().await?).await)
    }
    async fn get_user(&self, name: Option<&str>) -> Answer<User> {
        iam::get_user(&*self.iam().await?, name).await
    }
    async fn create_user(&self, user: &NewUser<'_>) -> Answer<()> {
        iam::create_user(&*self.iam().await?, user).await
    }
    async fn user_tags(&self, name: &str) -> Answer<BTreeMap<String, String>> {
        iam::user_tags(&*self.iam().await?, name).await
    }
    async fn list_users(&self) -> Answer<Vec<String>> {
        iam::list_users(&*self.iam().await?).await
    }
    async fn attach_policy(&self, user: &str, arn: &str) -> Answer<()> {
        iam::attach_policy(&*self.iam().await?, user, arn).await
    }
    async fn put_policy(&self, user: &str, name: &str, document: &str) -> Answer<()> {
        iam::put_policy(&*self.iam().await?, user, name, document).await
    }
    async fn add_to_group(&self, user: &str, group: &str) -> Answer<()> {
        iam::add_to_group(&*self.iam().await?, user, group).await
    }
    async fn list_keys(&self, user: &str) -> Answer<Vec<ListedKey>> {
        iam::list_keys(&*self.iam().await?, user).await
    }
    async fn create_key(&self, user: &str) -> Answer<Key> {
        iam::create_key(&*self.iam().await?, user).await
    }
    async fn delete_key(&self, user: &str, id: &str) -> Answer<()> {
        iam::delete_key(&*self.iam().await?, user, id).await
    }
    async fn delete_user(&self, user: &str) -> Answer<()> {
        iam::delete_user(&*self.iam().await?, user).await
    }
    async fn group_policies(&self, group: &str) -> Answer<GroupPolicies> {
        iam::group_policies(&*self.iam().await?, group).await
    }
    async fn assume_role(&self, wanted: &AssumeRole<'_>) -> Answer<Temporary> {
        self.noted(sts::assume_role(self.sts().await?, wanted).await)
    }
    async fn federation_token(&self, name: &str, duration: Duration, policy: &SessionPolicy) -> Answer<Temporary> {
        self.noted(sts::federation_token(self.sts().await?, name, duration, policy).await)
    }
    async fn session_token(&self, duration: Duration, mfa: Option<(&str, &str)>) -> Answer<Temporary> {
        self.noted(sts::session_token(self.sts().await?, duration, mfa).await)
    }
}
