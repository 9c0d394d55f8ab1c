//! What identity knows of a token's entity, as policies ask for it: once per request, from current records.
use std::collections::BTreeMap;

/// An entity with its aliases and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The entity's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// One per auth mount it logged in at.
    pub aliases: Vec<SubjectAlias>,
    /// Every group it is in, directly or through other groups.
    pub groups: Vec<SubjectGroup>,
    /// Policies of the entity and of its groups, sorted, each once.
    pub policies: Vec<String>,
}

/// An alias of a [`Subject`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectAlias {
    /// The alias's id.
    pub id: String,
    /// The accessor of the auth mount.
    pub mount_accessor: String,
    /// What the auth method calls the entity.
    pub name: String,
    /// Set by the auth method.
    pub metadata: BTreeMap<String, String>,
    /// Set by operators.
    pub custom_metadata: BTreeMap<String, String>,
}

/// A group of a [`Subject`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectGroup {
    /// The group's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
}
