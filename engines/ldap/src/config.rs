//! `config`: the directory, the account Lessor has in it, and what goes for all roles.
use crate::schema::{CredentialType, Schema};
use crate::{Engine, Flavour, passwords};
use lessor_directory::{Aliases, Settings, TlsVersion};
use lessor_engine::timing::{Asked, Timing};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, Secret, Timestamp, secret};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Where it lies.
pub(crate) const KEY: &str = "config";
/// Shortest time between two rotations of the bind password.
const SHORTEST: u64 = 10;
/// Entries of one page of a search: Active Directory gives no more than a thousand.
const PAGE: i32 = 500;

/// What is stored under `config`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Config {
    pub(crate) url: String,
    pub(crate) binddn: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) bindpass: Secret,
    /// The one before, which servers of the directory that lag behind may still want.
    #[serde(with = "secret::at_rest")]
    pub(crate) previous_bindpass: Secret,
    pub(crate) userdn: String,
    pub(crate) userattr: String,
    pub(crate) upndomain: String,
    pub(crate) schema: Schema,
    pub(crate) credential_type: CredentialType,
    pub(crate) password_policy: String,
    /// 0 where it is not set.
    pub(crate) length: usize,
    pub(crate) formatter: String,
    pub(crate) request_timeout: u64,
    pub(crate) connection_timeout: u64,
    pub(crate) starttls: bool,
    pub(crate) insecure_tls: bool,
    pub(crate) certificate: String,
    pub(crate) client_tls_cert: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) client_tls_key: Secret,
    pub(crate) tls_min_version: TlsVersion,
    pub(crate) tls_max_version: TlsVersion,
    pub(crate) skip_static_role_import_rotation: bool,
    pub(crate) ttl: u64,
    pub(crate) max_ttl: u64,
    pub(crate) timing: Timing,
    pub(crate) disable_automated_rotation: bool,
    pub(crate) rotation_policy: String,
    pub(crate) self_managed: bool,
    pub(crate) rotate_on_read: bool,
    pub(crate) rotate_on_read_cooldown: u64,
    pub(crate) auto_unlock: bool,
    pub(crate) last_rotation_tolerance: u64,
    pub(crate) last_bind_password_rotation: Option<Timestamp>,
    pub(crate) written: Timestamp,
}

/// How the directory is reached: the same for both engines.
#[derive(Params)]
pub(crate) struct Reach {
    /// Addresses of the directory, separated by commas: ldap:// or ldaps://.
    url: Option<String>,
    /// Account that changes passwords: a distinguished name, or with upndomain the left part of its user principal name.
    binddn: Option<String>,
    /// Its password.
    #[param(secret)]
    bindpass: Option<Secret>,
    /// Where accounts are searched for.
    userdn: Option<String>,
    /// Binds as binddn@upndomain.
    upndomain: Option<String>,
    /// Seconds one request may take.
    request_timeout: Option<Seconds>,
    /// Seconds a connection may take.
    connection_timeout: Option<Seconds>,
    /// Begins TLS on an ldap:// connection.
    starttls: Option<bool>,
    /// Takes every certificate: passwords go to whoever answers.
    insecure_tls: Option<bool>,
    /// Who vouches for the directory, in PEM; empty for the system's.
    certificate: Option<String>,
    /// Certificate of this server, in PEM.
    client_tls_cert: Option<String>,
    /// Its key, in PEM.
    #[param(secret)]
    client_tls_key: Option<Secret>,
    /// Oldest version of TLS: tls12 or tls13.
    tls_min_version: Option<TlsVersion>,
    /// Newest version of TLS: tls12 or tls13.
    tls_max_version: Option<TlsVersion>,
    /// Name of the policy of generated passwords.
    password_policy: Option<String>,
    /// Length of generated passwords, where there is no policy.
    length: Option<i64>,
}

#[derive(Params)]
pub(crate) struct Write {
    #[param(flatten)]
    reach: Reach,
    /// Which attribute holds the password: openldap, ad or racf.
    schema: Option<Schema>,
    /// What RACF takes: password or phrase.
    credential_type: Option<CredentialType>,
    /// Attribute that accounts are searched by.
    userattr: Option<String>,
    /// Whether static roles keep their password when they are made.
    skip_static_role_import_rotation: Option<bool>,
    /// Accepted, without effect.
    ttl: Option<Seconds>,
    /// Accepted, without effect.
    max_ttl: Option<Seconds>,
    /// Time between rotations of the bind password.
    rotation_period: Option<Seconds>,
    /// Cron schedule of rotations of the bind password.
    rotation_schedule: Option<String>,
    /// How long after a slot it may be caught up.
    rotation_window: Option<Seconds>,
    /// Stops scheduled rotations of the bind password.
    disable_automated_rotation: Option<bool>,
    /// Name of a rotation policy: how often a failed rotation is tried again. Without one it is tried for ever.
    rotation_policy: Option<String>,
    /// Whether there is no bind password: every static role changes its own.
    self_managed: Option<bool>,
    /// Whether reading a static role rotates it.
    rotate_on_read: Option<bool>,
    /// How long after a rotation reading does not rotate.
    rotate_on_read_cooldown: Option<Seconds>,
    /// Whether a rotation ends a lock of the account (schema ad).
    auto_unlock: Option<bool>,
}

