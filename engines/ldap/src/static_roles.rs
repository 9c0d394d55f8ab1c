//! `static-role/<name>`, `static-cred/<name>`, `rotate-role/<name>`: accounts that exist, with rotated passwords.
use crate::config::Config;
use crate::managed::{self, Managed};
use crate::names::{Named, checked};
use crate::schema::Schema;
use crate::{Engine, passwords};
use lessor_engine::timing::{Asked, Timing};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, Secret, Timestamp, secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

const SHORTEST: u64 = 5;

/// What is kept of a role; the old engine's roles are the same with a `ttl` instead of a timing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StaticRole {
    pub(crate) username: String,
    pub(crate) dn: String,
    pub(crate) timing: Timing,
    pub(crate) disable_automated_rotation: bool,
    pub(crate) rotation_policy: String,
    pub(crate) password_policy: String,
    pub(crate) rotate_on_read: Option<bool>,
    pub(crate) rotate_on_read_cooldown: Option<u64>,
    pub(crate) auto_unlock: Option<bool>,
    pub(crate) ttl: u64,
    #[serde(with = "secret::at_rest")]
    pub(crate) password: Secret,
    #[serde(with = "secret::at_rest")]
    pub(crate) last_password: Secret,
    /// When it was rotated, or made without.
    pub(crate) last_rotation: Timestamp,
    /// Whether it was ever rotated here.
    pub(crate) rotated: bool,
}

pub(crate) fn key(name: &str) -> String {
    format!("static-role/{name}")
}

/// A role that is being made: it becomes one when its first rotation has succeeded.
pub(crate) fn draft_key(name: &str) -> String {
    format!("static-draft/{name}")
}

/// What core calls its rotation.
pub(crate) fn subject(name: &str) -> String {
    format!("static/{name}")
}

impl StaticRole {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            username: String::new(),
            dn: String::new(),
            timing: Timing::default(),
            disable_automated_rotation: false,
            rotation_policy: String::new(),
            password_policy: String::new(),
            rotate_on_read: None,
            rotate_on_read_cooldown: None,
            auto_unlock: None,
            ttl: 0,
            password: Secret::default(),
            last_password: Secret::default(),
            last_rotation: now,
            rotated: false,
        }
    }
    /// When it is rotated next.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.disable_automated_rotation).then(|| self.timing.next(self.last_rotation, now)).flatten()
    }
    /// Whether whoever reads it gets a new password.
    pub(crate) fn is_due_at_read(&self, config: &Config, now: Timestamp) -> bool {
        let cooldown = Duration::from_secs(self.rotate_on_read_cooldown.unwrap_or(config.rotate_on_read_cooldown));
        let last = self.last_rotation.checked_add(cooldown).unwrap_or(Timestamp::MAX);
        self.rotate_on_read.unwrap_or(config.rotate_on_read) && (!self.rotated || last <= now)
    }
    fn show_schedule(&self, into: &mut Map<String, Value>, now: Timestamp) {
        self.timing.show(into);
        if let Some(next) = self.next(now) {
            into.insert("next_vault_rotation".to_owned(), json!(next));
        }
        if self.rotated {
            into.insert("last_vault_rotation".to_owned(), json!(self.last_rotation));
        }
    }
    /// The answer to a read of the password.
    pub(crate) fn credential(&self, now: Timestamp) -> Map<String, Value> {
        let ttl = self.next(now).map_or(0, |next| next.duration_since(now).as_secs().max(0));
        let mut data = Map::from_iter([
            ("dn".to_owned(), json!(self.dn)),
            ("username".to_owned(), json!(self.username)),
            ("password".to_owned(), json!(self.password.expose())),
            ("last_password".to_owned(), json!(self.last_password.expose())),
            ("ttl".to_owned(), json!(ttl)),
        ]);
        self.show_schedule(&mut data, now);
        data
    }
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role; it may be a path of names.
    name: String,
    /// The account, as its userattr names it.
    username: Option<String>,
    /// Its distinguished name, used instead of a search.
    dn: Option<String>,
    /// Time between rotations.
    rotation_period: Option<Seconds>,
    /// Cron schedule of rotations.
    rotation_schedule: Option<String>,
    /// How long after a slot it may be caught up.
    rotation_window: Option<Seconds>,
    /// Stops scheduled rotations.
    disable_automated_rotation: Option<bool>,
    /// Name of a rotation policy: how often a failed rotation is tried again. Without one it is tried for ever.
    rotation_policy: Option<String>,
    /// Keeps the password it has until the first rotation is due.
    skip_import_rotation: Option<bool>,
    /// Its present password.
    #[param(secret)]
    password: Option<Secret>,
    /// Policy of its passwords; the configuration's where it is empty.
    password_policy: Option<String>,
    /// Whether reading it rotates it; the configuration's where it is left out.
    rotate_on_read: Option<bool>,
    /// How long after a rotation reading does not rotate.
    rotate_on_read_cooldown: Option<Seconds>,
    /// Whether a rotation ends a lock of the account (schema ad).
    auto_unlock: Option<bool>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.version(&key(&at.name.to_lowercase())).await?.is_some())
}

