//! The old Active Directory engine: passwords are replaced when somebody reads them and they are too old.
use crate::Engine;
use crate::account::{self, Whom};
use crate::config::Config;
use crate::static_roles::{self, StaticRole, draft_key, key, subject};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Active Directory counts ticks of 100 ns since 1601 (MS-ADTS 2.2.2.2, `FILETIME`); this many seconds lie before 1970.
const BEFORE_1970: i64 = 11_644_473_600;
const TICKS: i64 = 10_000_000;

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// The account, by its user principal name.
    service_account_name: Option<String>,
    /// Age at which its password is replaced when it is read.
    ttl: Option<Seconds>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.version(&key(&at.name.to_lowercase())).await?.is_some())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("static-role/").await?))
}

/// When the directory says the password was changed last.
fn changed_at(attribute: Option<&Vec<String>>) -> Option<Timestamp> {
    let ticks: i64 = attribute?.first()?.parse().ok()?;
    (ticks > 0).then(|| Timestamp::from_second(ticks / TICKS - BEFORE_1970).ok()).flatten()
}

async fn last_set(engine: &Engine, cx: &Context, username: &str) -> Result<Option<Timestamp>> {
    let (config, directory) = engine.directory(cx).await?;
    let whom = Whom { username, dn: "" };
    let entry = account::find(directory.as_ref(), &config, &whom, &["pwdLastSet"]).await?;
    Ok(changed_at(entry.attributes.get("pwdlastset")))
}

/// Whether whoever reads the password gets a new one.
pub(crate) async fn is_due(engine: &Engine, cx: &Context, role: &StaticRole) -> Result<bool> {
    if !role.rotated {
        return Ok(true);
    }
    let (config, _) = Config::load(cx).await?;
    let tolerated = role.last_rotation + Duration::from_secs(config.last_rotation_tolerance);
    let ttl = Duration::from_secs(if role.ttl == 0 { config.ttl } else { role.ttl });
    let old = role.last_rotation.checked_add(ttl).unwrap_or(Timestamp::MAX) <= cx.now();
    Ok(old || last_set(engine, cx, &role.username).await?.is_some_and(|set| set > tolerated))
}

/// The answer to a read of the password.
pub(crate) fn credential(role: &StaticRole) -> Map<String, Value> {
    let name = role.username.split('@').next().unwrap_or_default();
    let mut data = Map::from_iter([
        ("username".to_owned(), json!(name)),
        ("current_password".to_owned(), json!(role.password.expose())),
    ]);
    if !role.last_password.is_empty() {
        data.insert("last_password".to_owned(), json!(role.last_password.expose()));
    }
    data
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    let name = sent.name.to_lowercase();
    let (config, directory) = engine.directory(&cx).await?;
    let stored = cx.view.get_versioned::<StaticRole>(&key(&name)).await?;
    let version = stored.as_ref().map(|(_, version)| *version);
    let old = stored.map(|(role, _)| role);
    let mut role = old.clone().unwrap_or_else(|| StaticRole::new(cx.now()));
    if let Some(account) = sent.service_account_name {
        role.username = account;
    }
    if role.username.is_empty() {
        return Err(Error::invalid("\"service_account_name\" is required"));
    }
    role.ttl = sent.ttl.map_or(role.ttl, |ttl| ttl.0);
    if role.ttl == 0 {
        role.ttl = config.ttl;
    }
    if role.ttl > config.max_ttl {
        let message =
            format!("requested ttl of {} seconds is over the max ttl of {} seconds", role.ttl, config.max_ttl);
        return Err(Error::invalid(message));
    }
    if role.username.eq_ignore_ascii_case(&config.bind_name()) {
        return Err(Error::invalid("the account that Lessor binds with cannot be a role"));
    }
    account::find(directory.as_ref(), &config, &Whom { username: &role.username, dn: "" }, &["1.1"]).await?;
    let moved = old.as_ref().is_some_and(|old| !old.username.eq_ignore_ascii_case(&role.username));
    if moved {
        // Another account: what is known of the old one's password says nothing of it.
        let ttl = role.ttl;
        role = StaticRole { username: role.username, ttl, ..StaticRole::new(cx.now()) };
        static_roles::forget(&cx, &name).await?;
    }
    let version = if moved { None } else { version };
    let changes = Changes::new().expect(&key(&name), version).put(&key(&name), &role)?;
    static_roles::claim(&cx, &name, &role.username, changes).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<StaticRole>(&key(&at.name.to_lowercase())).await? else {
        return Ok(Reply::missing());
    };
    let mut data = json!({ "service_account_name": role.username, "ttl": role.ttl });
    if role.rotated {
        data["last_vault_rotation"] = json!(role.last_rotation);
    }
    // What is stored can be read while the directory is away.
    match last_set(&engine, &cx, &role.username).await {
        Ok(Some(set)) => data["password_last_set"] = json!(set),
        Ok(None) => {}
        Err(error) => return Ok(Reply::data(data).warn(format!("password_last_set is not known: {error}"))),
    }
    Ok(Reply::data(data))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    static_roles::forget(&cx, &name).await?;
    cx.view.delete(&draft_key(&name)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn creds(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    let Some(role) = cx.view.get::<StaticRole>(&key(&name)).await? else { return Ok(Reply::missing()) };
    if is_due(&engine, &cx, &role).await? {
        return Ok(Reply::refresh(subject(&name)));
    }
    Ok(Reply::data(Value::Object(credential(&role))))
}

pub(crate) async fn rotate(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    if cx.view.version(&key(&name)).await?.is_none() {
        return Err(Error::invalid(format!("role {name:?} does not exist")));
    }
    Config::load(&cx).await?;
    Ok(Reply::rotate(subject(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_since_1601_become_times_and_none_stays_none() {
        let at = changed_at(Some(&vec!["133444736000000000".to_owned()]));
        assert_eq!(at, Some("2023-11-14T22:13:20Z".parse().unwrap()));
        assert_eq!(changed_at(Some(&vec!["0".to_owned()])), None);
        assert_eq!(changed_at(None), None);
    }
}
