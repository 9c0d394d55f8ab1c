//! `roles/`: recipes for users.
use crate::Engine;
use crate::lease::{self, Lease};
use lessor_engine::{Any, Context, Error, Params, Reply, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a user may do with the queues and exchanges of a vhost: regular expressions on their names; an empty one allows
/// nothing (<https://www.rabbitmq.com/docs/access-control#authorisation>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Permissions {
    pub(crate) configure: String,
    pub(crate) write: String,
    pub(crate) read: String,
}

/// What a user may do with the routing keys of a topic exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TopicPermissions {
    pub(crate) write: String,
    pub(crate) read: String,
}

/// What is kept. Sorted, so that users are made in the same order every time.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Role {
    /// Joined by commas, as they were written.
    pub(crate) tags: String,
    pub(crate) vhosts: BTreeMap<String, Permissions>,
    pub(crate) vhost_topics: BTreeMap<String, BTreeMap<String, TopicPermissions>>,
    /// Where it says something, it counts before the mount's.
    #[serde(default)]
    pub(crate) lease: Lease,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{name}")
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// Tags of the users, joined by commas: `management`, `administrator` and the like.
    tags: String,
    /// Permissions by vhost: `{"/": {"configure": "^$", "write": ".*", "read": ".*"}}`, as JSON or as a text of it.
    vhosts: Option<Any>,
    /// Topic permissions by vhost and exchange: `{"/": {"amq.topic": {"write": ".*", "read": ".*"}}}`.
    vhost_topics: Option<Any>,
    /// How long a user lives; as `config/lease` says where it is left out.
    ttl: Seconds,
    /// How long renewals may make it live; as `config/lease` says where it is left out.
    max_ttl: Seconds,
}

/// An object, or a text that holds one; nothing is an empty one.
fn object<T: Default + serde::de::DeserializeOwned>(name: &str, given: Option<Any>) -> Result<T> {
    let wrong = |error: serde_json::Error| Error::invalid(format!("failed to unmarshal {name}: {error}"));
    match given.map(|given| given.0) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(Value::String(text)) if text.is_empty() => Ok(T::default()),
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(wrong),
        Some(value) => serde_json::from_value(value).map_err(wrong),
    }
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, write: Write) -> Result<Reply> {
    let role = Role {
        tags: write.tags,
        vhosts: object("vhosts", write.vhosts)?,
        vhost_topics: object("vhost_topics", write.vhost_topics)?,
        lease: Lease::checked(write.ttl, write.max_ttl)?,
    };
    if role.tags.is_empty() && role.vhosts.is_empty() {
        return Err(Error::invalid("both tags and vhosts not specified"));
    }
    cx.view.put(&key(&write.name), &role).await?;
    Ok(lease::written(&cx, role.lease))
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&key(&at.name)).await?;
    Ok(role.map_or_else(Reply::missing, |role| {
        let mut data = json!({ "tags": role.tags, "vhosts": role.vhosts, "vhost_topics": role.vhost_topics });
        role.lease.show(&mut data);
        Reply::data(data)
    }))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}
