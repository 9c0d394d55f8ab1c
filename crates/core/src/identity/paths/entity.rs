//! `identity/entity`.
use super::{Endpoints, Open, given};
use crate::identity::entities::{By, EntityWrite};
use crate::identity::merge::{Clash, Merge};
use crate::identity::record::{Entity, Named};
use lessor_engine::{CommaList, Context, Error, KeyValues, Params, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("entity", "Makes an entity, or changes the one of that id or name.", |path| path.write(write))
        .path("entity/id", "Lists the entities by id.", |path| path.list(list_ids))
        .path("entity/name", "Lists the names of the entities.", |path| path.list(list_names))
        .path("entity/merge", "Merges entities into one.", |path| path.write(merge))
        .path("entity/batch-delete", "Deletes several entities.", |path| path.write(batch_delete))
        .path("entity/id/{id}", "Reads, changes and deletes an entity.", |path| {
            path.read(read_id).write(write_id).delete(delete_id)
        })
        .path("entity/name/{name+}", "Reads, writes and deletes an entity by its name.", |path| {
            path.read(read_name).write(write).delete(delete_name)
        })
}

#[derive(Params)]
struct Write {
    /// Names the entity to change.
    id: Option<String>,
    /// Unique name; a made-up one where it is left out.
    name: Option<String>,
    /// For policy templates and people.
    metadata: Option<KeyValues>,
    /// Policies of every token of the entity, at every request.
    policies: Option<CommaList>,
    /// Refuses the entity's tokens, without revoking them.
    disabled: Option<bool>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    put(&at.open()?, &cx, write).await
}

async fn write_id(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    put(&at.open()?, &cx, write).await
}

async fn put(open: &Open, cx: &Context, write: Write) -> Result<Reply> {
    let write = EntityWrite {
        id: given(write.id),
        name: given(write.name),
        metadata: write.metadata.map(|metadata| metadata.0),
        policies: write.policies.map(|policies| policies.0),
        disabled: write.disabled,
    };
    Ok(match open.write_entity(&cx.namespace, &write).await? {
        Some(made) => Reply::data(json!({ "aliases": Value::Null, "id": made.id, "name": made.name })),
        None => Reply::empty(),
    })
}

#[derive(Params)]
struct ById {
    /// Id of the entity.
    id: String,
}

#[derive(Params)]
struct ByName {
    /// Name of the entity.
    name: String,
}

async fn read_id(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(entity) = tx.entity(&by.id).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(open.entity_data(&mut tx, &entity).await?))
}

async fn read_name(at: Arc<Endpoints>, cx: Context, by: ByName) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(entity) = tx.entity_named(&by.name).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(open.entity_data(&mut tx, &entity).await?))
}

async fn delete_id(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    at.open()?.delete_entity(&cx.namespace, By::Id(&by.id)).await?;
    Ok(Reply::empty())
}

async fn delete_name(at: Arc<Endpoints>, cx: Context, by: ByName) -> Result<Reply> {
    at.open()?.delete_entity(&cx.namespace, By::Name(&by.name)).await?;
    Ok(Reply::empty())
}

async fn list_ids(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let all = open.begin(&cx.namespace).all::<Entity>("entity/id/").await?;
    if all.is_empty() {
        return Ok(Reply::missing());
    }
    let keys: Vec<&String> = all.iter().map(|(id, _)| id).collect();
    let info: Map<String, Value> = all.iter().map(|(id, entity)| (id.clone(), open.entity_line(entity))).collect();
    Ok(Reply::data(json!({ "key_info": info, "keys": keys })))
}

async fn list_names(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let all = at.open()?.begin(&cx.namespace).all::<Named>("entity/name/").await?;
    Ok(Reply::list(all.into_iter().map(|(_, named)| named.name).collect()))
}

#[derive(Params)]
struct Ids {
    /// Ids of the entities to delete.
    entity_ids: CommaList,
}

async fn batch_delete(at: Arc<Endpoints>, cx: Context, ids: Ids) -> Result<Reply> {
    if ids.entity_ids.is_empty() {
        return Err(Error::invalid("missing entity ids to delete"));
    }
    let open = at.open()?;
    for id in ids.entity_ids.iter() {
        open.delete_entity(&cx.namespace, By::Id(id)).await?;
    }
    Ok(Reply::empty())
}

#[derive(Params)]
struct MergeParams {
    /// Entities that end.
    from_entity_ids: CommaList,
    /// The entity that takes over their aliases and groups.
    to_entity_id: String,
    /// Accepted: MFA secrets of the remaining entity always stay.
    force: bool,
    /// Of two aliases at one mount, the one that stays.
    conflicting_alias_ids_to_keep: CommaList,
}

async fn merge(at: Arc<Endpoints>, cx: Context, merge: MergeParams) -> Result<Reply> {
    let MergeParams { from_entity_ids, to_entity_id, force, conflicting_alias_ids_to_keep } = merge;
    let _stays_either_way = force;
    let merge = Merge { from: from_entity_ids.0, to: to_entity_id, keep: conflicting_alias_ids_to_keep.0 };
    let clashes = at.open()?.merge(&cx.namespace, &merge).await?;
    Ok(if clashes.is_empty() { Reply::empty() } else { clash(&clashes) })
}

fn clash(clashes: &[Clash]) -> Reply {
    let mut lines = vec![
        "toEntity and at least one fromEntity have aliases with the same mount accessor, repeat the merge request \
         specifying exactly one fromEntity, clashes: "
            .to_owned(),
    ];
    let mut data = Vec::new();
    for clash in clashes {
        let (own, other) = (&clash.to_alias, &clash.from_alias);
        lines.push(format!(
            "mountAccessor: {}, toEntity ID: {}, fromEntity ID: {}, conflicting toEntity alias ID: {}, conflicting \
             fromEntity alias ID: {}",
            own.mount_accessor, clash.to.0, clash.from.0, own.id, other.id
        ));
        for ((id, name), alias) in [(&clash.to, own), (&clash.from, other)] {
            data.push(json!({
                "alias": alias.name, "entity": name, "entity_id": id, "mount": alias.mount_type,
                "mount_path": alias.mount_path,
            }));
        }
    }
    let text = format!("{} errors occurred:\n\t* {}\n\n", lines.len(), lines.join("\n\t* "));
    Reply::bare(400, json!({ "errors": [text], "data": data }))
}
