//! `identity/mfa/login-enforcement`: whom a method is asked of.
use super::{Method, method_key};
use crate::identity::paths::{Endpoints, namespace_id};
use crate::mount::entry::uuid;
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths.path("mfa/login-enforcement", "Lists the enforcements.", |path| path.list(list)).path(
        "mfa/login-enforcement/{name}",
        "Writes, reads and deletes an enforcement.",
        |path| path.read(read).write(write).delete(delete),
    )
}

/// Whoever fits one of the lists needs one of the methods.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Enforcement {
    pub id: String,
    pub methods: Vec<String>,
    pub accessors: Vec<String>,
    pub types: Vec<String>,
    pub groups: Vec<String>,
    pub entities: Vec<String>,
}

fn key(name: &str) -> String {
    format!("mfa/enforcement/{name}")
}

#[derive(Params)]
struct Write {
    /// Name of the enforcement.
    name: String,
    /// Methods, one of which has to succeed.
    mfa_method_ids: Option<CommaList>,
    /// Logins at these mounts.
    auth_method_accessors: Option<CommaList>,
    /// Logins at mounts of these types.
    auth_method_types: Option<CommaList>,
    /// Logins of members of these groups.
    identity_group_ids: Option<CommaList>,
    /// Logins of these entities.
    identity_entity_ids: Option<CommaList>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let mut enforcement = tx.get::<Enforcement>(&key(&write.name)).await?.unwrap_or_default();
    for (given, place) in [
        (write.mfa_method_ids, &mut enforcement.methods),
        (write.auth_method_accessors, &mut enforcement.accessors),
        (write.auth_method_types, &mut enforcement.types),
        (write.identity_group_ids, &mut enforcement.groups),
        (write.identity_entity_ids, &mut enforcement.entities),
    ] {
        if let Some(list) = given {
            *place = list.0;
        }
    }
    if enforcement.methods.is_empty() {
        return Err(Error::invalid("missing method ids"));
    }
    for id in &enforcement.methods {
        if tx.get::<Method>(&method_key(id)).await?.is_none() {
            return Err(Error::invalid("one of the provided method ids doesn't exist"));
        }
    }
    let places = open.places();
    if !enforcement.accessors.iter().all(|accessor| places.contains_key(accessor)) {
        return Err(Error::invalid("one of the auth method accessors provided is invalid"));
    }
    let auth = |kind: &String| places.values().any(|place| place.kind == *kind && place.path.starts_with("auth/"));
    if !enforcement.types.iter().all(auth) {
        return Err(Error::invalid("one of the auth method types provided is invalid"));
    }
    for id in &enforcement.groups {
        if tx.group(id).await?.is_none() {
            return Err(Error::invalid("one of the provided group ids doesn't exist"));
        }
    }
    for id in &enforcement.entities {
        if tx.entity(id).await?.is_none() {
            return Err(Error::invalid("one of the provided entity ids doesn't exist"));
        }
    }
    let lists = [&enforcement.accessors, &enforcement.types, &enforcement.groups, &enforcement.entities];
    if lists.into_iter().all(Vec::is_empty) {
        return Err(Error::invalid(
            "One of auth_method_accessors, auth_method_types, identity_group_ids, identity_entity_ids must be specified",
        ));
    }
    if enforcement.id.is_empty() {
        enforcement.id = uuid();
    }
    tx.put(key(&write.name), &enforcement)?;
    if !tx.commit(&mut 0).await? {
        return Err(Error::invalid("what the enforcement names was changed at the same time: try again"));
    }
    Ok(Reply::empty())
}

#[derive(Params)]
struct Named {
    /// Name of the enforcement.
    name: String,
}

fn show(name: &str, enforcement: &Enforcement, namespace: &str) -> Value {
    json!({
        "auth_method_accessors": enforcement.accessors,
        "auth_method_types": enforcement.types,
        "id": enforcement.id,
        "identity_entity_ids": enforcement.entities,
        "identity_group_ids": enforcement.groups,
        "mfa_method_ids": enforcement.methods,
        "name": name,
        "namespace_id": namespace_id(namespace),
        "namespace_path": namespace,
    })
}

async fn read(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let found = at.open()?.begin(&cx.namespace).get::<Enforcement>(&key(&named.name)).await?;
    Ok(found.map_or_else(Reply::missing, |found| Reply::data(show(&named.name, &found, &cx.namespace))))
}

async fn list(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let all = at.open()?.begin(&cx.namespace).all::<Enforcement>("mfa/enforcement/").await?;
    if all.is_empty() {
        return Ok(Reply::missing());
    }
    let keys: Vec<&String> = all.iter().map(|(name, _)| name).collect();
    let info: Map<String, Value> =
        all.iter().map(|(name, found)| (name.clone(), show(name, found, &cx.namespace))).collect();
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

async fn delete(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let mut tx = at.open()?.begin(&cx.namespace);
    tx.delete(key(&named.name));
    tx.commit_writes().await?;
    Ok(Reply::empty())
}
