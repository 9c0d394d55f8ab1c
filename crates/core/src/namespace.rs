//! Namespaces: each with its own mounts, tokens, policies and identities, one inside the other.
pub mod delete;
pub mod table;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use table::{Namespaces, is_reserved};

/// One namespace; the root is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// From the root, with a trailing slash: `team-a/test/`.
    pub path: String,
    /// Six base62 characters: the suffix of its tokens and leases.
    pub id: String,
    /// Never changes.
    pub uuid: String,
    /// For people.
    pub custom_metadata: BTreeMap<String, String>,
    /// Being deleted: answers no client any more.
    pub tainted: bool,
    /// Hash of the key that unlocks its API; `None` while it is not locked.
    pub locked: Option<String>,
}

impl Namespace {
    /// The namespace it lies in: empty for the root.
    pub fn parent(&self) -> &str {
        parent(&self.path)
    }
}

impl crate::active::Active {
    /// The storage id of a lease that clients know by `id`: one of another namespace carries that namespace's id.
    pub fn lease_key(&self, namespace: &str, id: &str) -> String {
        let suffix = id.rsplit('/').next().and_then(|last| last.split_once('.')).map(|(_, suffix)| suffix);
        let named = suffix.and_then(|suffix| self.namespaces.by_id(suffix));
        format!("{}{id}", named.map_or_else(|| namespace.to_owned(), |named| named.path))
    }
}

/// What is in front of the last segment of a namespace's path.
pub fn parent(path: &str) -> &str {
    path.trim_end_matches('/').rfind('/').map_or("", |slash| &path[..=slash])
}