/// The old engine's own.
#[derive(Params)]
pub(crate) struct AdWrite {
    #[param(flatten)]
    reach: Reach,
    /// Age at which a password is replaced when it is read, where the role does not say.
    ttl: Option<Seconds>,
    /// Upper bound of roles' ages.
    max_ttl: Option<Seconds>,
    /// Text around the generated password: {{PASSWORD}} stands for it.
    formatter: Option<String>,
    /// How much later than the last rotation a change of the password is taken for somebody else's.
    last_rotation_tolerance: Option<Seconds>,
}

fn replace<T>(place: &mut T, sent: Option<T>) {
    if let Some(sent) = sent {
        *place = sent;
    }
}

impl Config {
    fn new(flavour: Flavour, now: Timestamp) -> Self {
        Self {
            url: "ldap://127.0.0.1".to_owned(),
            binddn: String::new(),
            bindpass: Secret::default(),
            previous_bindpass: Secret::default(),
            userdn: String::new(),
            userattr: String::new(),
            upndomain: String::new(),
            schema: if flavour == Flavour::Ad { Schema::Ad } else { Schema::OpenLdap },
            credential_type: CredentialType::Password,
            password_policy: String::new(),
            length: 0,
            formatter: String::new(),
            request_timeout: 90,
            connection_timeout: 30,
            starttls: false,
            insecure_tls: false,
            certificate: String::new(),
            client_tls_cert: String::new(),
            client_tls_key: Secret::default(),
            tls_min_version: TlsVersion::Tls12,
            tls_max_version: TlsVersion::Tls12,
            skip_static_role_import_rotation: false,
            ttl: 0,
            max_ttl: 0,
            timing: Timing::default(),
            disable_automated_rotation: false,
            rotation_policy: String::new(),
            self_managed: false,
            rotate_on_read: false,
            rotate_on_read_cooldown: 60,
            auto_unlock: false,
            last_rotation_tolerance: 5,
            last_bind_password_rotation: None,
            written: now,
        }
    }
    /// The configuration.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn load(cx: &Context) -> Result<(Self, Version)> {
        let config = cx.view.get_versioned(KEY).await?;
        config.ok_or_else(|| Error::invalid("the directory is not configured: write config first"))
    }
    /// How the directory is reached.
    pub(crate) fn settings(&self) -> Settings {
        let (connection, request) = (self.connection_timeout.max(1), self.request_timeout.max(1));
        Settings {
            url: self.url.clone(),
            connection_timeout: Duration::from_secs(connection.min(request)),
            request_timeout: Duration::from_secs(request),
            starttls: self.starttls,
            tls_min_version: self.tls_min_version,
            tls_max_version: self.tls_max_version,
            insecure_tls: self.insecure_tls,
            certificate: self.certificate.clone(),
            client_tls_cert: self.client_tls_cert.clone(),
            client_tls_key: self.client_tls_key.clone(),
            aliases: Aliases::Never,
            page: PAGE,
        }
    }
    /// Whom to bind as.
    pub(crate) fn bind_name(&self) -> String {
        match self.upndomain.as_str() {
            "" => self.binddn.clone(),
            _ if self.binddn.contains(['=', '@']) => self.binddn.clone(),
            domain => format!("{}@{domain}", self.binddn),
        }
    }
    /// When the bind password is rotated next, by its timing.
    pub(crate) fn next_rotation(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_bind_password_rotation.unwrap_or(self.written);
        (!self.disable_automated_rotation).then(|| self.timing.next(last, now)).flatten()
    }

    fn apply(&mut self, sent: Reach) -> Result<()> {
        replace(&mut self.url, sent.url.map(|url| url.to_lowercase()));
        replace(&mut self.binddn, sent.binddn);
        replace(&mut self.bindpass, sent.bindpass);
        replace(&mut self.userdn, sent.userdn);
        replace(&mut self.upndomain, sent.upndomain);
        replace(&mut self.request_timeout, sent.request_timeout.map(|seconds| seconds.0));
        replace(&mut self.connection_timeout, sent.connection_timeout.map(|seconds| seconds.0));
        replace(&mut self.starttls, sent.starttls);
        replace(&mut self.insecure_tls, sent.insecure_tls);
        replace(&mut self.certificate, sent.certificate);
        replace(&mut self.client_tls_cert, sent.client_tls_cert);
        replace(&mut self.client_tls_key, sent.client_tls_key);
        replace(&mut self.tls_min_version, sent.tls_min_version);
        replace(&mut self.tls_max_version, sent.tls_max_version);
        // Whoever asks for 1.3 alone need not raise the other bound too.
        if sent.tls_max_version.is_none() {
            self.tls_max_version = self.tls_max_version.max(self.tls_min_version);
        }
        replace(&mut self.password_policy, sent.password_policy);
        self.length = match sent.length {
            Some(length) => usize::try_from(length).map_err(|_| Error::invalid("length must not be negative"))?,
            None => 0,
        };
        if self.length > passwords::LONGEST {
            return Err(Error::invalid(format!("length must be at most {}", passwords::LONGEST)));
        }
        if self.length > 0 && !self.password_policy.is_empty() {
            return Err(Error::invalid("cannot set both 'password_policy' and 'length'"));
        }
        Ok(())
    }
    fn check(&self) -> Result<()> {
        let attribute = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if self.userattr.is_empty() || !self.userattr.chars().all(attribute) {
            return Err(Error::invalid(format!("unsupported userattr {:?}: expected an attribute", self.userattr)));
        }
        self.settings().check()
    }
}

