//! As whom AWS is asked: a key, an identity token of this server's, or what the surroundings offer.
use super::federation::Federated;
use crate::accounts::Account;
use crate::config::Config;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use lessor_engine::{Clock, IdentityTokens};
use std::sync::Arc;
use std::time::Duration;

/// Bound of one call with all its retries.
pub(super) const CALL: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// How sessions in roles of other accounts are called there.
const SESSION: &str = "lessor-auth-aws";

/// Who vouches for the mount, where it has no key.
pub(super) struct Vouching {
    pub(super) tokens: Arc<dyn IdentityTokens>,
    pub(super) clock: Arc<dyn Clock>,
}

/// STS's client with the configuration's address.
pub(super) fn sts_client(base: &SdkConfig, config: &Config) -> aws_sdk_sts::Client {
    let mut builder = aws_sdk_sts::config::Builder::from(base);
    if !config.sts_endpoint.is_empty() {
        builder.set_endpoint_url(Some(config.sts_endpoint.clone()));
    }
    if !config.sts_region.is_empty() {
        builder.set_region(Some(Region::new(config.sts_region.clone())));
    }
    aws_sdk_sts::Client::from_conf(builder.build())
}

/// The SDK as the configuration wants it.
pub(super) async fn base(http: SharedHttpClient, config: &Config, region: &str, vouching: &Vouching) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(CALL).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        .identity_cache(IdentityCache::lazy().load_timeout(CALL).build());
    if let Ok(retries) = u32::try_from(config.max_retries) {
        loader = loader.retry_config(RetryConfig::standard().with_max_attempts(retries.saturating_add(1)));
    }
    if !config.access_key.is_empty() {
        let key = Credentials::new(&config.access_key, config.secret_key.expose(), None, None, "lessor");
        return loader.credentials_provider(key).load().await;
    }
    let base = loader.load().await;
    if config.identity_token_audience.is_empty() {
        return base;
    }
    let provider = Federated {
        role_arn: config.role_arn.clone(),
        audience: config.identity_token_audience.clone(),
        ttl: Duration::from_secs(config.identity_token_ttl),
        tokens: Arc::clone(&vouching.tokens),
        clock: Arc::clone(&vouching.clock),
        sts: sts_client(&base, config),
    };
    base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

/// The same in an account's role.
pub(super) async fn through(base: SdkConfig, config: &Config, account: &Account) -> SdkConfig {
    let mut sts = base.clone().into_builder();
    if !config.sts_endpoint.is_empty() {
        sts = sts.endpoint_url(&config.sts_endpoint);
    }
    if !config.sts_region.is_empty() {
        sts = sts.region(Region::new(config.sts_region.clone()));
    }
    let role = AssumeRoleProvider::builder(&account.sts_role).session_name(SESSION).configure(&sts.build());
    let role = if account.external_id.is_empty() { role } else { role.external_id(&account.external_id) };
    let provider = role.build().await;
    base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}
