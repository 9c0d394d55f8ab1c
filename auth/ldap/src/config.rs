//! `config`: the directory, and how people are found in it.
use crate::Ldap;
use crate::rotation::ROOT;
use lessor_directory::{Aliases, CredentialType, Schema, Settings, TlsVersion};
use lessor_engine::timing::{Asked, Timing};
use lessor_engine::{
    Changes, Context, Error, OldNames, Params, Reply, Result, Seconds, Secret, Timestamp, TokenParams, TokenRole,
    secret, template::Template,
};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const USER_FILTER: &str = "({{.UserAttr}}={{.Username}})";
const GROUP_FILTER: &str = "(|(memberUid={{.Username}})(member={{.UserDN}})(uniqueMember={{.UserDN}}))";

/// Shortest time between two rotations of the bind password, in seconds.
const SHORTEST: u64 = 10;
/// How long the bind password before the present one is tried too: other servers of the directory may lag behind.
const OLD_PASSWORD: Duration = Duration::from_secs(600);
const COLLISIONS: &str =
    "userfilter configured does not consider userattr and may result in colliding entity aliases on logins";

/// What is stored under `config`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Separated by commas, tried in this order.
    pub(crate) url: String,
    pub(crate) case_sensitive_names: bool,
    /// Seconds.
    pub(crate) request_timeout: u64,
    pub(crate) connection_timeout: u64,
    pub(crate) starttls: bool,
    pub(crate) tls_min_version: TlsVersion,
    pub(crate) tls_max_version: TlsVersion,
    pub(crate) insecure_tls: bool,
    pub(crate) certificate: String,
    pub(crate) client_tls_cert: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) client_tls_key: Secret,
    pub(crate) binddn: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) bindpass: Secret,
    pub(crate) userdn: String,
    pub(crate) userattr: String,
    pub(crate) discoverdn: bool,
    pub(crate) deny_null_bind: bool,
    pub(crate) upndomain: String,
    pub(crate) userfilter: String,
    pub(crate) anonymous_group_search: bool,
    pub(crate) groupfilter: String,
    pub(crate) groupdn: String,
    pub(crate) groupattr: String,
    pub(crate) username_as_alias: bool,
    pub(crate) dereference_aliases: Aliases,
    pub(crate) max_page_size: i32,
    pub(crate) enable_samaccountname_login: bool,
    pub(crate) use_token_groups: bool,
    #[serde(flatten)]
    pub(crate) rotation: Rotation,
    pub(crate) token: TokenRole,
}