/// The writes that forget a role.
pub(crate) async fn forget(cx: &Context, name: &str) -> Result<()> {
    let mut changes = Changes::new().delete(&key(name)).delete(&draft_key(name));
    for stored in [key(name), draft_key(name)] {
        let Some(role) = cx.view.get::<StaticRole>(&stored).await? else { continue };
        if let (Some(Managed::Static { role: owner }), version) = managed::load(cx, &role.username).await?
            && owner == name
        {
            changes = changes.expect(&managed::key(&role.username), version).delete(&managed::key(&role.username));
            break;
        }
    }
    cx.view.commit(changes).await
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    forget(&cx, &name).await?;
    Ok(Reply::empty().reschedule(subject(&name)))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<StaticRole>(&key(&at.name.to_lowercase())).await? else {
        return Ok(Reply::missing());
    };
    let mut data = Map::from_iter([
        ("dn".to_owned(), json!(role.dn)),
        ("username".to_owned(), json!(role.username)),
        ("disable_automated_rotation".to_owned(), json!(role.disable_automated_rotation)),
        ("rotation_policy".to_owned(), json!(role.rotation_policy)),
        ("password_policy".to_owned(), json!(role.password_policy)),
    ]);
    role.show_schedule(&mut data, cx.now());
    for (name, value) in [
        ("rotate_on_read", role.rotate_on_read.map(|flag| json!(flag))),
        ("rotate_on_read_cooldown", role.rotate_on_read_cooldown.map(|seconds| json!(seconds))),
        ("auto_unlock", role.auto_unlock.map(|flag| json!(flag))),
    ] {
        if let Some(value) = value {
            data.insert(name.to_owned(), value);
        }
    }
    Ok(Reply::data(Value::Object(data)))
}

pub(crate) async fn creds(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    let role: Option<StaticRole> = cx.view.get(&key(&name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("unknown role: {name}")))?;
    // Reading works without a configuration.
    let config: Option<Config> = cx.view.get(crate::config::KEY).await?;
    if config.is_some_and(|config| role.is_due_at_read(&config, cx.now())) {
        return Ok(Reply::refresh(subject(&name)));
    }
    Ok(Reply::data(Value::Object(role.credential(cx.now()))))
}

pub(crate) async fn rotate(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    if cx.view.version(&key(&name)).await?.is_none() {
        return Err(Error::invalid(format!("role {name:?} doesn't exist")));
    }
    Config::load(&cx).await?;
    Ok(Reply::rotate(subject(&name)))
}

