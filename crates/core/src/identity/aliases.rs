//! Aliases of entities: who somebody is at one auth mount.
use super::Identity;
use super::record::{Entity, Named, Record, check_custom_metadata};
use super::tx::{Tx, alias_key, alias_name_key};
use crate::mount::entry::uuid;
use lessor_engine::{Error, Result};
use std::collections::BTreeMap;

/// A mount that aliases belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub accessor: String,
    pub path: String,
    pub kind: String,
}

/// What a write of an entity alias says; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct AliasWrite {
    pub id: Option<String>,
    pub name: Option<String>,
    /// The entity it shall belong to.
    pub canonical_id: Option<String>,
    /// Already looked up.
    pub place: Option<Place>,
    pub custom_metadata: Option<BTreeMap<String, String>>,
}

/// Ids of a written alias.
pub(super) struct Written {
    pub id: String,
    pub canonical_id: String,
}

impl Tx {
    /// The entity that has the alias of that id.
    pub(super) async fn entity_of_alias(&mut self, id: &str) -> Result<Option<Entity>> {
        match self.pointed(&alias_key(id)).await? {
            Some(entity) => self.entity(&entity).await,
            None => Ok(None),
        }
    }
    /// The entity that has an alias of that name at the mount.
    pub(super) async fn entity_of_alias_named(&mut self, accessor: &str, name: &str) -> Result<Option<Entity>> {
        match self.pointed(&alias_name_key(accessor, name)).await? {
            Some(entity) => self.entity(&entity).await,
            None => Ok(None),
        }
    }
    /// Stores the index keys of an alias; the record itself lies in its entity.
    pub(super) fn index_alias(&mut self, entity: &str, alias: &Record) -> Result<()> {
        self.put(alias_key(&alias.id), &Named::new(entity, &alias.name))?;
        self.put(alias_name_key(&alias.mount_accessor, &alias.name), &Named::new(entity, &alias.name))
    }
    pub(super) fn unindex_alias(&mut self, alias: &Record) {
        self.delete(alias_key(&alias.id));
        self.delete(alias_name_key(&alias.mount_accessor, &alias.name));
    }
    /// A new alias, not stored yet.
    pub(super) fn fresh_alias(&self, name: &str, place: &Place) -> Record {
        Record {
            id: uuid(),
            name: name.to_owned(),
            mount_accessor: place.accessor.clone(),
            mount_path: place.path.clone(),
            mount_type: place.kind.clone(),
            metadata: BTreeMap::new(),
            custom_metadata: BTreeMap::new(),
            created: self.now,
            updated: self.now,
            merged_from: Vec::new(),
        }
    }
}

impl Identity {
    /// Makes or changes an alias.
    pub(super) async fn write_alias(&self, namespace: &str, write: &AliasWrite) -> Result<Written> {
        if let Some(metadata) = &write.custom_metadata {
            check_custom_metadata(metadata)?;
        }
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let written = write_alias(&mut tx, write).await?;
            if tx.commit(&mut tries).await? {
                return Ok(written);
            }
        }
    }
    /// Deletes an alias; unknown is success.
    pub(super) async fn delete_alias(&self, namespace: &str, id: &str) -> Result<()> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            if let Some(mut entity) = tx.entity_of_alias(id).await? {
                for alias in entity.aliases.iter().filter(|alias| alias.id == id) {
                    tx.unindex_alias(alias);
                }
                entity.aliases.retain(|alias| alias.id != id);
                tx.put_entity(&entity)?;
            }
            if tx.commit(&mut tries).await? {
                return Ok(());
            }
        }
    }
}