fn ldap(config: &mut Config, sent: Write, fresh: bool) -> Result<()> {
    config.apply(sent.reach)?;
    replace(&mut config.schema, sent.schema);
    config.credential_type = sent.credential_type.unwrap_or(CredentialType::Password);
    if config.credential_type == CredentialType::Phrase && config.schema != Schema::Racf {
        return Err(Error::invalid("credential_type phrase is only supported by schema racf"));
    }
    match sent.userattr {
        Some(name) if !name.is_empty() => config.userattr = name,
        _ if config.userattr.is_empty() => config.schema.user_attribute().clone_into(&mut config.userattr),
        _ => {}
    }
    replace(&mut config.skip_static_role_import_rotation, sent.skip_static_role_import_rotation);
    replace(&mut config.ttl, sent.ttl.map(|seconds| seconds.0));
    replace(&mut config.max_ttl, sent.max_ttl.map(|seconds| seconds.0));
    let asked = Asked {
        period: sent.rotation_period,
        schedule: sent.rotation_schedule.as_deref(),
        window: sent.rotation_window,
    };
    config.timing.update(&asked, SHORTEST)?;
    replace(&mut config.disable_automated_rotation, sent.disable_automated_rotation);
    replace(&mut config.rotation_policy, sent.rotation_policy);
    if !fresh && sent.self_managed.is_some_and(|flag| flag != config.self_managed) {
        return Err(Error::invalid("self_managed cannot be changed: delete the configuration first"));
    }
    replace(&mut config.self_managed, sent.self_managed);
    replace(&mut config.rotate_on_read, sent.rotate_on_read);
    replace(&mut config.rotate_on_read_cooldown, sent.rotate_on_read_cooldown.map(|seconds| seconds.0));
    replace(&mut config.auto_unlock, sent.auto_unlock);
    if config.self_managed && !config.bindpass.is_empty() {
        return Err(Error::invalid("self_managed and bindpass exclude each other"));
    }
    if config.self_managed && config.schema == Schema::Racf {
        return Err(Error::invalid("self_managed is not supported by schema racf"));
    }
    if config.auto_unlock && config.schema != Schema::Ad {
        return Err(Error::invalid("auto_unlock is only supported by schema ad"));
    }
    config.check()
}

/// A write replaces the settings of passwords as a whole.
fn ad(cx: &Context, config: &mut Config, mut sent: AdWrite) -> Result<()> {
    let policy = sent.reach.password_policy.take().unwrap_or_default();
    sent.reach.password_policy = Some(policy);
    config.apply(sent.reach)?;
    config.formatter = sent.formatter.unwrap_or_default();
    Schema::Ad.user_attribute().clone_into(&mut config.userattr);
    if !config.password_policy.is_empty() && !config.formatter.is_empty() {
        return Err(Error::invalid("cannot set password_policy and either length or formatter"));
    }
    passwords::check_format(config.length, &config.formatter)?;
    replace(&mut config.ttl, sent.ttl.map(|seconds| seconds.0));
    replace(&mut config.max_ttl, sent.max_ttl.map(|seconds| seconds.0));
    replace(&mut config.last_rotation_tolerance, sent.last_rotation_tolerance.map(|seconds| seconds.0));
    if config.max_ttl == 0 {
        config.max_ttl = cx.mount.max_ttl.as_secs();
    }
    if config.ttl == 0 {
        config.ttl = cx.mount.default_ttl.as_secs().min(config.max_ttl);
    }
    if config.ttl > config.max_ttl {
        return Err(Error::invalid("ttl must be smaller than or equal to max_ttl"));
    }
    config.check()
}

