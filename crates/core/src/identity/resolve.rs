//! From an entity's id to what policies need to know, at every request.
use super::Identity;
use super::record::{Entity, Group};
use super::subject::{Subject, SubjectAlias, SubjectGroup};
use super::tx::{GROUPS_CHANGED, Tx, entity_key};
use lessor_engine::Result;
use lessor_storage::Version;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Subjects that are remembered; beyond it all of them are forgotten.
const REMEMBERED: usize = 4096;

/// Versions that a subject was made of: of the entity, and of the groups.
type Seen = (Option<Version>, Option<Version>);

/// Namespace and id.
type Key = (String, String);

/// Subjects by namespace and id, good as long as the versions are still the same.
#[derive(Default)]
pub(super) struct Cache {
    known: Mutex<HashMap<Key, (Seen, Arc<Subject>)>>,
}

impl Cache {
    fn get(&self, key: &Key, seen: Seen) -> Option<Arc<Subject>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(version, _)| *version == seen).map(|(_, subject)| Arc::clone(subject))
    }
    fn put(&self, key: Key, seen: Seen, subject: &Arc<Subject>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, (seen, Arc::clone(subject)));
    }
}

/// The groups of an entity.
pub(super) struct Groups {
    /// It is a member itself.
    pub direct: Vec<Group>,
    /// It is a member through another group.
    pub inherited: Vec<Group>,
}

impl Tx {
    /// Every group the entity is in, sorted by id.
    pub(super) async fn groups_of(&mut self, entity: &Entity) -> Result<Groups> {
        let mut seen: BTreeSet<String> = entity.groups.iter().cloned().collect();
        let mut direct = Vec::new();
        let mut next = Vec::new();
        for id in &entity.groups {
            if let Some(group) = self.group(id).await? {
                next.extend(group.parents.iter().cloned());
                direct.push(group);
            }
        }
        let mut inherited = BTreeMap::new();
        while let Some(id) = next.pop() {
            if seen.insert(id.clone())
                && let Some(group) = self.group(&id).await?
            {
                next.extend(group.parents.iter().cloned());
                inherited.insert(id, group);
            }
        }
        Ok(Groups { direct, inherited: inherited.into_values().collect() })
    }
}

impl Identity {
    /// Who is behind a token now; `None` when the entity was deleted or is disabled. One read of storage, or two where
    /// it is in groups, as long as nothing changed.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn subject(&self, namespace: &str, entity_id: &str) -> Result<Option<Arc<Subject>>> {
        let mut tx = self.begin(namespace);
        let Some(entity) = tx.entity(entity_id).await?.filter(|entity| !entity.disabled) else { return Ok(None) };
        if !entity.groups.is_empty() {
            tx.get::<serde::de::IgnoredAny>(GROUPS_CHANGED).await?;
        }
        let seen = (tx.version(&entity_key(entity_id)), tx.version(GROUPS_CHANGED));
        let key = (namespace.to_owned(), entity_id.to_owned());
        if let Some(known) = self.subjects.get(&key, seen) {
            return Ok(Some(known));
        }
        let groups = tx.groups_of(&entity).await?;
        let subject = Arc::new(describe(entity, &groups));
        self.subjects.put(key, seen, &subject);
        Ok(Some(subject))
    }
}

fn describe(entity: Entity, groups: &Groups) -> Subject {
    let all = || groups.direct.iter().chain(&groups.inherited);
    let mut policies: BTreeSet<String> = entity.policies.into_iter().collect();
    policies.extend(all().flat_map(|group| group.policies.iter().cloned()));
    let aliases = entity.aliases.into_iter().map(|alias| SubjectAlias {
        id: alias.id,
        mount_accessor: alias.mount_accessor,
        name: alias.name,
        metadata: alias.metadata,
        custom_metadata: alias.custom_metadata,
    });
    let shown = all().map(|group| SubjectGroup {
        id: group.id.clone(),
        name: group.name.clone(),
        metadata: group.metadata.clone(),
    });
    Subject {
        id: entity.id,
        name: entity.name,
        metadata: entity.metadata,
        aliases: aliases.collect(),
        groups: shown.collect(),
        policies: policies.into_iter().collect(),
    }
}
