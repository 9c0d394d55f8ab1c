//! Making, changing and deleting entities.
use super::Identity;
use super::record::{Entity, Named, check_metadata, fresh_name, policies};
use super::tx::{Tx, alias_key, alias_name_key, entity_key, entity_name_key, member_key, secrets_of, taken};
use crate::mount::entry::uuid;
use lessor_engine::{Error, Result};
use std::collections::BTreeMap;

/// What a write of an entity says; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct EntityWrite {
    /// Names the entity to change; wins over the name.
    pub id: Option<String>,
    /// Names the entity to make or change, or renames the one of that id.
    pub name: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub policies: Option<Vec<String>>,
    pub disabled: Option<bool>,
}

/// Which entity was meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum By<'a> {
    Id(&'a str),
    Name(&'a str),
}

impl Tx {
    /// The entity of that name.
    pub(super) async fn entity_named(&mut self, name: &str) -> Result<Option<Entity>> {
        match self.pointed(&entity_name_key(name)).await? {
            Some(id) => self.entity(&id).await,
            None => Ok(None),
        }
    }
    /// A new entity, not stored yet.
    pub(super) fn fresh_entity(&self, name: Option<String>) -> Entity {
        Entity {
            id: uuid(),
            name: name.unwrap_or_else(|| fresh_name("entity", &self.namespace)),
            metadata: BTreeMap::new(),
            policies: Vec::new(),
            disabled: false,
            created: self.now,
            updated: self.now,
            merged: Vec::new(),
            aliases: Vec::new(),
            groups: Vec::new(),
        }
    }
    /// Stores an entity under its id and, new or renamed, its name.
    pub(super) fn put_entity(&mut self, entity: &Entity) -> Result<()> {
        self.put(entity_name_key(&entity.name), &Named::new(&entity.id, &entity.name))?;
        self.put(entity_key(&entity.id), entity)
    }
    /// Removes an entity, its aliases and its memberships.
    pub(super) fn delete_entity(&mut self, entity: &Entity) {
        self.delete(entity_key(&entity.id));
        self.delete(entity_name_key(&entity.name));
        for alias in &entity.aliases {
            self.delete(alias_key(&alias.id));
            self.delete(alias_name_key(&alias.mount_accessor, &alias.name));
        }
        for group in &entity.groups {
            self.delete(member_key(group, &entity.id));
        }
    }
}

impl Identity {
    /// Makes or changes an entity; `Some` where it was made.
    pub(super) async fn write_entity(&self, namespace: &str, write: &EntityWrite) -> Result<Option<Entity>> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let made = write_entity(&mut tx, write).await?;
            if tx.commit(&mut tries).await? {
                return Ok(made);
            }
        }
    }
    /// Deletes an entity; unknown is success.
    pub(super) async fn delete_entity(&self, namespace: &str, by: By<'_>) -> Result<()> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let found = match by {
                By::Id(id) => tx.entity(id).await?,
                By::Name(name) => tx.entity_named(name).await?,
            };
            if let Some(entity) = found {
                tx.delete_entity(&entity);
                let secrets = secrets_of(&entity.id);
                for name in tx.names(&secrets).await? {
                    tx.delete(format!("{secrets}{name}"));
                }
            }
            if tx.commit(&mut tries).await? {
                return Ok(());
            }
        }
    }
}

async fn write_entity(tx: &mut Tx, write: &EntityWrite) -> Result<Option<Entity>> {
    let old = match (&write.id, &write.name) {
        (Some(id), _) => {
            let found = tx.entity(id).await?;
            Some(found.ok_or_else(|| Error::invalid("entity not found from id"))?)
        }
        (None, Some(name)) => tx.entity_named(name).await?,
        (None, None) => None,
    };
    let fresh = old.is_none();
    let mut entity = old.clone().unwrap_or_else(|| tx.fresh_entity(write.name.clone()));
    if let Some(metadata) = &write.metadata {
        check_metadata("entity", metadata)?;
        entity.metadata.clone_from(metadata);
    }
    if let Some(names) = &write.policies {
        entity.policies = policies(names)?;
    }
    if let Some(disabled) = write.disabled {
        entity.disabled = disabled;
    }
    if let Some(name) = &write.name {
        entity.name.clone_from(name);
    }
    entity.updated = tx.now;
    let holder = tx.pointed(&entity_name_key(&entity.name)).await?;
    if holder.is_some_and(|holder| holder != entity.id) {
        return Err(taken("entity"));
    }
    if let Some(old) = old.filter(|old| old.name != entity.name) {
        tx.delete(entity_name_key(&old.name));
    }
    tx.put_entity(&entity)?;
    Ok(fresh.then_some(entity))
}
