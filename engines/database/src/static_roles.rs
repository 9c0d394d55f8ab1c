//! `static-roles/<name>`, `static-creds/<name>`, `rotate-role/<name>`: accounts that exist, with rotated passwords.
use crate::Engine;
use crate::config::Config;
use crate::credential;
use crate::roles::Named;
use lessor_engine::timing::{Asked, Timing};
use lessor_engine::{
    Changes, Context, Error, KeyValues, Params, Reply, Result, Seconds, Secret, StringList, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

const SHORTEST: u64 = 5;

/// What is kept of a static role.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StaticRole {
    pub(crate) username: String,
    pub(crate) db_name: String,
    pub(crate) timing: Timing,
    pub(crate) rotation_statements: Vec<String>,
    pub(crate) credential_type: String,
    pub(crate) credential_config: credential::Options,
    pub(crate) skip_import_rotation: bool,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) password: Secret,
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

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// The account.
    username: Option<String>,
    /// The database.
    db_name: Option<String>,
    /// Time between rotations.
    rotation_period: Option<Seconds>,
    /// Cron schedule of rotations.
    rotation_schedule: Option<String>,
    /// How long after a slot it may be caught up.
    rotation_window: Option<Seconds>,
    /// Statements that give it a new password; none for the plugin's own.
    rotation_statements: Option<StringList>,
    /// `password`.
    credential_type: Option<String>,
    /// `password_policy`.
    credential_config: Option<KeyValues>,
    /// Its present password.
    #[param(secret)]
    password: Option<Secret>,
    /// Older name of `password`.
    #[param(secret)]
    self_managed_password: Option<Secret>,
    /// Keeps the password it has until the first rotation is due.
    skip_import_rotation: Option<bool>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.get::<StaticRole>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("static-role/").await?))
}

/// Names of the static roles that stand on a database.
pub(crate) async fn of_database(cx: &Context, database: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in cx.view.list("static-role/").await? {
        let role: Option<StaticRole> = cx.view.get(&key(&name)).await?;
        if role.is_some_and(|role| role.db_name == database) {
            found.push(name);
        }
    }
    Ok(found)
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.commit(Changes::new().delete(&key(&at.name)).delete(&draft_key(&at.name))).await?;
    Ok(Reply::empty().reschedule(format!("static/{}", at.name)))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<StaticRole>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut data = json!({
        "db_name": role.db_name,
        "username": role.username,
        "credential_type": role.credential_type,
        "rotation_statements": role.rotation_statements,
        "skip_import_rotation": role.skip_import_rotation,
    });
    if !role.credential_config.is_empty() {
        data["credential_config"] = credential::shown(&role.credential_config);
    }
    if role.rotated {
        data["last_vault_rotation"] = json!(role.last_rotation);
    }
    if let Value::Object(map) = &mut data {
        role.timing.show(map);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn creds(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let role: Option<StaticRole> = cx.view.get(&key(&at.name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("unknown role: {}", at.name)))?;
    Config::load(&cx, &role.db_name).await?.0.check_allowed(&at.name)?;
    let next = role.timing.next(role.last_rotation, cx.now());
    let ttl = next.map_or(0, |next| next.duration_since(cx.now()).as_secs().max(0));
    let mut data = json!({
        "username": role.username,
        "password": role.password.expose(),
        "last_vault_rotation": role.last_rotation,
        "ttl": ttl,
    });
    if let Value::Object(map) = &mut data {
        role.timing.show(map);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn rotate(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    if cx.view.get::<StaticRole>(&key(&at.name)).await?.is_none() {
        return Err(Error::invalid("no static role found for role name"));
    }
    Ok(Reply::rotate(format!("static/{}", at.name)))
}

fn merge(role: &mut StaticRole, write: Write, fresh: bool) -> Result<()> {
    if let Some(username) = write.username {
        if !fresh && username != role.username {
            return Err(Error::invalid("cannot update static account username"));
        }
        role.username = username;
    }
    if let Some(name) = write.db_name {
        role.db_name = name;
    }
    if role.db_name.is_empty() {
        return Err(Error::invalid("database name is a required field"));
    }
    if role.username.is_empty() {
        return Err(Error::invalid("username is a required field to create a static account"));
    }
    let asked = Asked {
        period: write.rotation_period,
        schedule: write.rotation_schedule.as_deref(),
        window: write.rotation_window,
    };
    role.timing.update(&asked, SHORTEST)?;
    if !role.timing.is_set() {
        return Err(Error::invalid(
            "one of rotation_schedule or rotation_period must be provided to create a static account",
        ));
    }
    if let Some(statements) = write.rotation_statements {
        role.rotation_statements = statements.0;
    }
    if let Some(kind) = write.credential_type {
        role.credential_type = kind;
    }
    if !matches!(role.credential_type.as_str(), "password" | "rsa_private_key") {
        return Err(Error::invalid(format!("invalid credential_type {:?}", role.credential_type)));
    }
    let asked = write.credential_config.map(|config| config.0);
    role.credential_config = credential::merged(&role.credential_type, &role.credential_config, asked)?;
    if let Some(skip) = write.skip_import_rotation {
        role.skip_import_rotation = skip;
    }
    if let Some(password) = write.password.or(write.self_managed_password) {
        if role.rotated {
            return Err(Error::invalid("password: the account was rotated already; its password is known"));
        }
        role.password = password;
    }
    Ok(())
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let name = write.name.clone();
    let stored: Option<StaticRole> = cx.view.get(&key(&name)).await?;
    let fresh = stored.is_none();
    if fresh && cx.view.get::<Value>(&crate::roles::key(&name)).await?.is_some() {
        return Err(Error::invalid("Role and Static Role names must be unique"));
    }
    let mut role = stored.unwrap_or_else(|| StaticRole {
        username: String::new(),
        db_name: String::new(),
        timing: Timing::default(),
        rotation_statements: Vec::new(),
        credential_type: "password".to_owned(),
        credential_config: credential::Options::new(),
        skip_import_rotation: false,
        password: Secret::default(),
        last_rotation: cx.now(),
        rotated: false,
    });
    let asked_to_skip = write.skip_import_rotation;
    merge(&mut role, write, fresh)?;
    let (config, _) = Config::load(&cx, &role.db_name).await?;
    config.check_allowed(&name)?;
    if !engine.plugin(&config.plugin_name)?.credential_types().contains(&role.credential_type.as_str()) {
        return Err(Error::invalid(format!("unsupported credential_type: {:?}", role.credential_type)));
    }
    if config.text("username") == role.username {
        return Err(Error::invalid(
            "the root account of the database cannot be a static role: its rotation would lock the database out",
        ));
    }
    if fresh && asked_to_skip.is_none() {
        role.skip_import_rotation = config.skip_static_role_import_rotation;
    }
    if fresh && !role.skip_import_rotation {
        cx.view.put(&draft_key(&name), &role).await?;
        return Ok(Reply::rotate(format!("static/{name}")));
    }
    cx.view.put(&key(&name), &role).await?;
    Ok(Reply::empty().reschedule(format!("static/{name}")))
}
