//! `config/root`: the root credential and how AWS is reached.
use crate::Engine;
use crate::call::{Federation, Key, Settings};
use crate::naming;
use lessor_engine::timing::{Asked, Timing};
use lessor_engine::{CommaList, Context, Error, Params, Reply, Result, Seconds, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const KEY: &str = "config/root";
const SHORTEST: u64 = 10;
/// Seconds an identity token lives where nobody says how long.
const TOKEN_TTL: u64 = 3600;

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) access_key: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) secret_key: Secret,
    pub(crate) region: String,
    pub(crate) iam_endpoint: String,
    pub(crate) sts_endpoint: String,
    pub(crate) sts_region: String,
    pub(crate) sts_fallback_endpoints: Vec<String>,
    pub(crate) sts_fallback_regions: Vec<String>,
    pub(crate) max_retries: i64,
    pub(crate) username_template: String,
    pub(crate) role_arn: String,
    /// Empty where there is no workload identity federation.
    pub(crate) identity_token_audience: String,
    /// Seconds; 0 for [`TOKEN_TTL`].
    pub(crate) identity_token_ttl: u64,
    pub(crate) timing: Timing,
    pub(crate) disable_automated_rotation: bool,
    pub(crate) rotation_policy: String,
    pub(crate) written: Timestamp,
    pub(crate) last_rotation: Option<Timestamp>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access_key: String::new(),
            secret_key: Secret::default(),
            region: String::new(),
            iam_endpoint: String::new(),
            sts_endpoint: String::new(),
            sts_region: String::new(),
            sts_fallback_endpoints: Vec::new(),
            sts_fallback_regions: Vec::new(),
            max_retries: -1,
            username_template: String::new(),
            role_arn: String::new(),
            identity_token_audience: String::new(),
            identity_token_ttl: 0,
            timing: Timing::default(),
            disable_automated_rotation: false,
            rotation_policy: String::new(),
            written: Timestamp::UNIX_EPOCH,
            last_rotation: None,
        }
    }
}

impl Config {
    /// How AWS is reached, and as whom.
    pub(crate) fn settings(&self, cx: &Context) -> Settings {
        let key = (!self.access_key.is_empty()).then(|| Key {
            id: self.access_key.clone(),
            secret: self.secret_key.clone(),
            token: None,
        });
        let first = (!self.sts_endpoint.is_empty()).then(|| (self.sts_endpoint.clone(), self.sts_region.clone()));
        let others = self.sts_fallback_endpoints.iter().cloned().zip(self.sts_fallback_regions.iter().cloned());
        Settings {
            key,
            federation: self.federation(cx),
            region: self.region.clone(),
            iam_endpoint: self.iam_endpoint.clone(),
            sts_endpoints: first.map(|first| std::iter::once(first).chain(others).collect()).unwrap_or_default(),
            max_retries: self.max_retries,
            through: None,
        }
    }
    fn federation(&self, cx: &Context) -> Option<Federation> {
        let ttl = if self.identity_token_ttl == 0 { TOKEN_TTL } else { self.identity_token_ttl };
        (!self.identity_token_audience.is_empty()).then(|| Federation {
            role_arn: self.role_arn.clone(),
            audience: self.identity_token_audience.clone(),
            ttl: Duration::from_secs(ttl),
            tokens: Arc::clone(&cx.identity),
            clock: Arc::clone(&cx.clock),
        })
    }
}

