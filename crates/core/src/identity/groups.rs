//! Groups: their members, the groups they are in, and the aliases of external ones.
use super::Identity;
use super::aliases::{Place, Written};
use super::entities::By;
use super::record::{Group, GroupKind, Named, check_metadata, fresh_name, policies};
use super::tx::{Tx, group_alias_key, group_alias_name_key, group_key, group_name_key, member_key, taken};
use crate::mount::entry::uuid;
use lessor_engine::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What a write of a group says; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupWrite {
    pub id: Option<String>,
    pub name: Option<String>,
    pub kind: Option<GroupKind>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub policies: Option<Vec<String>>,
    pub member_entities: Option<Vec<String>>,
    pub member_groups: Option<Vec<String>>,
}

/// What a write of a group alias says.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupAliasWrite {
    pub id: Option<String>,
    pub name: String,
    pub place: Place,
    pub canonical_id: Option<String>,
}

impl Tx {
    /// The group of that name.
    pub(super) async fn group_named(&mut self, name: &str) -> Result<Option<Group>> {
        match self.pointed(&group_name_key(name)).await? {
            Some(id) => self.group(&id).await,
            None => Ok(None),
        }
    }
    /// The group that `by` means.
    pub(super) async fn group_by(&mut self, by: By<'_>) -> Result<Option<Group>> {
        match by {
            By::Id(id) => self.group(id).await,
            By::Name(name) => self.group_named(name).await,
        }
    }
    /// The group with that index key of an alias.
    pub(super) async fn group_of_alias(&mut self, key: &str) -> Result<Option<Group>> {
        match self.pointed(key).await? {
            Some(id) => self.group(&id).await,
            None => Ok(None),
        }
    }
    fn fresh_group(&self, name: Option<String>, kind: GroupKind) -> Group {
        Group {
            id: uuid(),
            name: name.unwrap_or_else(|| fresh_name("group", &self.namespace)),
            kind,
            metadata: BTreeMap::new(),
            policies: Vec::new(),
            member_groups: Vec::new(),
            parents: Vec::new(),
            alias: None,
            created: self.now,
            updated: self.now,
            modify_index: 0,
        }
    }
    /// Makes `entity` a member of the group, or ends that; unknown entities are the caller's business.
    pub(super) async fn set_member(&mut self, group: &str, entity: &str, member: bool) -> Result<bool> {
        let Some(mut entity) = self.entity(entity).await? else { return Ok(false) };
        let mut groups: BTreeSet<String> = entity.groups.into_iter().collect();
        if member {
            groups.insert(group.to_owned());
            self.put(member_key(group, &entity.id), &())?;
        } else {
            groups.remove(group);
            self.delete(member_key(group, &entity.id));
        }
        entity.groups = groups.into_iter().collect();
        self.put(super::tx::entity_key(&entity.id), &entity)?;
        Ok(true)
    }
    /// Ids of a group's own members.
    pub(super) async fn members(&self, group: &str) -> Result<Vec<String>> {
        self.names(&member_key(group, "")).await
    }
}

impl Identity {
    /// Makes or changes a group; `Some` where it was made.
    pub(super) async fn write_group(&self, namespace: &str, write: &GroupWrite) -> Result<Option<Group>> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let made = write_group(&mut tx, write).await?;
            if tx.commit(&mut tries).await? {
                return Ok(made);
            }
        }
    }
    /// Deletes a group; unknown is success.
    pub(super) async fn delete_group(&self, namespace: &str, by: By<'_>) -> Result<()> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            if let Some(group) = tx.group_by(by).await? {
                delete_group(&mut tx, &group).await?;
            }
            if tx.commit(&mut tries).await? {
                return Ok(());
            }
        }
    }
    /// Makes or changes the alias of an external group; a group without alias gets one, its old one goes.
    pub(super) async fn write_group_alias(&self, namespace: &str, write: &GroupAliasWrite) -> Result<Written> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let written = write_group_alias(&mut tx, write).await?;
            if tx.commit(&mut tries).await? {
                return Ok(written);
            }
        }
    }
    /// Deletes the alias of a group; unknown is success.
    pub(super) async fn delete_group_alias(&self, namespace: &str, id: &str) -> Result<()> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            if let Some(mut group) = tx.group_of_alias(&group_alias_key(id)).await? {
                detach_alias(&mut tx, &mut group);
                tx.put_group(&group)?;
            }
            if tx.commit(&mut tries).await? {
                return Ok(());
            }
        }
    }
}