async fn store(engine: &Engine, cx: &Context, change: impl FnOnce(&mut Config, bool) -> Result<()>) -> Result<Reply> {
    let stored: Option<(Config, Version)> = cx.view.get_versioned(KEY).await?;
    let (mut config, version) = match stored {
        Some((config, version)) => (config, Some(version)),
        None => (Config::new(engine.flavour, cx.now()), None),
    };
    change(&mut config, version.is_none())?;
    config.written = cx.now();
    cx.view.commit(Changes::new().expect(KEY, version).put(KEY, &config)?).await?;
    let reply = Reply::empty().reschedule(crate::rotation::ROOT);
    // It may be written later: whoever sets a server up does so in any order.
    Ok(match passwords::check_policy(cx, &config.password_policy).await {
        Ok(()) => reply,
        Err(error) => reply.warn(format!("no password can be made yet: {error}")),
    })
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    store(&engine, &cx, |config, fresh| ldap(config, sent, fresh)).await
}

pub(crate) async fn write_ad(engine: Arc<Engine>, cx: Context, sent: AdWrite) -> Result<Reply> {
    store(&engine, &cx, |config, _| ad(&cx, config, sent)).await
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, (): ()) -> Result<bool> {
    Ok(cx.view.version(KEY).await?.is_some())
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty().reschedule(crate::rotation::ROOT))
}

/// What both engines show.
fn shown(config: &Config) -> Value {
    let mut data = json!({
        "binddn": config.binddn,
        "certificate": config.certificate,
        "client_tls_cert": config.client_tls_cert,
        "connection_timeout": config.connection_timeout,
        "insecure_tls": config.insecure_tls,
        "request_timeout": config.request_timeout,
        "starttls": config.starttls,
        "tls_max_version": config.tls_max_version,
        "tls_min_version": config.tls_min_version,
        "upndomain": config.upndomain,
        "url": config.url,
        "userdn": config.userdn,
        // The library both engines' originals share shows these, too.
        "anonymous_group_search": false,
        "case_sensitive_names": false,
        "deny_null_bind": true,
        "dereference_aliases": "never",
        "discoverdn": false,
        "groupattr": "cn",
        "groupdn": "",
        "groupfilter": "(|(memberUid={{.Username}})(member={{.UserDN}})(uniqueMember={{.UserDN}}))",
        "max_page_size": 0,
        "use_token_groups": false,
        "userfilter": "({{.UserAttr}}={{.Username}})",
        "username_as_alias": false,
        "userattr": config.userattr,
    });
    if config.length > 0 {
        data["length"] = json!(config.length);
    }
    if !config.password_policy.is_empty() {
        data["password_policy"] = json!(config.password_policy);
    }
    if let Some(last) = config.last_bind_password_rotation {
        data["last_bind_password_rotation"] = json!(last);
    }
    data
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let mut data = shown(&config);
    for (name, value) in [
        ("schema", json!(config.schema)),
        ("credential_type", json!(config.credential_type)),
        ("skip_static_role_import_rotation", json!(config.skip_static_role_import_rotation)),
        ("rotation_period", json!(config.timing.period)),
        ("rotation_schedule", json!(config.timing.schedule)),
        ("rotation_window", json!(config.timing.window)),
        ("disable_automated_rotation", json!(config.disable_automated_rotation)),
        ("rotation_policy", json!(config.rotation_policy)),
        ("self_managed", json!(config.self_managed)),
        ("rotate_on_read", json!(config.rotate_on_read)),
        ("rotate_on_read_cooldown", json!(config.rotate_on_read_cooldown)),
        ("auto_unlock", json!(config.auto_unlock)),
    ] {
        data[name] = value;
    }
    if let Some(next) = config.next_rotation(cx.now()) {
        data["next_vault_rotation"] = json!(next);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn read_ad(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let mut data = shown(&config);
    data["ttl"] = json!(config.ttl);
    data["max_ttl"] = json!(config.max_ttl);
    data["last_rotation_tolerance"] = json!(config.last_rotation_tolerance);
    if !config.formatter.is_empty() {
        data["formatter"] = json!(config.formatter);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn rotate_root(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let (config, _) = Config::load(&cx).await?;
    let refuse = |message: &str| Err(Error::refused(message));
    if config.self_managed {
        return refuse("a self-managed directory has no bind password to rotate");
    }
    if config.binddn.is_empty() {
        return refuse("auth is not configured: binddn is empty");
    }
    if config.bindpass.is_empty() {
        return refuse("auth is not configured: bindpass is empty");
    }
    Ok(Reply::rotate(crate::rotation::ROOT))
}