async fn write_alias(tx: &mut Tx, write: &AliasWrite) -> Result<Written> {
    let owner = match (&write.id, &write.place, &write.name) {
        (Some(id), _, _) => {
            let found = tx.entity_of_alias(id).await?;
            let owner = found.ok_or_else(|| Error::invalid("invalid alias ID provided"))?;
            let alias = owner.aliases.iter().find(|alias| alias.id == *id).cloned();
            alias.map(|alias| (owner, alias))
        }
        (None, Some(place), Some(name)) => {
            let owner = tx.entity_of_alias_named(&place.accessor, name).await?;
            owner.and_then(|owner| {
                let same =
                    |alias: &&Record| alias.mount_accessor == place.accessor && alias.name.eq_ignore_ascii_case(name);
                let alias = owner.aliases.iter().find(same).cloned();
                alias.map(|alias| (owner, alias))
            })
        }
        _ => return Err(Error::invalid("'id' or 'mount_accessor' and 'name' must be provided")),
    };
    match owner {
        Some((owner, alias)) => change_alias(tx, write, owner, alias).await,
        None => make_alias(tx, write).await,
    }
}

async fn make_alias(tx: &mut Tx, write: &AliasWrite) -> Result<Written> {
    let (Some(place), Some(name)) = (&write.place, &write.name) else {
        return Err(Error::invalid("'id' or 'mount_accessor' and 'name' must be provided"));
    };
    let mut entity = match &write.canonical_id {
        Some(id) => tx.entity(id).await?.ok_or_else(|| Error::invalid("invalid canonical ID"))?,
        None => tx.fresh_entity(None),
    };
    one_per_mount(&entity, &place.accessor, "")?;
    let mut alias = tx.fresh_alias(name, place);
    alias.custom_metadata = write.custom_metadata.clone().unwrap_or_default();
    let written = Written { id: alias.id.clone(), canonical_id: entity.id.clone() };
    tx.index_alias(&entity.id, &alias)?;
    entity.aliases.push(alias);
    tx.put_entity(&entity)?;
    Ok(written)
}

async fn change_alias(tx: &mut Tx, write: &AliasWrite, mut owner: Entity, mut alias: Record) -> Result<Written> {
    tx.unindex_alias(&alias);
    owner.aliases.retain(|other| other.id != alias.id);
    if write.id.is_some() {
        rename(tx, write, &mut alias).await?;
    }
    if let Some(metadata) = &write.custom_metadata {
        alias.custom_metadata.clone_from(metadata);
    }
    alias.updated = tx.now;
    let target = match &write.canonical_id {
        Some(id) if *id != owner.id => {
            let unknown = || Error::invalid("given 'canonical_id' is not associated with an entity");
            Some(tx.entity(id).await?.ok_or_else(unknown)?)
        }
        _ => None,
    };
    if let Some(mut target) = target {
        one_per_mount(&target, &alias.mount_accessor, &alias.id)?;
        tx.put_entity(&owner)?;
        return attach(tx, &mut target, alias);
    }
    one_per_mount(&owner, &alias.mount_accessor, &alias.id)?;
    attach(tx, &mut owner, alias)
}

/// By its id an alias can get another name, and move to another mount.
async fn rename(tx: &mut Tx, write: &AliasWrite, alias: &mut Record) -> Result<()> {
    let name = write.name.as_deref().unwrap_or(&alias.name).to_owned();
    let place = write.place.clone();
    let accessor = place.as_ref().map_or(alias.mount_accessor.as_str(), |place| place.accessor.as_str());
    // The alias's own key is already gone from this change, so whatever is found belongs to another one.
    if tx.pointed(&alias_name_key(accessor, &name)).await?.is_some() {
        return Err(Error::invalid("alias with combination of mount accessor and name already exists"));
    }
    alias.name = name;
    if let Some(Place { accessor, path, kind }) = place {
        (alias.mount_accessor, alias.mount_path, alias.mount_type) = (accessor, path, kind);
    }
    Ok(())
}

fn attach(tx: &mut Tx, entity: &mut Entity, alias: Record) -> Result<Written> {
    let written = Written { id: alias.id.clone(), canonical_id: entity.id.clone() };
    tx.index_alias(&entity.id, &alias)?;
    entity.aliases.push(alias);
    tx.put_entity(entity)?;
    Ok(written)
}

fn one_per_mount(entity: &Entity, accessor: &str, except: &str) -> Result<()> {
    let taken = entity.aliases.iter().any(|alias| alias.mount_accessor == accessor && alias.id != except);
    if taken {
        return Err(Error::invalid("Alias already exists for requested entity and mount accessor"));
    }
    Ok(())
}