async fn write_group(tx: &mut Tx, write: &GroupWrite) -> Result<Option<Group>> {
    let old = match (&write.id, &write.name) {
        (Some(id), _) => Some(tx.group(id).await?.ok_or_else(|| Error::invalid("invalid group ID"))?),
        (None, Some(name)) => tx.group_named(name).await?,
        (None, None) => None,
    };
    let fresh = old.is_none();
    let kind = write.kind.unwrap_or(GroupKind::Internal);
    let mut group = old.clone().unwrap_or_else(|| tx.fresh_group(write.name.clone(), kind));
    if write.kind.is_some_and(|kind| kind != group.kind) {
        return Err(Error::invalid("group type cannot be changed"));
    }
    if let Some(names) = &write.policies {
        group.policies = policies(names)?;
    }
    if let Some(name) = &write.name {
        group.name.clone_from(name);
    }
    let holder = tx.pointed(&group_name_key(&group.name)).await?;
    if holder.is_some_and(|holder| holder != group.id) {
        return Err(taken("group"));
    }
    if let Some(metadata) = &write.metadata {
        check_metadata("group", metadata)?;
        group.metadata.clone_from(metadata);
    }
    if group.kind == GroupKind::External {
        if write.member_entities.is_some() {
            return Err(Error::invalid("member entities can't be set manually for external groups"));
        }
        if write.member_groups.is_some() {
            return Err(Error::invalid("member groups can't be set for external groups"));
        }
    }
    if let Some(wanted) = &write.member_groups {
        set_member_groups(tx, &mut group, wanted).await?;
    }
    if let Some(wanted) = &write.member_entities {
        set_member_entities(tx, &group.id, wanted).await?;
    }
    group.updated = tx.now;
    group.modify_index += 1;
    if let Some(old) = old.filter(|old| old.name != group.name) {
        tx.delete(group_name_key(&old.name));
    }
    tx.put(group_name_key(&group.name), &Named::new(&group.id, &group.name))?;
    tx.put_group(&group)?;
    Ok(fresh.then_some(group))
}

async fn set_member_entities(tx: &mut Tx, group: &str, wanted: &[String]) -> Result<()> {
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let now: BTreeSet<String> = tx.members(group).await?.into_iter().collect();
    for id in now.iter().filter(|id| !wanted.contains(id.as_str())) {
        tx.set_member(group, id, false).await?;
    }
    for id in &wanted {
        if !tx.set_member(group, id, true).await? {
            return Err(Error::invalid(format!("invalid entity ID {id:?}")));
        }
    }
    Ok(())
}

async fn set_member_groups(tx: &mut Tx, group: &mut Group, wanted: &[String]) -> Result<()> {
    let wanted: BTreeSet<String> = wanted.iter().cloned().collect();
    let above = ancestors(tx, group).await?;
    for id in &wanted {
        if *id == group.id {
            return Err(Error::invalid(format!("member group ID {id:?} is same as the ID of the group")));
        }
        let Some(mut member) = tx.group(id).await? else {
            return Err(Error::invalid(format!("invalid member group ID {id:?}")));
        };
        if above.contains(id) {
            return Err(Error::invalid(format!("cyclic relationship detected for member group ID {id:?}")));
        }
        if !member.parents.contains(&group.id) {
            member.parents.push(group.id.clone());
            member.parents.sort_unstable();
            member.modify_index += 1;
            tx.put_group(&member)?;
        }
    }
    for id in group.member_groups.iter().filter(|id| !wanted.contains(*id)) {
        if let Some(mut member) = tx.group(id).await? {
            member.parents.retain(|parent| *parent != group.id);
            member.modify_index += 1;
            tx.put_group(&member)?;
        }
    }
    group.member_groups = wanted.into_iter().collect();
    Ok(())
}

