//! `config/<name>`: a database, how it is reached, and who may use it.
use crate::Engine;
use crate::connections::opening;
use crate::naming;
use lessor_engine::timing::{Asked, Timing};
use lessor_engine::{CommaList, Context, Error, Fields, Params, Reply, Result, Seconds, StringList, Timestamp};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Shortest time between two rotations of a root account.
const SHORTEST: u64 = 10;
/// What every plugin of this build calls its version.
const BUILTIN: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+builtin");

/// What is kept of a database.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) plugin_name: String,
    pub(crate) plugin_version: String,
    pub(crate) verify_connection: bool,
    pub(crate) allowed_roles: Vec<String>,
    pub(crate) root_rotation_statements: Vec<String>,
    pub(crate) password_policy: String,
    pub(crate) skip_static_role_import_rotation: bool,
    pub(crate) timing: Timing,
    pub(crate) disable_automated_rotation: bool,
    /// How often a failed rotation of the root account is tried again; empty is without end.
    #[serde(default)]
    pub(crate) rotation_policy: String,
    /// Secrets are among them: stored through the barrier, shown without.
    pub(crate) details: Map<String, Value>,
    pub(crate) last_rotation: Option<Timestamp>,
    pub(crate) written: Timestamp,
}

pub(crate) fn key(name: &str) -> String {
    format!("config/{name}")
}

impl Config {
    fn new(now: Timestamp) -> Self {
        Self {
            plugin_name: String::new(),
            plugin_version: String::new(),
            verify_connection: true,
            allowed_roles: Vec::new(),
            root_rotation_statements: Vec::new(),
            password_policy: String::new(),
            skip_static_role_import_rotation: false,
            timing: Timing::default(),
            disable_automated_rotation: false,
            rotation_policy: String::new(),
            details: Map::new(),
            last_rotation: None,
            written: now,
        }
    }
    /// The stored configuration.
    pub(crate) async fn load(cx: &Context, name: &str) -> Result<(Self, Version)> {
        cx.view.get_versioned(&key(name)).await?.ok_or_else(|| Error::Refused {
            status: 500,
            message: format!("failed to find entry for connection with name: {name:?}"),
        })
    }
    /// Refuses roles that may not use it: globs may begin or end in `*`.
    pub(crate) fn check_allowed(&self, role: &str) -> Result<()> {
        let fits = |glob: &String| match (glob.strip_prefix('*'), glob.strip_suffix('*')) {
            _ if glob == "*" => true,
            (Some(_), Some(_)) => role.contains(glob.trim_matches('*')),
            (Some(end), None) => role.ends_with(end),
            (None, Some(start)) => role.starts_with(start),
            (None, None) => role == glob,
        };
        if self.allowed_roles.iter().any(fits) {
            return Ok(());
        }
        Err(Error::Refused { status: 500, message: format!("\"{role}\" is not an allowed role") })
    }
    /// Whether it has no root account: every static role changes its own password.
    pub(crate) fn is_self_managed(&self) -> bool {
        self.details.get("self_managed").is_some_and(|flag| flag == &json!(true) || flag == "true")
    }
    /// When its root account is rotated next, by its timing.
    pub(crate) fn next_rotation(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_rotation.unwrap_or(self.written);
        (!self.disable_automated_rotation).then(|| self.timing.next(last, now)).flatten()
    }
    pub(crate) fn text(&self, field: &str) -> &str {
        self.details.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the database.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the database.
    name: String,
    /// Driver, such as `postgresql-database-plugin`.
    plugin_name: Option<String>,
    /// Accepted; plugins are built in.
    plugin_version: Option<String>,
    /// Whether the server is reached before anything is stored.
    verify_connection: Option<bool>,
    /// Roles that may use it; `*` at the start or end stands for anything.
    allowed_roles: Option<CommaList>,
    /// Statements that give the root account a new password.
    root_rotation_statements: Option<StringList>,
    /// The same, as it is read back.
    root_credentials_rotate_statements: Option<StringList>,
    /// Policy of generated passwords.
    password_policy: Option<String>,
    /// Whether static roles keep their password when they are made.
    skip_static_role_import_rotation: Option<bool>,
    /// Time between rotations of the root account.
    rotation_period: Option<Seconds>,
    /// Cron schedule of rotations of the root account.
    rotation_schedule: Option<String>,
    /// How long after a slot it may be caught up.
    rotation_window: Option<Seconds>,
    /// Stops scheduled rotations of the root account.
    disable_automated_rotation: Option<bool>,
    /// Name of a rotation policy: how often a failed rotation is tried again. Without one it is tried for ever.
    rotation_policy: Option<String>,
    /// Everything the plugin wants to know.
    #[param(rest)]
    details: Fields,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.get::<Config>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("config/").await?))
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let hidden = engine.plugin(&config.plugin_name).map(|plugin| plugin.secret_fields()).unwrap_or_default();
    let details: Map<String, Value> = config
        .details
        .iter()
        .filter(|(name, _)| !hidden.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), masked(value)))
        .collect();
    let mut data = json!({
        "allowed_roles": config.allowed_roles,
        "connection_details": details,
        "password_policy": config.password_policy,
        "plugin_name": config.plugin_name,
        "plugin_version": config.plugin_version,
        "root_credentials_rotate_statements": config.root_rotation_statements,
        "root_rotation_statements": config.root_rotation_statements,
        "verify_connection": config.verify_connection,
        "skip_static_role_import_rotation": config.skip_static_role_import_rotation,
        "disable_automated_rotation": config.disable_automated_rotation,
        "rotation_period": config.timing.period,
        "rotation_schedule": config.timing.schedule,
        "rotation_window": config.timing.window,
    });
    data["running_plugin_version"] = json!(BUILTIN);
    if let Some(last) = config.last_rotation {
        data["last_vault_rotation"] = json!(last);
    }
    if let Some(next) = config.next_rotation(cx.now()) {
        data["next_vault_rotation"] = json!(next);
        data["ttl"] = json!(next.duration_since(cx.now()).as_secs().max(0));
    }
    if !config.rotation_policy.is_empty() {
        data["rotation_policy"] = json!(config.rotation_policy);
    }
    Ok(Reply::data(data))
}