#[derive(Params)]
pub(crate) struct Write {
    /// Root access key id; empty for what the server's surroundings offer.
    access_key: Option<String>,
    /// Root secret key.
    #[param(secret)]
    secret_key: Option<Secret>,
    /// Region of IAM and STS.
    region: Option<String>,
    /// Replaces the IAM endpoint.
    iam_endpoint: Option<String>,
    /// Replaces the STS endpoint.
    sts_endpoint: Option<String>,
    /// Region of `sts_endpoint`.
    sts_region: Option<String>,
    /// Tried in order when the first STS endpoint does not answer.
    sts_fallback_endpoints: Option<CommaList>,
    /// Regions that go with them.
    sts_fallback_regions: Option<CommaList>,
    /// Retries of recoverable errors; -1 for the SDK's own number.
    max_retries: Option<i64>,
    /// Names of users and sessions.
    username_template: Option<String>,
    /// Role that trusts the mount's identity token; needed with `identity_token_audience`.
    role_arn: Option<String>,
    /// Audience of the mount's identity token, which is then used instead of a key.
    identity_token_audience: Option<String>,
    /// Lifetime of the identity token; one hour where it is left out.
    identity_token_ttl: Option<Seconds>,
    /// Cron schedule of root rotations.
    rotation_schedule: Option<String>,
    /// How long after a slot it may be caught up.
    rotation_window: Option<Seconds>,
    /// Time between root rotations.
    rotation_period: Option<Seconds>,
    /// Stops scheduled root rotations.
    disable_automated_rotation: Option<bool>,
    /// Name of a rotation policy: how often a failed rotation is tried again. Without one it is tried for ever.
    rotation_policy: Option<String>,
    /// Asks AWS who the caller is before anything is stored.
    verify: bool,
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let list = |items: &Vec<String>| if items.is_empty() { serde_json::Value::Null } else { json!(items) };
    let template =
        if config.username_template.is_empty() { naming::TEMPLATE } else { config.username_template.as_str() };
    Ok(Reply::data(json!({
        "access_key": config.access_key,
        "region": config.region,
        "iam_endpoint": config.iam_endpoint,
        "sts_endpoint": config.sts_endpoint,
        "sts_region": config.sts_region,
        "sts_fallback_endpoints": list(&config.sts_fallback_endpoints),
        "sts_fallback_regions": list(&config.sts_fallback_regions),
        "max_retries": config.max_retries,
        "username_template": template,
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

fn merge(config: &mut Config, write: Write) -> Result<()> {
    let asked = Asked {
        period: write.rotation_period,
        schedule: write.rotation_schedule.as_deref(),
        window: write.rotation_window,
    };
    config.timing.update(&asked, SHORTEST)?;
    for (new, place) in [
        (write.access_key, &mut config.access_key),
        (write.region, &mut config.region),
        (write.iam_endpoint, &mut config.iam_endpoint),
        (write.sts_endpoint, &mut config.sts_endpoint),
        (write.sts_region, &mut config.sts_region),
        (write.username_template, &mut config.username_template),
        (write.rotation_policy, &mut config.rotation_policy),
        (write.role_arn, &mut config.role_arn),
        (write.identity_token_audience, &mut config.identity_token_audience),
    ] {
        if let Some(text) = new {
            *place = text;
        }
    }
    for (new, place) in [
        (write.sts_fallback_endpoints, &mut config.sts_fallback_endpoints),
        (write.sts_fallback_regions, &mut config.sts_fallback_regions),
    ] {
        if let Some(list) = new {
            *place = list.0;
        }
    }
    if let Some(secret) = write.secret_key {
        config.secret_key = secret;
    }
    if let Some(Seconds(seconds)) = write.identity_token_ttl {
        config.identity_token_ttl = seconds;
    }
    if let Some(retries) = write.max_retries {
        config.max_retries = retries;
    }
    if let Some(disabled) = write.disable_automated_rotation {
        config.disable_automated_rotation = disabled;
    }
    check(config)
}

fn check(config: &Config) -> Result<()> {
    if config.access_key.is_empty() != config.secret_key.is_empty() {
        return Err(Error::invalid("access_key and secret_key are given together, or neither of them"));
    }
    if !config.identity_token_audience.is_empty() {
        if !config.access_key.is_empty() {
            return Err(Error::invalid("only one of 'access_key' or 'identity_token_audience' can be set"));
        }
        if config.role_arn.is_empty() {
            return Err(Error::invalid("missing required 'role_arn' when 'identity_token_audience' is set"));
        }
    }
    if config.sts_fallback_endpoints.len() != config.sts_fallback_regions.len() {
        return Err(Error::invalid("fallback endpoints and fallback regions must be the same length"));
    }
    if !config.sts_endpoint.is_empty() && config.sts_region.is_empty() && config.region.is_empty() {
        return Err(Error::invalid("sts_endpoint: requests to it are signed for a region: give sts_region or region"));
    }
    for endpoint in [&config.iam_endpoint, &config.sts_endpoint].into_iter().chain(&config.sts_fallback_endpoints) {
        if !endpoint.is_empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(Error::invalid(format!("{endpoint:?} is no endpoint: use a URL that begins with https://")));
        }
    }
    if !config.username_template.is_empty() {
        naming::check(&config.username_template)?;
    }
    Ok(())
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let mut config: Config = cx.view.get(KEY).await?.unwrap_or_default();
    let verify = write.verify;
    merge(&mut config, write)?;
    if let Some(federation) = config.federation(&cx) {
        federation.tokens.mint(&federation.audience, federation.ttl).await?;
    }
    if verify {
        let asked = engine.sessions.open(&config.settings(&cx)).caller_identity().await;
        asked.map_err(|error| Error::invalid(format!("the root credential does not work: {error}")))?;
    }
    config.written = cx.now();
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty().reschedule("root"))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty().reschedule("root"))
}

pub(crate) async fn rotate_root(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else {
        let message = "no configuration found for config/root".to_owned();
        return Err(Error::Refused { status: 500, message });
    };
    if config.access_key.is_empty() || config.secret_key.is_empty() {
        return Err(Error::invalid("cannot call config/rotate-root when either access_key or secret_key is empty"));
    }
    Ok(Reply::rotate("root"))
}