fn merge(role: &mut StaticRole, sent: Write, fresh: bool) -> Result<()> {
    if let Some(username) = sent.username {
        if !fresh && username != role.username {
            return Err(Error::invalid("cannot update static account username"));
        }
        role.username = username;
    }
    if role.username.is_empty() {
        return Err(Error::invalid("username is a required field to manage a static account"));
    }
    if let Some(dn) = sent.dn {
        if !fresh && !dn.is_empty() && dn != role.dn {
            return Err(Error::invalid("cannot update static account distinguished name (dn)"));
        }
        role.dn = dn;
    }
    let asked = Asked {
        period: sent.rotation_period,
        schedule: sent.rotation_schedule.as_deref(),
        window: sent.rotation_window,
    };
    role.timing.update(&asked, SHORTEST)?;
    role.disable_automated_rotation = sent.disable_automated_rotation.unwrap_or(role.disable_automated_rotation);
    if !role.timing.is_set() && !role.disable_automated_rotation {
        return Err(Error::invalid("rotation_period or rotation_schedule is required to create a static account"));
    }
    for (new, place) in
        [(sent.rotation_policy, &mut role.rotation_policy), (sent.password_policy, &mut role.password_policy)]
    {
        if let Some(text) = new {
            *place = text;
        }
    }
    role.rotate_on_read = sent.rotate_on_read.or(role.rotate_on_read);
    role.rotate_on_read_cooldown = sent.rotate_on_read_cooldown.map(|s| s.0).or(role.rotate_on_read_cooldown);
    role.auto_unlock = sent.auto_unlock.or(role.auto_unlock);
    if let Some(password) = sent.password {
        if role.rotated {
            return Err(Error::invalid("password: the account was rotated already; its password is known"));
        }
        role.password = password;
    }
    Ok(())
}

fn check(role: &StaticRole, config: &Config) -> Result<()> {
    if role.auto_unlock == Some(true) && config.schema != Schema::Ad {
        return Err(Error::invalid("auto_unlock is only supported by schema ad"));
    }
    if config.self_managed && (role.dn.is_empty() || role.password.is_empty()) {
        return Err(Error::invalid("a self-managed account needs dn and password"));
    }
    let own = |name: &str| !name.is_empty() && (same(name, &config.binddn) || same(name, &config.bind_name()));
    if !config.self_managed && (own(&role.dn) || own(&role.username)) {
        return Err(Error::invalid(
            "the account that Lessor binds with cannot be a static role: its rotation would lock the engine out",
        ));
    }
    Ok(())
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    let name = checked(&sent.name)?;
    let stored = cx.view.get_versioned::<StaticRole>(&key(&name)).await?;
    let version = stored.as_ref().map(|(_, version)| *version);
    let fresh = stored.is_none();
    let mut role = stored.map_or_else(|| StaticRole::new(cx.now()), |(role, _)| role);
    let skip = sent.skip_import_rotation;
    if !fresh && skip.is_some() {
        return Err(Error::invalid("skip_import_rotation has no effect on updates"));
    }
    merge(&mut role, sent, fresh)?;
    let (config, _) = Config::load(&cx).await?;
    check(&role, &config)?;
    passwords::check_policy(&cx, &role.password_policy).await?;
    if !fresh {
        cx.view.commit(Changes::new().expect(&key(&name), version).put(&key(&name), &role)?).await?;
        return Ok(Reply::empty().reschedule(subject(&name)));
    }
    let skip = skip.unwrap_or(config.skip_static_role_import_rotation);
    let place = if skip { key(&name) } else { draft_key(&name) };
    claim(&cx, &name, &role.username, Changes::new().expect(&key(&name), None).put(&place, &role)?).await?;
    Ok(if skip { Reply::empty().reschedule(subject(&name)) } else { Reply::rotate(subject(&name)) })
}

/// Makes an account this role's, with `changes`.
pub(crate) async fn claim(cx: &Context, name: &str, username: &str, changes: Changes) -> Result<()> {
    let mine = |managed: &Managed| matches!(managed, Managed::Static { role } if role == name);
    let claimed = managed::claimable(cx, username, mine).await?;
    let account = managed::key(username);
    let owner = Managed::Static { role: name.to_owned() };
    cx.view.commit(changes.expect(&account, claimed).put(&account, &owner)?).await
}
