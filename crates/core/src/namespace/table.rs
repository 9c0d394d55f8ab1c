//! The namespace table: one record, and what a request's path is resolved with.
use super::{Namespace, parent};
use crate::mount::entry::uuid;
use crate::record::Record;
use lessor_engine::{Error, Result};
use lessor_storage::Storage;
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

const TABLE: &str = "core/namespaces";
const RESERVED: [&str; 7] = ["root", "sys", "audit", "auth", "cubbyhole", "identity", "token"];
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

type Table = BTreeMap<String, Namespace>;

/// All namespaces but the root, by path.
pub struct Namespaces {
    record: Record<Table>,
    table: RwLock<Arc<Table>>,
}

/// Where a request belongs.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The namespace's path; empty for the root.
    pub namespace: String,
    /// What is left of the request's path.
    pub path: String,
}

impl Namespaces {
    /// Reads the table.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Self> {
        let namespaces = Self { record: Record::new(storage, TABLE), table: RwLock::default() };
        namespaces.reload().await?;
        Ok(namespaces)
    }
    /// Reads the table again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn reload(&self) -> Result<()> {
        self.record.reload(async |table| self.install(table)).await
    }
    fn install(&self, table: Table) -> Result<()> {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }
    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Whether there is the root and nothing else.
    pub fn is_empty(&self) -> bool {
        self.table.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
    /// The namespace at `path` (with its slash).
    pub fn at(&self, path: &str) -> Option<Namespace> {
        self.table().get(path).cloned()
    }
    /// The namespace of that id.
    pub fn by_id(&self, id: &str) -> Option<Namespace> {
        self.table().values().find(|namespace| namespace.id == id).cloned()
    }
    /// Everything below `path` (empty for the root), deep, in the order of paths.
    pub fn below(&self, path: &str) -> Vec<Namespace> {
        let table = self.table();
        let all = table.range(path.to_owned()..).map(|(_, namespace)| namespace);
        all.take_while(|n| n.path.starts_with(path)).filter(|n| n.path != path).cloned().collect()
    }
    /// Directly below `path`.
    pub fn children(&self, path: &str) -> Vec<Namespace> {
        self.below(path).into_iter().filter(|namespace| namespace.parent() == path).collect()
    }
    /// The id of the namespace at `path`: `root` for the root.
    pub fn id_of(&self, path: &str) -> String {
        let named = if path.is_empty() { None } else { self.at(path) };
        named.map_or_else(|| "root".to_owned(), |namespace| namespace.id)
    }
    /// Splits a request's path: a namespace may be named by the header, by the beginning of the path, or by both.
    /// `None` when the header names none.
    pub fn resolve(&self, header: &str, path: &str) -> Option<Resolved> {
        let table = self.table();
        if !header.is_empty() && !table.contains_key(header) {
            return None;
        }
        let full = format!("{header}{path}");
        let ends = full.match_indices('/').map(|(at, _)| at + 1).rev();
        let found = ends.take_while(|end| *end > header.len()).find(|end| table.contains_key(&full[..*end]));
        let end = found.unwrap_or(header.len());
        Some(Resolved { namespace: full[..end].to_owned(), path: full[end..].to_owned() })
    }
    /// The first namespace from the root down to `path` whose API is locked.
    pub fn lock_on(&self, path: &str) -> Option<Namespace> {
        let table = self.table();
        let ends = path.match_indices('/').map(|(at, _)| at + 1);
        ends.filter_map(|end| table.get(&path[..end])).find(|namespace| namespace.locked.is_some()).cloned()
    }
    async fn change<T>(&self, change: impl FnMut(&mut Table) -> Result<T>) -> Result<T> {
        self.record.change(change, async |table| self.install(table)).await
    }
    /// Makes a namespace, or leaves the one that is there.
    ///
    /// # Errors
    /// When the name is not possible or what it would lie in does not exist.
    pub async fn create(&self, path: &str, metadata: BTreeMap<String, String>) -> Result<Namespace> {
        check_name(path)?;
        self.change(|table| {
            let above = parent(path);
            if !above.is_empty() && !table.contains_key(above) {
                return Err(Error::invalid(format!("parent namespace {above:?} does not exist")));
            }
            let fresh = || Namespace {
                path: path.to_owned(),
                id: fresh_id(),
                uuid: uuid(),
                custom_metadata: BTreeMap::new(),
                tainted: false,
                locked: None,
            };
            let namespace = table.entry(path.to_owned()).or_insert_with(fresh);
            namespace.custom_metadata.clone_from(&metadata);
            Ok(namespace.clone())
        })
        .await
    }
    /// Changes one.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn update(&self, path: &str, change: impl Fn(&mut Namespace)) -> Result<Namespace> {
        self.change(|table| {
            let namespace = table.get_mut(path).ok_or_else(|| Error::NotFound("namespace not found".to_owned()))?;
            change(namespace);
            Ok(namespace.clone())
        })
        .await
    }
    /// Forgets one; what was in it is the caller's business.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn remove(&self, path: &str) -> Result<()> {
        self.change(|table| {
            table.remove(path);
            Ok(())
        })
        .await
    }
}

fn fresh_id() -> String {
    let mut random = rand::rng();
    (0..6).map(|_| char::from(BASE62[random.random_range(0..62)])).collect()
}

/// Whether no namespace may have that name, with or without its slash.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name.trim_end_matches('/'))
}

fn check_name(path: &str) -> Result<()> {
    let name = path[parent(path).len()..].trim_end_matches('/');
    if is_reserved(name) {
        return Err(Error::invalid(format!("\"{name}/\" is a reserved path and cannot be used as a namespace name")));
    }
    let fits = !name.is_empty() && name != "." && name != ".." && name.chars().all(|c| !c.is_control() && c != ' ');
    let text = || Error::invalid(format!("'{name}' is no namespace name: use letters, digits, '-' and '_'"));
    fits.then_some(()).ok_or_else(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor_storage::MemoryStorage;

    fn resolved(namespace: &str, path: &str) -> Option<Resolved> {
        Some(Resolved { namespace: namespace.into(), path: path.into() })
    }

    #[tokio::test]
    async fn the_deepest_namespace_of_header_and_path_counts() {
        let namespaces = Namespaces::load(Arc::new(MemoryStorage::new())).await.unwrap();
        assert_eq!(namespaces.resolve("", "a/sys/mounts"), resolved("", "a/sys/mounts"));
        namespaces.create("a/", BTreeMap::new()).await.unwrap();
        namespaces.create("a/b/", BTreeMap::new()).await.unwrap();
        assert_eq!(namespaces.resolve("", "a/b/kv/x"), resolved("a/b/", "kv/x"));
        assert_eq!(namespaces.resolve("a/", "b/kv/x"), resolved("a/b/", "kv/x"));
        assert_eq!(namespaces.resolve("a/b/", "kv/x"), resolved("a/b/", "kv/x"));
        assert_eq!(namespaces.resolve("c/", "kv/x"), None);
        assert_eq!(namespaces.children("").len(), 1);
        assert_eq!(namespaces.below("").len(), 2);
    }

    #[tokio::test]
    async fn names_of_the_system_and_missing_parents_are_refused() {
        let namespaces = Namespaces::load(Arc::new(MemoryStorage::new())).await.unwrap();
        for path in ["sys/", "a/b/", "a b/", "/"] {
            assert!(namespaces.create(path, BTreeMap::new()).await.is_err(), "{path}");
        }
    }
}
