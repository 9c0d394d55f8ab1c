//! `role/…/tag` and `roletag-denylist/…`: making role tags, and taking them back.
use crate::Aws;
use crate::role::{Role, key as role_key};
use crate::role_tag::Tag;
use crate::tidy::{self, List};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lessor_engine::auth::policy_names;
use lessor_engine::{Changes, CommaList, Context, Error, Params, Reply, Result, Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const FOLDER: &str = "denylist/";
const DEFAULT: &str = "default";

/// What is stored under `denylist/<tag>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Denied {
    created: Timestamp,
    /// When it may be tidied away: no token of the tag lives any more.
    pub(crate) expires: Timestamp,
}

#[derive(Params)]
pub(crate) struct TagParams {
    /// Name of the role, in lower case.
    role: String,
    /// Policies of whoever bears the tag, out of the role's; without them the role's own, with none only default.
    policies: Option<CommaList>,
    /// Upper bound of tokens; 0 for the role's own.
    max_ttl: Seconds,
    /// The only instance that may bear the tag; empty for any.
    instance_id: String,
    /// Lets the instance log in without its nonce once it was stopped and started.
    allow_instance_migration: bool,
    /// Lets the instance log in only once.
    disallow_reauthentication: bool,
}

#[derive(Params)]
pub(crate) struct At {
    /// Value of the tag, as it is or in base64.
    role_tag: String,
}

/// Policies that a tag has and its role has not; everybody has `default`.
fn beyond(role: &Role, policies: &[String]) -> bool {
    policies.iter().any(|name| name != DEFAULT && !role.token.settings.policies.contains(name))
}

pub(crate) async fn make(_: Arc<Aws>, cx: Context, sent: TagParams) -> Result<Reply> {
    let name = sent.role.to_lowercase();
    let role: Option<Role> = cx.view.get(&role_key(&name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("entry not found for role {name}")))?;
    if role.role_tag.is_empty() {
        return Err(Error::invalid("tag creation is not enabled for this role"));
    }
    if sent.disallow_reauthentication && sent.allow_instance_migration {
        return Err(Error::invalid("cannot set both disallow_reauthentication and allow_instance_migration"));
    }
    let mut policies = sent.policies.as_ref().map(|list| policy_names(&list.0)).unwrap_or_default();
    if sent.policies.is_some() && !policies.iter().any(|name| name == DEFAULT) {
        policies.insert(0, DEFAULT.to_owned());
        policies.sort_unstable();
    }
    let tag = Tag {
        role: name,
        policies,
        max_ttl: sent.max_ttl.0,
        instance: sent.instance_id.to_lowercase(),
        disallow_reauthentication: sent.disallow_reauthentication,
        allow_instance_migration: sent.allow_instance_migration,
    };
    let value = tag.sign(&role.tag_key)?;
    let mut reply = Reply::data(json!({ "tag_key": role.role_tag, "tag_value": value }));
    if beyond(&role, &tag.policies) {
        reply = reply.warn(
            "Policies on the tag are not a subset of the policies set on the role. Login will not be allowed with this tag \
             unless the role policies are updated.",
        );
    }
    if tag.allow_instance_migration && !role.allow_instance_migration {
        reply = reply.warn(
            "Role does not allow instance migration. Login will not be allowed with this tag unless the role value is updated.",
        );
    }
    Ok(reply)
}

/// What the tag of an instance adds to a role; the role's own check of the tag.
pub(crate) async fn of_login(
    cx: &Context,
    name: &str,
    role: &Role,
    instance: &str,
    value: Option<&String>,
) -> Result<Tag> {
    let missing = || Error::invalid(format!("missing tag with key {:?} on the instance", role.role_tag));
    let value = value.filter(|value| !value.is_empty()).ok_or_else(missing)?;
    let unverified = Tag::parse(value)?;
    let wrong = |text: &str| Err(Error::invalid(text));
    if unverified.tag.role != name {
        return wrong("role on the tag is not matching the role supplied");
    }
    let tag = unverified.verified(&role.tag_key)?;
    if !tag.instance.is_empty() && tag.instance != instance {
        return wrong("role tag is being used by an unauthorized instance");
    }
    if cx.view.version(&key(value)).await?.is_some() {
        return wrong("role tag is deny listed");
    }
    if beyond(role, &tag.policies) {
        return wrong("policies on the role tag must be subset of policies on the role");
    }
    if tag.allow_instance_migration && !role.allow_instance_migration {
        return wrong("the role tag allows instance migration, which the role does not");
    }
    Ok(tag)
}

/// Tags hold characters that keys do not.
fn key(value: &str) -> String {
    format!("{FOLDER}{}", URL_SAFE_NO_PAD.encode(value))
}

/// A tag's value as it was sent: no tag is base64, it has colons.
fn value(sent: &str) -> String {
    let decoded = STANDARD.decode(sent).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| sent.to_owned())
}

pub(crate) async fn deny(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let value = value(&at.role_tag);
    let unverified = Tag::parse(&value)?;
    let name = unverified.tag.role.clone();
    let role: Option<Role> = cx.view.get(&role_key(&name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("entry not found for {name:?}")))?;
    let tag = unverified.verified(&role.tag_key)?;
    // As long as any token of it may live.
    let longest = [tag.max_ttl, role.token.settings.max_ttl, cx.mount.max_ttl.as_secs()].into_iter().max();
    let old: Option<Denied> = cx.view.get(&key(&value)).await?;
    let denied = Denied {
        created: old.map_or(cx.now(), |old| old.created),
        expires: cx.now().saturating_add(Duration::from_secs(longest.unwrap_or_default())).unwrap_or(Timestamp::MAX),
    };
    let changes = tidy::begun(&cx, List::Deny, Changes::new().put(&key(&value), &denied)?).await?;
    cx.view.commit(changes).await?;
    Ok(Reply::empty().reschedule(List::Deny.subject()))
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let Some(denied) = cx.view.get::<Denied>(&key(&value(&at.role_tag))).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({ "creation_time": denied.created, "expiration_time": denied.expires })))
}

pub(crate) async fn allow(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&value(&at.role_tag))).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    let names = cx.view.list(FOLDER).await?;
    let decoded = names.iter().filter_map(|name| String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok());
    let mut tags: Vec<String> = decoded.collect();
    tags.sort_unstable();
    Ok(Reply::list(tags))
}