/// A password inside a URL, or among `key=value` pairs, is not shown.
fn masked(value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    Value::String(masked_pair(&masked_url(text)))
}

fn masked_url(text: &str) -> String {
    let shown = text.find("://").and_then(|scheme| {
        let rest = &text[scheme + 3..];
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (user, _) = rest[..end].rsplit_once('@')?;
        let (name, password) = user.split_once(':')?;
        let from = scheme + 3 + name.len() + 1;
        (password != "{{password}}").then(|| format!("{}xxxxx{}", &text[..from], &text[from + password.len()..]))
    });
    shown.unwrap_or_else(|| text.to_owned())
}

/// `password=...`: a word of its own in pairs, or a parameter of a URL.
fn masked_pair(text: &str) -> String {
    const NAME: &str = "password=";
    let starts = |at: &usize| *at == 0 || text[..*at].ends_with([' ', '?', '&', ';']);
    let Some(at) = text.match_indices(NAME).map(|(at, _)| at).find(starts) else { return text.to_owned() };
    let (head, tail) = text.split_at(at + NAME.len());
    if tail.starts_with("{{password}}") {
        return text.to_owned();
    }
    let end = match tail.strip_prefix('\'') {
        Some(quoted) => quoted.find('\'').map_or(tail.len(), |end| end + 2),
        None => tail.find([' ', '&', ';']).unwrap_or(tail.len()),
    };
    format!("{head}xxxxx{}", &tail[end..])
}

/// A plugin's version as it is stored: plugins are built in, so the only one there is stands for none.
fn version(text: &str, plugin: &str) -> Result<String> {
    let bare = text.strip_prefix('v').unwrap_or(text);
    let numbers: Vec<&str> = bare.split(['-', '+']).next().unwrap_or_default().split('.').collect();
    let is_semantic = numbers.len() <= 3 && numbers.iter().all(|n| n.parse::<u32>().is_ok());
    if text.is_empty() || format!("v{bare}") == BUILTIN {
        return Ok(String::new());
    }
    if !is_semantic {
        return Err(Error::invalid(format!(
            "version {text:?} is not a valid semantic version: malformed version: {text}"
        )));
    }
    Err(Error::invalid(format!("plugin not found in the catalog: {plugin}, version=v{bare}: leave plugin_version out")))
}

fn merge(config: &mut Config, write: Write) -> Result<()> {
    let asked = Asked {
        period: write.rotation_period,
        schedule: write.rotation_schedule.as_deref(),
        window: write.rotation_window,
    };
    config.timing.update(&asked, SHORTEST)?;
    let plugin = write.plugin_name.clone().unwrap_or_else(|| config.plugin_name.clone());
    let statements = write.root_rotation_statements.or(write.root_credentials_rotate_statements);
    for (new, place) in [
        (write.plugin_name, &mut config.plugin_name),
        (write.plugin_version.map(|text| version(&text, &plugin)).transpose()?, &mut config.plugin_version),
        (write.rotation_policy, &mut config.rotation_policy),
        (write.password_policy, &mut config.password_policy),
    ] {
        if let Some(text) = new {
            *place = text;
        }
    }
    for (new, place) in [
        (write.verify_connection, &mut config.verify_connection),
        (write.skip_static_role_import_rotation, &mut config.skip_static_role_import_rotation),
        (write.disable_automated_rotation, &mut config.disable_automated_rotation),
    ] {
        if let Some(flag) = new {
            *place = flag;
        }
    }
    if let Some(roles) = write.allowed_roles {
        config.allowed_roles = roles.0;
    }
    if let Some(statements) = statements {
        config.root_rotation_statements = statements.0;
    }
    config.details.extend(write.details);
    for field in ["username", "password"] {
        if ["{{username}}", "{{name}}", "{{password}}"].iter().any(|mark| config.text(field).contains(mark)) {
            return Err(Error::invalid(format!("{field} must not contain a template such as {{{{username}}}}")));
        }
    }
    Ok(())
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let name = write.name.clone();
    let stored: Option<(Config, Version)> = cx.view.get_versioned(&key(&name)).await?;
    let (mut config, version) = match stored {
        Some((config, version)) => (config, Some(version)),
        None => (Config::new(cx.now()), None),
    };
    merge(&mut config, write)?;
    let plugin = engine.plugin(&config.plugin_name)?;
    let template = config.text("username_template");
    let draws =
        template.is_empty() || naming::parse(template).map_err(opening)?.draws_random() || template.contains(".Random");
    let connection = plugin.open(&config.details).map_err(opening)?;
    if config.verify_connection && !config.is_self_managed() {
        connection.probe().await.map_err(|error| match opening(error) {
            // The server being away is what the caller asked to hear about.
            Error::Unavailable(text) => Error::invalid(text),
            other => other,
        })?;
    }
    config.written = cx.now();
    let changes = lessor_engine::Changes::new().expect(&key(&name), version).put(&key(&name), &config)?;
    cx.view.commit(changes).await?;
    engine.connections.close(&name);
    let mut reply = Reply::empty().reschedule(format!("root/{name}"));
    if !draws {
        reply = reply.warn("username_template draws nothing by chance: accounts of two leases may get the same name");
    }
    let url = config.text("connection_url");
    if masked(&Value::String(url.to_owned())) != url {
        reply = reply.warn("Password found in connection_url, use a templated url to enable root rotation and prevent read access to password information.");
    }
    Ok(reply)
}

