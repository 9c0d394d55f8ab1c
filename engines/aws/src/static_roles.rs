//! `static-roles/<name>`, `static-creds/<name>`, `rotate-role/<name>`: users that exist, with rotated access keys.
use crate::Engine;
use crate::call::{Key, Session, Settings, Through, gone_is_fine};
use crate::config::{Config, KEY};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SHORTEST: u64 = 60;

/// What is kept of a static role.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StaticRole {
    pub(crate) name: String,
    pub(crate) username: String,
    /// The user's immutable id: one of the same name made later is another user.
    pub(crate) id: String,
    pub(crate) rotation_period: u64,
    pub(crate) assume_role_arn: String,
    pub(crate) assume_role_session_name: String,
    pub(crate) external_id: String,
    pub(crate) access_key: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) secret_key: Secret,
    /// From when the period counts.
    pub(crate) last_rotation: Timestamp,
}

pub(crate) fn key(name: &str) -> String {
    format!("static-role/{name}")
}

/// A role that is being made: it becomes one with its first key.
pub(crate) fn draft_key(name: &str) -> String {
    format!("static-draft/{name}")
}

impl StaticRole {
    pub(crate) fn next(&self) -> Timestamp {
        self.last_rotation + Duration::from_secs(self.rotation_period)
    }
    pub(crate) fn show(&self) -> Value {
        json!({
            "name": self.name,
            "id": self.id,
            "username": self.username,
            "rotation_period": self.rotation_period,
            "assume_role_arn": self.assume_role_arn,
            "assume_role_session_name": self.assume_role_session_name,
            "external_id": self.external_id,
        })
    }
}

impl Engine {
    /// The session that manages a static role's user, maybe in another account.
    pub(crate) async fn manager(&self, cx: &Context, role: &StaticRole) -> Result<Arc<dyn Session>> {
        if role.assume_role_arn.is_empty() {
            return self.root(cx).await;
        }
        let config: Config = cx.view.get(KEY).await?.unwrap_or_default();
        let through = Through {
            role_arn: role.assume_role_arn.clone(),
            session_name: role.assume_role_session_name.clone(),
            external_id: role.external_id.clone(),
        };
        Ok(self.sessions.open(&Settings { through: Some(through), ..config.settings(cx) }))
    }
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// The IAM user.
    username: Option<String>,
    /// Time between rotations.
    rotation_period: Option<Seconds>,
    /// Role in another account through which the user is managed.
    assume_role_arn: Option<String>,
    /// Session name for that.
    assume_role_session_name: Option<String>,
    /// External id for that.
    external_id: Option<String>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.get::<StaticRole>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("static-role/").await?))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<StaticRole>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(role.show()))
}

pub(crate) async fn creds(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<StaticRole>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "access_key": role.access_key,
        "secret_key": role.secret_key.expose(),
        "expiration": role.next(),
    })))
}

pub(crate) async fn rotate(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    if cx.view.get::<StaticRole>(&key(&at.name)).await?.is_none() {
        return Err(Error::invalid("no static role found for role name"));
    }
    Ok(Reply::rotate(format!("static/{}", at.name)))
}

pub(crate) async fn delete(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<StaticRole>(&key(&at.name)).await? else { return Ok(Reply::empty()) };
    // The record goes last: what IAM refuses now can be asked for again.
    let manager = engine.manager(&cx, &role).await?;
    gone_is_fine(manager.delete_key(&role.username, &role.access_key).await)?;
    cx.view.commit(Changes::new().delete(&key(&at.name)).delete(&draft_key(&at.name))).await?;
    Ok(Reply::empty().reschedule(format!("static/{}", at.name)))
}

fn merge(role: &mut StaticRole, write: Write) -> Result<()> {
    for (new, place) in [
        (write.assume_role_arn, &mut role.assume_role_arn),
        (write.assume_role_session_name, &mut role.assume_role_session_name),
        (write.external_id, &mut role.external_id),
    ] {
        if let Some(text) = new {
            *place = text;
        }
    }
    if role.assume_role_arn.is_empty() != role.assume_role_session_name.is_empty() {
        return Err(Error::invalid(
            "assume_role_arn and assume_role_session_name are given together, or neither of them",
        ));
    }
    if let Some(username) = write.username {
        role.username = username;
    }
    if role.username.is_empty() {
        return Err(Error::invalid("missing required field \"username\""));
    }
    if let Some(Seconds(seconds)) = write.rotation_period {
        role.rotation_period = seconds;
    }
    if role.rotation_period < SHORTEST {
        return Err(Error::invalid(format!("rotation_period must be {SHORTEST} seconds or more")));
    }
    Ok(())
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let name = write.name.clone();
    let stored: Option<StaticRole> = cx.view.get(&key(&name)).await?;
    let mut role = stored.clone().unwrap_or_else(|| StaticRole {
        name: name.clone(),
        username: String::new(),
        id: String::new(),
        rotation_period: 0,
        assume_role_arn: String::new(),
        assume_role_session_name: String::new(),
        external_id: String::new(),
        access_key: String::new(),
        secret_key: Secret::default(),
        last_rotation: cx.now(),
    });
    merge(&mut role, write)?;
    let user = engine.manager(&cx, &role).await?.get_user(Some(&role.username)).await;
    let user = user.map_err(|error| match error {
        error if error.is("NoSuchEntity") => Error::invalid(format!("there is no IAM user {:?}", role.username)),
        other => other.into(),
    })?;
    if user.name != role.username || stored.as_ref().is_some_and(|old| old.id != user.id) {
        return Err(Error::invalid(format!("{:?} is not the IAM user that this role took over", role.username)));
    }
    role.id = user.id;
    if stored.is_none() {
        cx.view.put(&draft_key(&name), &role).await?;
        return Ok(Reply::rotate(format!("static/{name}")));
    }
    role.last_rotation = cx.now();
    cx.view.put(&key(&name), &role).await?;
    Ok(Reply::data(role.show()).reschedule(format!("static/{name}")))
}

/// The role's present key.
pub(crate) fn present(role: &StaticRole) -> Option<Key> {
    let (id, secret) = (role.access_key.clone(), role.secret_key.clone());
    (!id.is_empty()).then_some(Key { id, secret, token: None })
}