/// Ids of the groups that the group is in, directly or not.
async fn ancestors(tx: &mut Tx, group: &Group) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut next = group.parents.clone();
    while let Some(id) = next.pop() {
        if found.insert(id.clone())
            && let Some(parent) = tx.group(&id).await?
        {
            next.extend(parent.parents);
        }
    }
    Ok(found)
}

async fn delete_group(tx: &mut Tx, group: &Group) -> Result<()> {
    for id in tx.members(&group.id).await? {
        tx.set_member(&group.id, &id, false).await?;
    }
    for id in &group.member_groups {
        if let Some(mut member) = tx.group(id).await? {
            member.parents.retain(|parent| *parent != group.id);
            tx.put_group(&member)?;
        }
    }
    for id in &group.parents {
        if let Some(mut parent) = tx.group(id).await? {
            parent.member_groups.retain(|member| *member != group.id);
            tx.put_group(&parent)?;
        }
    }
    detach_alias(tx, &mut group.clone());
    tx.delete(group_name_key(&group.name));
    tx.delete(group_key(&group.id));
    tx.delete_cached();
    Ok(())
}

fn detach_alias(tx: &mut Tx, group: &mut Group) {
    if let Some(alias) = group.alias.take() {
        tx.delete(group_alias_key(&alias.id));
        tx.delete(group_alias_name_key(&alias.mount_accessor, &alias.name));
    }
}

async fn write_group_alias(tx: &mut Tx, write: &GroupAliasWrite) -> Result<Written> {
    let key = group_alias_name_key(&write.place.accessor, &write.name);
    let mut alias = tx.fresh_alias(&write.name, &write.place);
    let mut owner = None;
    if let Some(id) = &write.id {
        let unknown = || Error::invalid("invalid group alias ID");
        let mut old = tx.group_of_alias(&group_alias_key(id)).await?.ok_or_else(unknown)?;
        let known = old.alias.clone().ok_or_else(unknown)?;
        (alias.id, alias.created) = (known.id, known.created);
        detach_alias(tx, &mut old);
        owner = Some(old);
    }
    let target = match (&write.canonical_id, &owner) {
        (Some(id), Some(old)) if *id == old.id => owner.take(),
        (Some(id), _) => tx.group(id).await?,
        (None, Some(_)) => owner.take(),
        (None, None) => Some(tx.fresh_group(None, GroupKind::External)),
    };
    let mut group = target.ok_or_else(|| Error::invalid("invalid group ID given in 'canonical_id'"))?;
    if group.kind != GroupKind::External {
        return Err(Error::invalid("alias can't be set on an internal group"));
    }
    if let Some(holder) = tx.pointed(&key).await?
        && (holder != group.id || write.id.is_some())
    {
        return Err(Error::invalid("combination of mount and group alias name is already in use"));
    }
    if let Some(old) = owner {
        tx.put_group(&old)?;
    }
    if let Some(same) = group.alias.as_ref().filter(|old| write.id.is_none() && old.name == alias.name) {
        (alias.id, alias.created) = (same.id.clone(), same.created);
    }
    detach_alias(tx, &mut group);
    let written = Written { id: alias.id.clone(), canonical_id: group.id.clone() };
    tx.put(group_alias_key(&alias.id), &Named::new(&group.id, &alias.name))?;
    tx.put(key, &Named::new(&group.id, &alias.name))?;
    tx.put(group_name_key(&group.name), &Named::new(&group.id, &group.name))?;
    group.alias = Some(alias);
    group.updated = tx.now;
    group.modify_index += 1;
    tx.put_group(&group)?;
    Ok(written)
}