/// How the bind password is replaced.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rotation {
    pub(crate) password_policy: String,
    pub(crate) disable_automated_rotation: bool,
    pub(crate) rotation_policy: String,
    /// Where it is done; empty for `url`.
    pub(crate) rotation_url: String,
    pub(crate) rotation_schema: Schema,
    pub(crate) rotation_credential_type: CredentialType,
    pub(crate) timing: Timing,
    /// The one before, which servers of the directory that lag behind may still want.
    #[serde(with = "secret::at_rest")]
    pub(crate) previous_bindpass: Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_bind_password_rotation: Option<Timestamp>,
    /// The schedule begins here.
    written: Timestamp,
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Addresses of the directory, separated by commas: ldap:// or ldaps://.
    url: Option<String>,
    /// Tells Bob from bob.
    case_sensitive_names: Option<bool>,
    /// Seconds one request may take.
    request_timeout: Option<Seconds>,
    /// Seconds a connection may take.
    connection_timeout: Option<Seconds>,
    /// Begins TLS on an ldap:// connection.
    starttls: Option<bool>,
    /// Oldest version of TLS: tls12 or tls13.
    tls_min_version: Option<TlsVersion>,
    /// Newest version of TLS: tls12 or tls13.
    tls_max_version: Option<TlsVersion>,
    /// Takes every certificate: passwords go to whoever answers.
    insecure_tls: Option<bool>,
    /// Who vouches for the directory, in PEM; empty for the system's.
    certificate: Option<String>,
    /// Certificate of this server, in PEM.
    client_tls_cert: Option<String>,
    /// Its key, in PEM.
    #[param(secret)]
    client_tls_key: Option<Secret>,
    /// Account that searches the directory.
    binddn: Option<String>,
    /// Its password.
    #[param(secret)]
    bindpass: Option<Secret>,
    /// Where people are.
    userdn: Option<String>,
    /// Attribute with the name people log in with.
    userattr: Option<String>,
    /// Searches for people without an account.
    discoverdn: Option<bool>,
    /// Refuses empty passwords; they always are.
    deny_null_bind: Option<bool>,
    /// Logs in as username@upndomain.
    upndomain: Option<String>,
    /// Filter that finds one person; {{.UserAttr}} and {{.Username}} are known.
    userfilter: Option<String>,
    /// Searches for groups without an account.
    anonymous_group_search: Option<bool>,
    /// Filter that finds a person's groups; {{.UserDN}} and {{.Username}} are known.
    groupfilter: Option<String>,
    /// Where groups are.
    groupdn: Option<String>,
    /// Attribute with a group's name.
    groupattr: Option<String>,
    /// Names the identity alias after the login instead of after userattr.
    username_as_alias: Option<bool>,
    /// Follows references: never, finding, searching or always.
    dereference_aliases: Option<Aliases>,
    /// Entries of one page of a search; 0 for no pages.
    max_page_size: Option<i64>,
    /// Reads groups out of Active Directory's tokenGroups, which has nested groups too, instead of searching.
    use_token_groups: Option<bool>,
    /// With upndomain: also finds people by sAMAccountName.
    enable_samaccountname_login: Option<bool>,
    /// Name of the policy by which bind passwords are made; without it they are 64 letters and digits.
    password_policy: Option<String>,
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
    /// Addresses where the bind password is rotated, where they are not those of url.
    rotation_url: Option<String>,
    /// Which attribute holds the bind password: openldap, ad or racf.
    rotation_schema: Option<Schema>,
    /// What RACF takes: password or phrase.
    rotation_credential_type: Option<CredentialType>,
    #[param(flatten)]
    token: TokenParams,
}

pub(crate) const KEY: &str = "config";

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "ldap://127.0.0.1".to_owned(),
            case_sensitive_names: false,
            request_timeout: 90,
            connection_timeout: 30,
            starttls: false,
            tls_min_version: TlsVersion::Tls12,
            tls_max_version: TlsVersion::Tls12,
            insecure_tls: false,
            certificate: String::new(),
            client_tls_cert: String::new(),
            client_tls_key: Secret::default(),
            binddn: String::new(),
            bindpass: Secret::default(),
            userdn: String::new(),
            userattr: "cn".to_owned(),
            discoverdn: false,
            deny_null_bind: true,
            upndomain: String::new(),
            userfilter: USER_FILTER.to_owned(),
            anonymous_group_search: false,
            groupfilter: GROUP_FILTER.to_owned(),
            groupdn: String::new(),
            groupattr: "cn".to_owned(),
            username_as_alias: false,
            dereference_aliases: Aliases::Never,
            max_page_size: 0,
            enable_samaccountname_login: false,
            use_token_groups: false,
            rotation: Rotation::default(),
            token: TokenRole::default(),
        }
    }
}