pub(crate) async fn delete(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let left = crate::static_roles::of_database(&cx, &at.name).await?;
    cx.view.delete(&key(&at.name)).await?;
    engine.connections.close(&at.name);
    let reply = Reply::empty().reschedule(format!("root/{}", at.name));
    if left.is_empty() {
        return Ok(reply);
    }
    Ok(reply.warn(format!(
        "static roles still stand on this database and are not rotated until it is written again: {}",
        left.join(", ")
    )))
}

pub(crate) async fn reset(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    Config::load(&cx, &at.name).await?;
    engine.connections.close(&at.name);
    let (_, connection) = engine.connection(&cx, &at.name).await?;
    connection.probe().await?;
    Ok(Reply::empty())
}

#[derive(Params)]
pub(crate) struct Reload {
    /// The plugin.
    plugin_name: String,
}

pub(crate) async fn reload(engine: Arc<Engine>, cx: Context, at: Reload) -> Result<Reply> {
    let mut reset: Vec<String> = Vec::new();
    for name in cx.view.list("config/").await? {
        let config: Option<Config> = cx.view.get(&key(&name)).await?;
        if config.is_some_and(|config| config.plugin_name == at.plugin_name) {
            engine.connections.close(&name);
            reset.push(name);
        }
    }
    Ok(Reply::data(json!({ "count": reset.len(), "connections": reset })))
}

pub(crate) async fn rotate_root(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let (config, _) = Config::load(&cx, &at.name).await?;
    let refuse = |message: &str| Err(Error::Refused { status: 500, message: message.to_owned() });
    if config.text("username").is_empty() {
        return refuse("unable to rotate root credentials: no username in configuration");
    }
    if config.text("password").is_empty() {
        return refuse("unable to rotate root credentials: no password in configuration");
    }
    if !config.text("connection_url").contains("{{password}}") {
        return Err(Error::invalid(
            "unable to rotate root credentials: connection_url has no {{password}}, so the new password would never be used",
        ));
    }
    Ok(Reply::rotate(format!("root/{}", at.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_allowed_by_name_and_by_stars_at_the_ends() {
        let mut config = Config::new(Timestamp::UNIX_EPOCH);
        assert!(config.check_allowed("app").is_err());
        for (glob, yes, no) in
            [("app", "app", "app2"), ("app-*", "app-x", "xapp-"), ("*-ro", "x-ro", "x-rw"), ("*mid*", "a-mid-b", "a")]
        {
            config.allowed_roles = vec![glob.to_owned()];
            assert!(config.check_allowed(yes).is_ok(), "{glob}");
            assert!(config.check_allowed(no).is_err(), "{glob}");
        }
        config.allowed_roles = vec!["*".to_owned()];
        assert!(config.check_allowed("anything").is_ok());
    }

    #[test]
    fn passwords_in_urls_are_masked_and_templates_are_not() {
        let mask = |url: &str| masked(&json!(url));
        assert_eq!(mask("postgresql://u:p@ss@h:5432/db"), "postgresql://u:xxxxx@h:5432/db");
        assert_eq!(mask("postgresql://{{username}}:{{password}}@h/db"), "postgresql://{{username}}:{{password}}@h/db");
        assert_eq!(mask("plain"), "plain");
        assert_eq!(mask("host=h password=p@ss user=u"), "host=h password=xxxxx user=u");
        assert_eq!(mask("host=h password='a b'"), "host=h password=xxxxx");
        assert_eq!(mask("host=h password={{password}}"), "host=h password={{password}}");
        assert_eq!(mask("postgresql://h/db?password=p&x=1"), "postgresql://h/db?password=xxxxx&x=1");
    }
}
