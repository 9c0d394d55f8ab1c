//! `config/client`.
use crate::Aws;
use crate::config::{Config, KEY};
use crate::root_key::ROOT;
use lessor_engine::timing::Asked;
use lessor_engine::{CommaList, Context, Params, Reply, Result, Seconds, Secret};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Least seconds between two rotations.
const SHORTEST: u64 = 10;

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Access key id of whoever asks AWS; empty for what the server's surroundings offer.
    access_key: Option<String>,
    /// Secret key that belongs to it.
    #[param(secret)]
    secret_key: Option<Secret>,
    /// Address of EC2; empty for AWS's own.
    endpoint: Option<String>,
    /// Address of IAM; empty for AWS's own.
    iam_endpoint: Option<String>,
    /// Address of STS; empty for AWS's own.
    sts_endpoint: Option<String>,
    /// Region of STS.
    sts_region: Option<String>,
    /// Asks the STS of the region that the request was signed for.
    use_sts_region_from_client: Option<bool>,
    /// What the header X-Vault-AWS-IAM-Server-ID has to say, so that requests signed for another server are refused.
    iam_server_id_header_value: Option<String>,
    /// Headers that signed requests may have beside AWS's own.
    allowed_sts_header_values: Option<CommaList>,
    /// Retries of recoverable errors; -1 for the SDK's own number.
    max_retries: Option<i64>,
    /// Role that trusts the mount's identity token; needed with identity_token_audience.
    role_arn: Option<String>,
    /// Audience of the mount's identity token, which is then used instead of a key.
    identity_token_audience: Option<String>,
    /// Lifetime of the identity token; one hour where it is left out.
    identity_token_ttl: Option<Seconds>,
    /// Cron schedule of rotations of the key.
    rotation_schedule: Option<String>,
    /// How long after a slot it may be caught up.
    rotation_window: Option<Seconds>,
    /// Time between rotations of the key.
    rotation_period: Option<Seconds>,
    /// Stops scheduled rotations.
    disable_automated_rotation: Option<bool>,
    /// Name of a rotation policy: how often a failed rotation is tried again. Without one it is tried for ever.
    rotation_policy: Option<String>,
}

fn put<T>(place: &mut T, sent: Option<T>) {
    if let Some(value) = sent {
        *place = value;
    }
}

impl Config {
    fn apply(&mut self, sent: ConfigParams) -> Result<()> {
        let asked = Asked {
            period: sent.rotation_period,
            schedule: sent.rotation_schedule.as_deref(),
            window: sent.rotation_window,
        };
        self.timing.update(&asked, SHORTEST)?;
        put(&mut self.access_key, sent.access_key);
        put(&mut self.secret_key, sent.secret_key);
        put(&mut self.endpoint, sent.endpoint);
        put(&mut self.iam_endpoint, sent.iam_endpoint);
        put(&mut self.sts_endpoint, sent.sts_endpoint);
        put(&mut self.sts_region, sent.sts_region);
        put(&mut self.use_sts_region_from_client, sent.use_sts_region_from_client);
        put(&mut self.server_id, sent.iam_server_id_header_value);
        put(&mut self.allowed_headers, sent.allowed_sts_header_values.map(|list| list.0));
        put(&mut self.max_retries, sent.max_retries);
        put(&mut self.role_arn, sent.role_arn);
        put(&mut self.identity_token_audience, sent.identity_token_audience);
        put(&mut self.identity_token_ttl, sent.identity_token_ttl.map(|seconds| seconds.0));
        put(&mut self.disable_automated_rotation, sent.disable_automated_rotation);
        put(&mut self.rotation_policy, sent.rotation_policy);
        self.check()
    }
}

pub(crate) async fn exists(_: Arc<Aws>, cx: Context, (): ()) -> Result<bool> {
    Ok(cx.view.version(KEY).await?.is_some())
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    let mut config = Config::load(&cx).await?;
    config.apply(sent)?;
    if !config.identity_token_audience.is_empty() {
        // Fails here rather than at somebody's login.
        let ttl = Duration::from_secs(config.identity_token_ttl);
        cx.identity.mint(&config.identity_token_audience, ttl).await?;
    }
    config.written = cx.now();
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty().reschedule(ROOT))
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "access_key": config.access_key,
        "endpoint": config.endpoint,
        "iam_endpoint": config.iam_endpoint,
        "sts_endpoint": config.sts_endpoint,
        "sts_region": config.sts_region,
        "use_sts_region_from_client": config.use_sts_region_from_client,
        "iam_server_id_header_value": config.server_id,
        "allowed_sts_header_values": config.allowed_headers,
        "max_retries": config.max_retries,
        "role_arn": config.role_arn,
        "identity_token_audience": config.identity_token_audience,
        "identity_token_ttl": config.identity_token_ttl,
        "rotation_schedule": config.timing.schedule,
        "rotation_window": config.timing.window,
        "rotation_period": config.timing.period,
        "disable_automated_rotation": config.disable_automated_rotation,
        "rotation_policy": config.rotation_policy,
    })))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty().reschedule(ROOT))
}
