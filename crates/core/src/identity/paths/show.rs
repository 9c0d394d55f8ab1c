//! Records as the API shows them.
use super::Open;
use crate::identity::record::{Entity, Group, Record};
use crate::identity::resolve::Groups;
use crate::identity::tx::Tx;
use lessor_engine::Result;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The id of the root namespace, or the path of another one.
pub(crate) fn namespace_id(namespace: &str) -> &str {
    if namespace.is_empty() { "root" } else { namespace.trim_end_matches('/') }
}

fn map(map: &BTreeMap<String, String>) -> Value {
    if map.is_empty() { Value::Null } else { json!(map) }
}
fn list(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

impl Open {
    /// Where the alias's mount is now.
    fn place_of(&self, alias: &Record) -> (String, String) {
        let known = self.0.mounts.all().into_iter().find(|mounted| mounted.entry.accessor == alias.mount_accessor);
        known.map_or_else(
            || (alias.mount_path.clone(), alias.mount_type.clone()),
            |mounted| (mounted.entry.path.clone(), mounted.entry.kind.clone()),
        )
    }
    pub(super) fn alias(&self, canonical_id: &str, alias: &Record) -> Map<String, Value> {
        let (path, kind) = self.place_of(alias);
        Map::from_iter([
            ("canonical_id".to_owned(), json!(canonical_id)),
            ("creation_time".to_owned(), json!(alias.created)),
            ("custom_metadata".to_owned(), map(&alias.custom_metadata)),
            ("id".to_owned(), json!(alias.id)),
            ("last_update_time".to_owned(), json!(alias.updated)),
            ("local".to_owned(), json!(false)),
            ("merged_from_canonical_ids".to_owned(), list(&alias.merged_from)),
            ("metadata".to_owned(), map(&alias.metadata)),
            ("mount_accessor".to_owned(), json!(alias.mount_accessor)),
            ("mount_path".to_owned(), json!(path)),
            ("mount_type".to_owned(), json!(kind)),
            ("name".to_owned(), json!(alias.name)),
        ])
    }
    /// The `key_info` of a list of aliases.
    pub(super) fn alias_line(&self, canonical_id: &str, alias: &Record) -> Value {
        let mut shown = self.alias(canonical_id, alias);
        for name in ["creation_time", "id", "last_update_time", "merged_from_canonical_ids"] {
            shown.remove(name);
        }
        shown.into()
    }
    /// The `key_info` of a list of entities.
    pub(super) fn entity_line(&self, entity: &Entity) -> Value {
        let mut shown = Map::from_iter([("name".to_owned(), json!(entity.name))]);
        let short = |alias: &Record| {
            let (path, kind) = self.place_of(alias);
            json!({
                "id": alias.id, "mount_accessor": alias.mount_accessor, "mount_path": path, "mount_type": kind,
                "name": alias.name,
            })
        };
        if !entity.aliases.is_empty() {
            shown.insert("aliases".to_owned(), entity.aliases.iter().map(short).collect());
        }
        shown.into()
    }
    pub(super) async fn entity_data(&self, tx: &mut Tx, entity: &Entity) -> Result<Value> {
        let Groups { direct, inherited } = tx.groups_of(entity).await?;
        let ids = |groups: &[Group]| groups.iter().map(|group| group.id.clone()).collect::<Vec<String>>();
        let (direct, inherited) = (ids(&direct), ids(&inherited));
        let all: BTreeSet<&String> = direct.iter().chain(&inherited).collect();
        let aliases: Vec<Value> = entity.aliases.iter().map(|alias| self.alias(&entity.id, alias).into()).collect();
        Ok(json!({
            "aliases": aliases,
            "creation_time": entity.created,
            "direct_group_ids": direct,
            "disabled": entity.disabled,
            "group_ids": all,
            "id": entity.id,
            "inherited_group_ids": inherited,
            "last_update_time": entity.updated,
            "merged_entity_ids": list(&entity.merged),
            "metadata": map(&entity.metadata),
            "name": entity.name,
            "namespace_id": namespace_id(&tx.namespace),
            "policies": entity.policies,
        }))
    }
    pub(super) async fn group_data(&self, tx: &Tx, group: &Group) -> Result<Value> {
        let mut alias = group.alias.as_ref().map(|alias| self.alias(&group.id, alias)).unwrap_or_default();
        for name in ["custom_metadata", "local"] {
            alias.remove(name);
        }
        Ok(json!({
            "alias": alias,
            "creation_time": group.created,
            "id": group.id,
            "last_update_time": group.updated,
            "member_entity_ids": list(&tx.members(&group.id).await?),
            "member_group_ids": list(&group.member_groups),
            "metadata": map(&group.metadata),
            "modify_index": group.modify_index,
            "name": group.name,
            "namespace_id": namespace_id(&tx.namespace),
            "parent_group_ids": list(&group.parents),
            "policies": list(&group.policies),
            "type": group.kind.word(),
        }))
    }
}
