//! What a login or a renewal tells about somebody.
use super::Identity;
use super::aliases::Place;
use super::record::{Entity, Record};
use super::tx::{Tx, group_alias_name_key};
use lessor_engine::{Alias, Error, Result};
use std::collections::BTreeSet;

/// The mount somebody logs in at.
#[derive(Clone, Copy, Debug)]
pub struct LoginAt<'a> {
    /// Empty for the root, else ends in `/`.
    pub namespace: &'a str,
    /// `userpass_1a2b3c4d`.
    pub accessor: &'a str,
    /// `auth/userpass/`.
    pub path: &'a str,
    /// `userpass`.
    pub kind: &'a str,
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The entity.
    pub entity_id: String,
    /// Whether this login made it.
    pub created: bool,
}

impl Identity {
    /// Finds the entity of an alias, or makes it; updates the alias's metadata and the entity's external groups.
    /// Of two first logins of one alias at the same time, one makes the entity and the other finds it.
    ///
    /// # Errors
    /// When the entity is disabled (403), or storage fails.
    pub async fn on_login(&self, at: &LoginAt<'_>, alias: &Alias, groups: &[String]) -> Result<Known> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(at.namespace);
            let known = tx.entity_of_alias_named(at.accessor, &alias.name).await?;
            let created = known.is_none();
            let mut entity = match known {
                Some(entity) if entity.disabled => return Err(Error::Forbidden("permission denied".to_owned())),
                Some(entity) => entity,
                None => tx.fresh_entity(None),
            };
            let mut changed = note_alias(&mut tx, at, alias, &mut entity)?;
            changed |= sync_groups(&mut tx, at.accessor, groups, &mut entity).await?;
            if changed {
                tx.put_entity(&entity)?;
            }
            if tx.commit(&mut tries).await? {
                return Ok(Known { entity_id: entity.id, created });
            }
        }
    }
    /// Updates the external groups of an entity to what its platform says now.
    ///
    /// # Errors
    /// When the entity is gone or disabled (403), or storage fails.
    pub async fn on_renew(&self, at: &LoginAt<'_>, entity_id: &str, groups: &[String]) -> Result<()> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(at.namespace);
            let found = tx.entity(entity_id).await?.filter(|entity| !entity.disabled);
            let mut entity = found.ok_or_else(|| Error::Forbidden("permission denied".to_owned()))?;
            if sync_groups(&mut tx, at.accessor, groups, &mut entity).await? {
                tx.put_entity(&entity)?;
            }
            if tx.commit(&mut tries).await? {
                return Ok(());
            }
        }
    }
    /// The entity that a token role's `entity_alias` stands for, as if it had logged in at the token mount.
    ///
    /// # Errors
    /// `entity from given entity alias is disabled` (403), or storage fails.
    pub async fn entity_of_token_role(&self, at: &LoginAt<'_>, alias: &str) -> Result<String> {
        let alias = Alias { name: alias.to_owned(), ..Alias::default() };
        match self.on_login(at, &alias, &[]).await {
            Ok(known) => Ok(known.entity_id),
            Err(Error::Forbidden(_)) => Err(Error::Forbidden("entity from given entity alias is disabled".to_owned())),
            Err(error) => Err(error),
        }
    }
}

/// Whether the entity changed.
fn note_alias(tx: &mut Tx, at: &LoginAt<'_>, alias: &Alias, entity: &mut Entity) -> Result<bool> {
    let now = tx.now;
    let same =
        |own: &&mut Record| own.mount_accessor == at.accessor && own.name.to_lowercase() == alias.name.to_lowercase();
    if let Some(own) = entity.aliases.iter_mut().find(same) {
        if own.metadata == alias.metadata {
            return Ok(false);
        }
        own.metadata.clone_from(&alias.metadata);
        own.updated = now;
        return Ok(true);
    }
    let place = Place { accessor: at.accessor.to_owned(), path: at.path.to_owned(), kind: at.kind.to_owned() };
    let mut record = tx.fresh_alias(&alias.name, &place);
    record.metadata.clone_from(&alias.metadata);
    tx.index_alias(&entity.id, &record)?;
    entity.aliases.push(record);
    Ok(true)
}

/// Joins the external groups the platform names and leaves those of this mount that it does not name any more.
/// Answers whether the entity changed.
async fn sync_groups(tx: &mut Tx, accessor: &str, names: &[String], entity: &mut Entity) -> Result<bool> {
    let mut wanted = BTreeSet::new();
    for name in names {
        if let Some(id) = tx.pointed(&group_alias_name_key(accessor, name)).await? {
            wanted.insert(id);
        }
    }
    let mut kept = BTreeSet::new();
    for id in &entity.groups {
        let group = tx.group(id).await?;
        let ours = group.and_then(|group| group.alias).is_some_and(|alias| alias.mount_accessor == accessor);
        if ours && !wanted.contains(id) {
            tx.delete(super::tx::member_key(id, &entity.id));
        } else {
            kept.insert(id.clone());
        }
    }
    for id in &wanted {
        if kept.insert(id.clone()) {
            // Guards against the group's deletion at the same time.
            tx.group(id).await?;
            tx.put(super::tx::member_key(id, &entity.id), &())?;
        }
    }
    let groups: Vec<String> = kept.into_iter().collect();
    let changed = groups != entity.groups;
    entity.groups = groups;
    Ok(changed)
}
