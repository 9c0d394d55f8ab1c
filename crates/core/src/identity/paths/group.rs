//! `identity/group`.
use super::{Endpoints, given};
use crate::identity::entities::By;
use crate::identity::groups::GroupWrite;
use crate::identity::record::{Group, GroupKind, Named};
use lessor_engine::{CommaList, Context, KeyValues, Params, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("group", "Makes a group, or changes the one of that id or name.", |path| path.write(write))
        .path("group/id", "Lists the groups by id.", |path| path.list(list_ids))
        .path("group/name", "Lists the names of the groups.", |path| path.list(list_names))
        .path("group/id/{id}", "Reads, changes and deletes a group.", |path| {
            path.read(read_id).write(write).delete(delete_id)
        })
        .path("group/name/{name+}", "Reads, writes and deletes a group by its name.", |path| {
            path.read(read_name).write(write).delete(delete_name)
        })
}

#[derive(Params)]
struct Write {
    /// Names the group to change.
    id: Option<String>,
    /// Unique name; a made-up one where it is left out.
    name: Option<String>,
    /// `internal`, or `external` for members that a platform decides on; cannot be changed.
    #[param(name = "type")]
    kind: Option<String>,
    /// For policy templates and people.
    metadata: Option<KeyValues>,
    /// Policies of every token of a member, at every request.
    policies: Option<CommaList>,
    /// All entities that are members; internal groups only.
    member_entity_ids: Option<CommaList>,
    /// All groups whose members are members; internal groups only.
    member_group_ids: Option<CommaList>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let write = GroupWrite {
        id: given(write.id),
        name: given(write.name),
        kind: given(write.kind).map(|word| GroupKind::parse(&word)).transpose()?,
        metadata: write.metadata.map(|metadata| metadata.0),
        policies: write.policies.map(|policies| policies.0),
        member_entities: write.member_entity_ids.map(|ids| ids.0),
        member_groups: write.member_group_ids.map(|ids| ids.0),
    };
    Ok(match at.open()?.write_group(&cx.namespace, &write).await? {
        Some(made) => Reply::data(json!({ "id": made.id, "name": made.name })),
        None => Reply::empty(),
    })
}

#[derive(Params)]
struct ById {
    /// Id of the group.
    id: String,
}

#[derive(Params)]
struct ByName {
    /// Name of the group.
    name: String,
}

async fn read(at: &Endpoints, cx: &Context, by: By<'_>) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(group) = tx.group_by(by).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(open.group_data(&tx, &group).await?))
}

async fn read_id(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    read(&at, &cx, By::Id(&by.id)).await
}

async fn read_name(at: Arc<Endpoints>, cx: Context, by: ByName) -> Result<Reply> {
    read(&at, &cx, By::Name(&by.name)).await
}

async fn delete_id(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    at.open()?.delete_group(&cx.namespace, By::Id(&by.id)).await?;
    Ok(Reply::empty())
}

async fn delete_name(at: Arc<Endpoints>, cx: Context, by: ByName) -> Result<Reply> {
    at.open()?.delete_group(&cx.namespace, By::Name(&by.name)).await?;
    Ok(Reply::empty())
}

async fn list_ids(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let tx = open.begin(&cx.namespace);
    let all = tx.all::<Group>("group/id/").await?;
    if all.is_empty() {
        return Ok(Reply::missing());
    }
    let (mut info, mut keys) = (Map::new(), Vec::<Value>::new());
    for (id, group) in all {
        let line = json!({
            "name": group.name,
            "num_member_entities": tx.members(&id).await?.len(),
            "num_parent_groups": group.parents.len(),
        });
        keys.push(id.clone().into());
        info.insert(id, line);
    }
    Ok(Reply::data(json!({ "key_info": info, "keys": keys })))
}

async fn list_names(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let all = at.open()?.begin(&cx.namespace).all::<Named>("group/name/").await?;
    Ok(Reply::list(all.into_iter().map(|(_, named)| named.name).collect()))
}
