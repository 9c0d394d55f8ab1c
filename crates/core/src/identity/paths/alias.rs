//! `identity/entity-alias`, and its old name `identity/alias`.
use super::{Endpoints, given};
use crate::identity::aliases::AliasWrite;
use crate::identity::record::Entity;
use lessor_engine::{Context, KeyValues, Params, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::show::namespace_id;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("entity-alias", "Makes or changes an alias of an entity.", |path| path.write(write))
        .path("entity-alias/id", "Lists the aliases of entities.", |path| path.list(list))
        .path("entity-alias/id/{id}", "Reads, changes and deletes an alias.", |path| {
            path.read(read).write(write).delete(delete)
        })
        .path("alias", "Old name of entity-alias.", |path| path.write(write))
        .path("alias/id", "Old name of entity-alias/id.", |path| path.list(list))
        .path("alias/id/{id}", "Old name of entity-alias/id.", |path| path.read(read).write(write).delete(delete))
}

#[derive(Params)]
struct Write {
    /// Names the alias to change.
    id: Option<String>,
    /// What the auth method calls the entity.
    name: Option<String>,
    /// Id of the entity it belongs to; a new one where it is left out.
    canonical_id: Option<String>,
    /// Old name of `canonical_id`.
    entity_id: Option<String>,
    /// Accessor of the auth mount.
    mount_accessor: Option<String>,
    /// For policy templates and people.
    custom_metadata: Option<KeyValues>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let open = at.open()?;
    let place = given(write.mount_accessor).map(|accessor| open.place(&accessor)).transpose()?;
    let write = AliasWrite {
        id: given(write.id),
        name: given(write.name),
        canonical_id: given(write.canonical_id).or(given(write.entity_id)),
        place,
        custom_metadata: write.custom_metadata.map(|metadata| metadata.0),
    };
    let written = open.write_alias(&cx.namespace, &write).await?;
    Ok(Reply::data(json!({ "canonical_id": written.canonical_id, "id": written.id })))
}

#[derive(Params)]
struct ById {
    /// Id of the alias.
    id: String,
}

async fn read(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    let open = at.open()?;
    let Some(entity) = open.begin(&cx.namespace).entity_of_alias(&by.id).await? else { return Ok(Reply::missing()) };
    let Some(alias) = entity.aliases.iter().find(|alias| alias.id == by.id) else { return Ok(Reply::missing()) };
    let mut shown = open.alias(&entity.id, alias);
    shown.insert("namespace_id".to_owned(), json!(namespace_id(&cx.namespace)));
    Ok(Reply::data(shown.into()))
}

async fn delete(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    at.open()?.delete_alias(&cx.namespace, &by.id).await?;
    Ok(Reply::empty())
}

async fn list(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let all = open.begin(&cx.namespace).all::<Entity>("entity/id/").await?;
    let lines = all.iter().flat_map(|(_, entity)| {
        entity.aliases.iter().map(|alias| (alias.id.clone(), open.alias_line(&entity.id, alias)))
    });
    let info: BTreeMap<String, Value> = lines.collect();
    if info.is_empty() {
        return Ok(Reply::missing());
    }
    let keys: Vec<String> = info.keys().cloned().collect();
    Ok(Reply::data(json!({ "key_info": Map::from_iter(info), "keys": keys })))
}
