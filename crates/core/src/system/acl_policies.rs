//! `sys/policies/acl`, and `sys/policy`, its older name.
use super::System;
use crate::active::Active;
use crate::policy::Change;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Context, Error, FieldError, Params, Paths, Reply, Result, Seconds, Timestamp};
use serde_json::{Map, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("policies/acl", "Lists the policies.", |path| path.list(list))
        .path("policies/acl/{name+}", "Writes, reads and deletes a policy.", |path| {
            path.read(read).write(put).patch(patch).delete(delete).list(list)
        })
        .path("policies/detailed/acl", "Lists the policies with what is in them.", |path| path.list(list_detailed))
        .path("policy", "Lists the policies.", |path| path.read(list_old).list(list_old))
        .path("policy/{name+}", "Writes, reads and deletes a policy.", |path| {
            path.read(read_old).write(put_old).delete(delete).list(list_old)
        })
}

#[derive(Params)]
struct Of {
    /// Name of the policy; lower-case.
    name: String,
}

async fn names(active: &Active, cx: &Context, of: &Of) -> Result<Vec<String>> {
    active.policies.list(&cx.namespace, &of.name, cx.now()).await
}

async fn list(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    Ok(Reply::list(names(&*system.active()?, &cx, &of).await?))
}

async fn list_old(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    let names = names(&*system.active()?, &cx, &of).await?;
    if names.is_empty() {
        return Ok(Reply::missing());
    }
    Ok(Reply::data(json!({ "keys": names, "policies": names })))
}

async fn list_detailed(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    let active = system.active()?;
    let names = names(&active, &cx, &of).await?;
    let mut details = Map::new();
    for name in &names {
        if let Some(entry) = active.policies.read(&cx.namespace, name, cx.now()).await? {
            details.insert(name.clone(), entry.shown(name, "policy").into());
        }
    }
    Ok(Reply::data(json!({ "keys": names, "key_info": details })))
}

async fn show(system: &System, cx: &Context, of: &Of, text: &str) -> Result<Reply> {
    let entry = system.active()?.policies.read(&cx.namespace, &of.name, cx.now()).await?;
    let name = of.name.to_lowercase();
    Ok(entry.map_or_else(Reply::missing, |entry| Reply::data(entry.shown(&name, text).into())))
}

async fn read(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    show(&system, &cx, &of, "policy").await
}

async fn read_old(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    show(&system, &cx, &of, "rules").await
}

async fn delete(system: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    system.active()?.policies.delete(&cx.namespace, &of.name).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Write {
    /// Name of the policy; becomes lower-case.
    name: String,
    /// Rules in HCL or JSON, as they are or in base64.
    policy: Option<String>,
    /// Ends the policy then: a time such as `2030-01-31T12:00:00Z`, or seconds since 1970.
    expiration: Option<String>,
    /// Ends the policy after so long.
    ttl: Option<Seconds>,
    /// Writes only over this version; -1 only where there is no policy.
    cas: Option<i64>,
    /// Whether later writes have to name a version.
    cas_required: Option<bool>,
    /// Whether values of identity templates may bring in `*` and `+`.
    allow_wildcards_in_identity_templates: Option<bool>,
    /// Whether values of identity templates may bring in `/`.
    allow_slashes_in_identity_templates: Option<bool>,
}

/// Base64 is taken for the text it holds.
fn decoded(text: String) -> String {
    STANDARD.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text)
}

fn time(text: &str) -> Result<Timestamp> {
    let seconds = || Timestamp::from_second(text.parse().ok()?).ok();
    text.parse().ok().or_else(seconds).ok_or_else(|| {
        let reason = "could not parse string as date and time: use 2030-01-31T12:00:00Z".to_owned();
        FieldError::Conversion { name: "expiration".to_owned(), reason }.into()
    })
}

fn change(write: Write, now: Timestamp) -> Result<Change> {
    let expires = match (&write.expiration, write.ttl) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("cannot supply both 'expiration' and 'ttl' for policies"));
        }
        (Some(text), None) => Some(time(text)?),
        (None, Some(ttl)) => Some(after(now, ttl)?),
        (None, None) => None,
    };
    Ok(Change {
        text: write.policy.map(decoded),
        cas: write.cas,
        cas_required: write.cas_required,
        expires,
        wildcards: write.allow_wildcards_in_identity_templates,
        slashes: write.allow_slashes_in_identity_templates,
    })
}

fn after(now: Timestamp, Seconds(seconds): Seconds) -> Result<Timestamp> {
    now.checked_add(std::time::Duration::from_secs(seconds))
        .map_err(|_| Error::invalid("ttl: that is further away than time goes"))
}

async fn put(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    let name = write.name.clone();
    let change = change(write, cx.now())?;
    system.active()?.policies.put(&cx.namespace, &name, &change, cx.now()).await?;
    Ok(Reply::empty())
}

async fn patch(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    let name = write.name.clone();
    let change = change(write, cx.now())?;
    system.active()?.policies.patch(&cx.namespace, &name, &change, cx.now()).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct WriteOld {
    /// Name of the policy; becomes lower-case.
    name: String,
    /// Rules in HCL or JSON, as they are or in base64.
    policy: String,
    /// Deprecated name of `policy`.
    rules: String,
}

async fn put_old(system: Arc<System>, cx: Context, write: WriteOld) -> Result<Reply> {
    let old = write.policy.is_empty() && !write.rules.is_empty();
    let text = decoded(if old { write.rules } else { write.policy });
    let change = Change { text: Some(text), ..Change::default() };
    system.active()?.policies.put(&cx.namespace, &write.name, &change, cx.now()).await?;
    let warning = "'rules' is deprecated, please use 'policy' instead";
    Ok(if old { Reply::empty().warn(warning) } else { Reply::empty() })
}
