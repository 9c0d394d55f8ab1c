//! `identity/group-alias`.
use super::show::namespace_id;
use super::{Endpoints, given};
use crate::identity::groups::GroupAliasWrite;
use crate::identity::record::Group;
use crate::identity::tx::group_alias_key;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("group-alias", "Makes or changes the alias of an external group.", |path| path.write(write))
        .path("group-alias/id", "Lists the aliases of groups.", |path| path.list(list))
        .path("group-alias/id/{id}", "Reads, changes and deletes the alias of a group.", |path| {
            path.read(read).write(write).delete(delete)
        })
}

#[derive(Params)]
struct Write {
    /// Names the alias to change.
    id: Option<String>,
    /// What the platform calls the group.
    name: Option<String>,
    /// Accessor of the auth mount.
    mount_accessor: Option<String>,
    /// Id of the external group; a new one where it is left out.
    canonical_id: Option<String>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let open = at.open()?;
    let id = given(write.id);
    if let Some(id) = &id
        && open.begin(&cx.namespace).group_of_alias(&group_alias_key(id)).await?.is_none()
    {
        return Err(Error::invalid("invalid group alias ID"));
    }
    let name = given(write.name).ok_or_else(|| Error::invalid("missing alias name"))?;
    let accessor = given(write.mount_accessor).ok_or_else(|| Error::invalid("missing mount_accessor"))?;
    let place = open.place(&accessor)?;
    let write = GroupAliasWrite { id, name, place, canonical_id: given(write.canonical_id) };
    let written = open.write_group_alias(&cx.namespace, &write).await?;
    Ok(Reply::data(json!({ "canonical_id": written.canonical_id, "id": written.id })))
}

#[derive(Params)]
struct ById {
    /// Id of the alias.
    id: String,
}

async fn read(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    let open = at.open()?;
    let group = open.begin(&cx.namespace).group_of_alias(&group_alias_key(&by.id)).await?;
    let Some((group, alias)) = group.and_then(|group| group.alias.clone().map(|alias| (group, alias))) else {
        return Ok(Reply::missing());
    };
    let mut shown = open.alias(&group.id, &alias);
    shown.insert("namespace_id".to_owned(), json!(namespace_id(&cx.namespace)));
    Ok(Reply::data(shown.into()))
}

async fn delete(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    at.open()?.delete_group_alias(&cx.namespace, &by.id).await?;
    Ok(Reply::empty())
}

async fn list(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let all = open.begin(&cx.namespace).all::<Group>("group/id/").await?;
    let lines = all.iter().filter_map(|(id, group)| {
        let alias = group.alias.as_ref()?;
        Some((alias.id.clone(), open.alias_line(id, alias)))
    });
    let info: BTreeMap<String, Value> = lines.collect();
    if info.is_empty() {
        return Ok(Reply::missing());
    }
    let keys: Vec<String> = info.keys().cloned().collect();
    Ok(Reply::data(json!({ "key_info": Map::from_iter(info), "keys": keys })))
}
