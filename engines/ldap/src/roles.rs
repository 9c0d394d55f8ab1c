//! `role/<name>`: how accounts are made and removed.
use crate::directory::Action;
use crate::names::{Named, checked};
use crate::naming::{self, Place};
use crate::{Engine, ldif, passwords, recipes};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, Terms};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What is kept of a role.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) creation_ldif: String,
    pub(crate) deletion_ldif: String,
    pub(crate) rollback_ldif: String,
    pub(crate) username_template: String,
    pub(crate) default_ttl: u64,
    pub(crate) max_ttl: u64,
    pub(crate) password_policy: String,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{name}")
}

fn set(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

impl Role {
    /// The terms of its leases.
    pub(crate) fn terms(&self) -> Terms {
        Terms { default_ttl: set(self.default_ttl), max_ttl: set(self.max_ttl) }
    }
    /// How long a lease will be.
    pub(crate) fn ttl(&self, cx: &Context) -> Duration {
        let wanted = set(self.default_ttl).unwrap_or(cx.mount.default_ttl);
        wanted.min(set(self.max_ttl).map_or(cx.mount.max_ttl, |max| max.min(cx.mount.max_ttl)))
    }
    /// Where its accounts stand, as far as that does not depend on who asks.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        let first = |display: &str| {
            let records = recipes::sample("creation_ldif", &self.creation_ldif, name, display).ok()?;
            let added = records.into_iter().find(|record| matches!(record.action, Action::Add(_)))?;
            Place::of(&added.dn, recipes::SAMPLE)
        };
        first("one").filter(|place| first("two").as_ref() == Some(place))
    }
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role; it may be a path of names.
    name: String,
    /// LDIF that makes an account, as a template; base64 is taken too.
    creation_ldif: Option<String>,
    /// LDIF that removes it.
    deletion_ldif: Option<String>,
    /// LDIF that removes what a failed creation left; the deletion's where it is empty.
    rollback_ldif: Option<String>,
    /// Template of its name.
    username_template: Option<String>,
    /// TTL of leases; 0 for the mount's.
    default_ttl: Option<Seconds>,
    /// Upper bound of leases; 0 for the mount's.
    max_ttl: Option<Seconds>,
    /// Policy of its password; the configuration's where it is empty.
    password_policy: Option<String>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.version(&key(&at.name.to_lowercase())).await?.is_some())
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.delete(&key(&at.name.to_lowercase())).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name.to_lowercase())).await? else { return Ok(Reply::missing()) };
    let mut data = json!({
        "creation_ldif": role.creation_ldif,
        "deletion_ldif": role.deletion_ldif,
        "rollback_ldif": role.rollback_ldif,
        "username_template": role.username_template,
        "default_ttl": role.default_ttl,
        "max_ttl": role.max_ttl,
    });
    if !role.password_policy.is_empty() {
        data["password_policy"] = json!(role.password_policy);
    }
    Ok(Reply::data(data))
}

fn merge(role: &mut Role, sent: Write) {
    for (new, place) in [
        (sent.creation_ldif, &mut role.creation_ldif),
        (sent.deletion_ldif, &mut role.deletion_ldif),
        (sent.rollback_ldif, &mut role.rollback_ldif),
    ] {
        if let Some(text) = new {
            *place = ldif::decoded(&text);
        }
    }
    for (new, place) in
        [(sent.username_template, &mut role.username_template), (sent.password_policy, &mut role.password_policy)]
    {
        if let Some(text) = new {
            *place = text;
        }
    }
    for (new, place) in [(sent.default_ttl, &mut role.default_ttl), (sent.max_ttl, &mut role.max_ttl)] {
        if let Some(Seconds(seconds)) = new {
            *place = seconds;
        }
    }
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    let name = checked(&sent.name)?;
    let mut role: Role = cx.view.get(&key(&name)).await?.unwrap_or_default();
    merge(&mut role, sent);
    for (field, text) in [("creation_ldif", &role.creation_ldif), ("deletion_ldif", &role.deletion_ldif)] {
        if text.trim().is_empty() {
            return Err(Error::invalid(format!("missing {field}")));
        }
        recipes::sample(field, text, &name, "display")?;
    }
    if !role.rollback_ldif.trim().is_empty() {
        recipes::sample("rollback_ldif", &role.rollback_ldif, &name, "display")?;
    }
    let drawn = role.username_template.is_empty() || naming::draws(&naming::parse(&role.username_template)?);
    if role.max_ttl > 0 && role.default_ttl > role.max_ttl {
        return Err(Error::invalid("default_ttl must be less than or equal to max_ttl"));
    }
    passwords::check_policy(&cx, &role.password_policy).await?;
    let mut changes = Changes::new().put(&key(&name), &role)?;
    if let Some(place) = role.place(&name) {
        changes = changes.put(&place.key(), &place)?;
    }
    cx.view.commit(changes).await?;
    let reply = Reply::empty();
    Ok(match drawn {
        true => reply,
        false => reply.warn("username_template draws nothing by chance: a second account of the same name is refused"),
    })
}