impl Config {
    /// The configuration.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        let config = cx.view.get(KEY).await?;
        config.ok_or_else(|| Error::invalid("ldap backend not configured"))
    }
    /// What other bind passwords may be right while the present one is refused: one that a rotation is about to set,
    /// and the last one for a while.
    pub(crate) async fn other_passwords(&self, cx: &Context) -> Result<Vec<Secret>> {
        let mut known: Vec<Secret> = crate::rotation::pending(cx).await?.into_iter().collect();
        let rotation = &self.rotation;
        if rotation.last_bind_password_rotation.is_some_and(|last| last + OLD_PASSWORD > cx.now()) {
            known.push(rotation.previous_bindpass.clone());
        }
        known.retain(|password| !password.is_empty());
        Ok(known)
    }
    /// When the bind password is rotated next, by its timing.
    pub(crate) fn next_rotation(&self, now: Timestamp) -> Option<Timestamp> {
        let rotation = &self.rotation;
        let last = rotation.last_bind_password_rotation.unwrap_or(rotation.written);
        (self.has_account() && !rotation.disable_automated_rotation).then(|| rotation.timing.next(last, now)).flatten()
    }
    /// How the directory is reached that gives out bind passwords.
    pub(crate) fn rotation_settings(&self) -> Settings {
        let settings = self.settings();
        match self.rotation.rotation_url.as_str() {
            "" => settings,
            url => Settings { url: url.to_owned(), ..settings },
        }
    }
    /// How a name is looked up and stored.
    pub(crate) fn name(&self, name: &str) -> String {
        if self.case_sensitive_names { name.to_owned() } else { name.to_lowercase() }
    }
    /// Whether people are searched for, by an account or by nobody; else their names are put together.
    pub(crate) fn searches(&self) -> bool {
        self.discoverdn || self.has_account()
    }
    /// Whether there is an account that searches.
    pub(crate) fn has_account(&self) -> bool {
        !self.binddn.is_empty() && !self.bindpass.is_empty()
    }
    /// How the directory is reached.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            url: self.url.clone(),
            connection_timeout: Duration::from_secs(self.connection_timeout.max(1)),
            request_timeout: Duration::from_secs(self.request_timeout.max(1)),
            starttls: self.starttls,
            tls_min_version: self.tls_min_version,
            tls_max_version: self.tls_max_version,
            insecure_tls: self.insecure_tls,
            certificate: self.certificate.clone(),
            client_tls_cert: self.client_tls_cert.clone(),
            client_tls_key: self.client_tls_key.clone(),
            aliases: self.dereference_aliases,
            page: self.max_page_size,
        }
    }
    fn check(&self) -> Result<()> {
        for (name, text) in [("userfilter", &self.userfilter), ("groupfilter", &self.groupfilter)] {
            if !text.is_empty() {
                let wrong = |error| Error::invalid(format!("{name} is no filter template: {error}"));
                Template::parse(text).map_err(wrong)?;
            }
        }
        if self.rotation.rotation_credential_type == CredentialType::Phrase
            && self.rotation.rotation_schema != Schema::Racf
        {
            return Err(Error::invalid("rotation_credential_type phrase is only supported by rotation_schema racf"));
        }
        self.rotation_settings().check()?;
        self.settings().check()
    }
    /// Whether two people may be found by names of one: the alias is read from an attribute that nobody searched.
    fn may_collide(&self) -> bool {
        let filter = &self.userfilter;
        !filter.is_empty() && !filter.contains("{{.UserAttr}}") && !filter.contains(&self.userattr)
    }
    fn warned(&self, reply: Reply) -> Reply {
        if self.may_collide() { reply.warn(COLLISIONS) } else { reply }
    }
}

impl Rotation {
    fn apply(&mut self, sent: &ConfigParams) -> Result<()> {
        let asked = Asked {
            period: sent.rotation_period,
            schedule: sent.rotation_schedule.as_deref(),
            window: sent.rotation_window,
        };
        self.timing.update(&asked, SHORTEST)?;
        replace(&mut self.password_policy, &sent.password_policy);
        replace(&mut self.disable_automated_rotation, &sent.disable_automated_rotation);
        replace(&mut self.rotation_policy, &sent.rotation_policy);
        replace(&mut self.rotation_url, &sent.rotation_url.as_ref().map(|url| url.to_lowercase()));
        replace(&mut self.rotation_schema, &sent.rotation_schema);
        replace(&mut self.rotation_credential_type, &sent.rotation_credential_type);
        Ok(())
    }
}

fn replace<T: Clone>(place: &mut T, sent: &Option<T>) {
    if let Some(sent) = sent {
        place.clone_from(sent);
    }
}

