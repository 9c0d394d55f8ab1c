//! What is kept of entities, aliases and groups.
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// A UUID.
    pub id: String,
    /// Unique in its namespace without regard to case.
    pub name: String,
    /// Set by operators.
    pub metadata: BTreeMap<String, String>,
    /// Sorted, each once.
    pub policies: Vec<String>,
    /// Its tokens are refused.
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When an operator changed it.
    pub updated: Timestamp,
    /// Entities that were merged into it.
    pub merged: Vec<String>,
    /// Its aliases, in the order they were made.
    pub aliases: Vec<Record>,
    /// Ids of the groups it is a member of itself, sorted.
    pub groups: Vec<String>,
}

/// An alias of an entity or of an external group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// A UUID.
    pub id: String,
    /// What the auth method calls it.
    pub name: String,
    /// The accessor of the mount.
    pub mount_accessor: String,
    /// Where it was mounted when the alias was made.
    pub mount_path: String,
    /// The type of the mount.
    pub mount_type: String,
    /// Set by the auth method.
    pub metadata: BTreeMap<String, String>,
    /// Set by operators.
    pub custom_metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed.
    pub updated: Timestamp,
    /// The entities it belonged to before they were merged.
    pub merged_from: Vec<String>,
}

/// Who decides on a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// Operators.
    Internal,
    /// The platform behind an auth mount, at every login.
    External,
}

impl GroupKind {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
    /// Reads the word of the API.
    ///
    /// # Errors
    /// `invalid group type "…"`.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "internal" => Ok(Self::Internal),
            "external" => Ok(Self::External),
            _ => Err(Error::invalid(format!("invalid group type {word:?}"))),
        }
    }
}

/// A group. Its members lie under keys of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// A UUID.
    pub id: String,
    /// Unique in its namespace without regard to case.
    pub name: String,
    /// Who decides on its members.
    pub kind: GroupKind,
    /// Set by operators.
    pub metadata: BTreeMap<String, String>,
    /// Sorted, each once.
    pub policies: Vec<String>,
    /// Groups whose members are members of this one too, sorted.
    pub member_groups: Vec<String>,
    /// Groups this one is a member of, sorted.
    pub parents: Vec<String>,
    /// External groups only.
    pub alias: Option<Record>,
    /// When it was made.
    pub created: Timestamp,
    /// When an operator changed it.
    pub updated: Timestamp,
    /// Counts the changes.
    pub modify_index: u64,
}

/// What an index key holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Named {
    /// The record's id.
    pub id: String,
    /// The name as it was written, where the key is a name.
    pub name: String,
}

impl Named {
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned() }
    }
}

/// `entity_1a2b3c4d`, with the namespace's mark behind it.
pub(super) fn fresh_name(kind: &str, namespace: &str) -> String {
    let random: [u8; 4] = rand::rng().random();
    let mark = if namespace.is_empty() { "root" } else { namespace.trim_end_matches('/') };
    format!("{kind}_{}.{}", hex::encode(random), mark.replace('/', "_"))
}

/// Checks policies and brings them into their order.
///
/// # Errors
/// When `root` is among them.
pub(super) fn policies(names: &[String]) -> Result<Vec<String>> {
    let names = lessor_engine::auth::policy_names(names);
    if names.iter().any(|name| name == "root") {
        return Err(Error::invalid("policies cannot contain root"));
    }
    Ok(names)
}

const MAX_PAIRS: usize = 64;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 512;

/// Checks the metadata of an entity or group (`what`).
///
/// # Errors
/// What is too long or too many.
pub(super) fn check_metadata(what: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
    let refuse = |text: String| Err(Error::invalid(format!("invalid {what} metadata: {text}")));
    if metadata.len() > MAX_PAIRS {
        return refuse(format!("metadata cannot contain more than {MAX_PAIRS} key/value pairs"));
    }
    for (key, value) in metadata {
        let reason = if key.is_empty() {
            "key cannot be blank".to_owned()
        } else if key.len() > MAX_KEY {
            format!("key is too long (limit: {MAX_KEY} characters)")
        } else if value.len() > MAX_VALUE {
            format!("value is too long (limit: {MAX_VALUE} characters)")
        } else {
            continue;
        };
        return refuse(format!("failed to load metadata pair ({key:?}, {value:?}): {reason}"));
    }
    Ok(())
}

/// Checks the custom metadata of an alias.
///
/// # Errors
/// What is too long, too many or empty.
pub(super) fn check_custom_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    let refuse = |text: String| Err(Error::invalid(format!("custom_metadata validation failed: {text}")));
    if metadata.len() > MAX_PAIRS {
        return refuse(format!("payload must contain at most {MAX_PAIRS} keys, provided {}", metadata.len()));
    }
    for (key, value) in metadata {
        if key.is_empty() || key.len() > MAX_KEY {
            return refuse(format!("length of key {key:?} is {} but must be 0 < len(key) <= {MAX_KEY}", key.len()));
        }
        if value.is_empty() || value.len() > MAX_VALUE {
            let length = value.len();
            return refuse(format!(
                "length of value for key {key:?} is {length} but must be 0 < len(value) <= {MAX_VALUE}"
            ));
        }
    }
    Ok(())
}