fn changed(old: Option<Config>, sent: &ConfigParams, now: Timestamp) -> Result<Config> {
    let mut config = old.unwrap_or_default();
    replace(&mut config.url, &sent.url.as_ref().map(|url| url.to_lowercase()));
    replace(&mut config.case_sensitive_names, &sent.case_sensitive_names);
    replace(&mut config.request_timeout, &sent.request_timeout.map(|seconds| seconds.0));
    replace(&mut config.connection_timeout, &sent.connection_timeout.map(|seconds| seconds.0));
    replace(&mut config.starttls, &sent.starttls);
    replace(&mut config.tls_min_version, &sent.tls_min_version);
    replace(&mut config.tls_max_version, &sent.tls_max_version);
    // Whoever asks for 1.3 alone need not raise the other bound too.
    if sent.tls_max_version.is_none() {
        config.tls_max_version = config.tls_max_version.max(config.tls_min_version);
    }
    replace(&mut config.insecure_tls, &sent.insecure_tls);
    replace(&mut config.certificate, &sent.certificate);
    replace(&mut config.client_tls_cert, &sent.client_tls_cert);
    replace(&mut config.client_tls_key, &sent.client_tls_key);
    replace(&mut config.binddn, &sent.binddn);
    replace(&mut config.bindpass, &sent.bindpass);
    replace(&mut config.userdn, &sent.userdn);
    replace(&mut config.userattr, &sent.userattr.as_ref().map(|name| name.to_lowercase()));
    replace(&mut config.discoverdn, &sent.discoverdn);
    replace(&mut config.deny_null_bind, &sent.deny_null_bind);
    replace(&mut config.upndomain, &sent.upndomain);
    replace(&mut config.userfilter, &sent.userfilter);
    replace(&mut config.anonymous_group_search, &sent.anonymous_group_search);
    replace(&mut config.groupfilter, &sent.groupfilter);
    replace(&mut config.groupdn, &sent.groupdn);
    replace(&mut config.groupattr, &sent.groupattr);
    replace(&mut config.username_as_alias, &sent.username_as_alias);
    replace(&mut config.dereference_aliases, &sent.dereference_aliases);
    if let Some(size) = sent.max_page_size {
        let wrong = |_| Error::invalid("max_page_size is out of range: use 0 for no pages");
        config.max_page_size = i32::try_from(size).map_err(wrong)?.max(0);
    }
    replace(&mut config.enable_samaccountname_login, &sent.enable_samaccountname_login);
    replace(&mut config.use_token_groups, &sent.use_token_groups);
    config.rotation.apply(sent)?;
    config.rotation.written = now;
    config.token.apply(sent.token.clone(), OldNames::default())?;
    config.check()?;
    Ok(config)
}

pub(crate) async fn write(_: Arc<Ldap>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    loop {
        let (old, version) = cx.view.get_versioned(KEY).await?.map_or((None, None), |(c, v)| (Some(c), Some(v)));
        let config = changed(old, &sent, cx.now())?;
        let changes = Changes::new().put(KEY, &config)?.expect(KEY, version);
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done.map(|()| config.warned(Reply::empty().reschedule(ROOT))),
        }
    }
}

/// Before it is written, a read shows the defaults, as in Vault.
pub(crate) async fn read(_: Arc<Ldap>, cx: Context, (): ()) -> Result<Reply> {
    let config: Config = cx.view.get(KEY).await?.unwrap_or_default();
    let mut shown = config.token.show();
    if let Value::Object(own) = serde_json::to_value(&config)? {
        let hidden =
            ["bindpass", "previous_bindpass", "client_tls_key", "client_tls_cert", "token", "timing", "written"];
        shown.extend(own.into_iter().filter(|(name, _)| !hidden.contains(&name.as_str())));
    }
    let timing = &config.rotation.timing;
    shown.insert("rotation_period".to_owned(), json!(timing.period));
    shown.insert("rotation_schedule".to_owned(), json!(timing.schedule));
    shown.insert("rotation_window".to_owned(), json!(timing.window));
    shown.sort_keys();
    Ok(config.warned(Reply::data(Value::Object(shown))))
}

/// The configuration, and what guards a change of it.
///
/// # Errors
/// When there is none.
pub(crate) async fn load_versioned(cx: &Context) -> Result<(Config, Version)> {
    let config = cx.view.get_versioned(KEY).await?;
    config.ok_or_else(|| Error::invalid("attempted to rotate root on an undefined config"))
}
