//! The mount table: one record, and what was made of it.
use super::entry::{Entry, check_unprotected};
use lessor_engine::{Backend, Error, Factory, Result};
use lessor_storage::{Batch, Expect, Storage};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::Mutex;

const TABLE: &str = "core/mounts";

/// A mount that answers.
pub struct Mounted {
    /// Its record.
    pub entry: Entry,
    /// Its engine.
    pub backend: Backend,
    /// Held shared while a credential is made, and alone while the mount goes.
    pub gate: Arc<tokio::sync::RwLock<()>>,
}

impl Mounted {
    /// A mount that is always there.
    pub fn builtin(path: &str, kind: &str, description: &str, paths: lessor_engine::PathTable) -> Arc<Self> {
        let mut entry = Entry::new(path, kind);
        description.clone_into(&mut entry.description);
        Arc::new(Self { entry, backend: Backend::new(paths), gate: Arc::default() })
    }
}

#[derive(Default)]
struct Table {
    by_path: BTreeMap<String, Arc<Mounted>>,
    by_uuid: HashMap<String, Arc<Mounted>>,
}

/// All mounts.
pub struct Mounts {
    storage: Arc<dyn Storage>,
    factories: Vec<Arc<dyn Factory>>,
    /// `sys/` and `auth/token/`: always there, never stored.
    builtin: Vec<Arc<Mounted>>,
    table: RwLock<Arc<Table>>,
    change: Mutex<()>,
}

impl Mounts {
    /// Reads the table.
    ///
    /// # Errors
    /// When storage fails or an engine is missing from this build.
    pub async fn load(
        storage: Arc<dyn Storage>,
        factories: Vec<Arc<dyn Factory>>,
        builtin: Vec<Arc<Mounted>>,
    ) -> Result<Self> {
        let mounts = Self { storage, factories, builtin, table: RwLock::default(), change: Mutex::default() };
        let entries = mounts.read().await?.0;
        mounts.install(entries)?;
        Ok(mounts)
    }
    async fn read(&self) -> Result<(Vec<Entry>, Expect)> {
        Ok(match self.storage.get(TABLE).await? {
            Some(stored) => (serde_json::from_slice(&stored.value)?, Expect::Version(stored.version)),
            None => (Vec::new(), Expect::Absent),
        })
    }
    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// What stays the same keeps its backend (and with it the engine's connections).
    fn install(&self, entries: Vec<Entry>) -> Result<()> {
        let old = self.table();
        let mut table = Table::default();
        let mut all = self.builtin.clone();
        for entry in entries {
            let known = old.by_uuid.get(&entry.uuid).filter(|known| known.entry.options == entry.options);
            let (backend, gate) = match known {
                Some(known) => (known.backend.clone(), Arc::clone(&known.gate)),
                None => (self.factory(&entry.kind)?.create(&entry.options)?, Arc::default()),
            };
            all.push(Arc::new(Mounted { entry, backend, gate }));
        }
        for mounted in all {
            table.by_uuid.insert(mounted.entry.uuid.clone(), mounted.clone());
            table.by_path.insert(mounted.entry.path.clone(), mounted);
        }
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }
    fn factory(&self, kind: &str) -> Result<&Arc<dyn Factory>> {
        self.factories
            .iter()
            .find(|factory| factory.kind() == kind)
            .ok_or_else(|| Error::invalid(format!("plugin not found in the catalog: {kind}")))
    }
    /// The engines of this build: type and description.
    pub fn catalog(&self) -> Vec<(&'static str, &'static str)> {
        self.factories.iter().map(|factory| (factory.kind(), factory.description())).collect()
    }
    /// Changes the stored table, then the one in use. `change` sees the stored entries.
    async fn change(&self, change: impl FnOnce(&mut Vec<Entry>) -> Result<()>) -> Result<()> {
        let _one = self.change.lock().await;
        let (mut entries, expect) = self.read().await?;
        change(&mut entries)?;
        let batch = Batch::new().expect(TABLE, expect).put(TABLE, serde_json::to_vec(&entries)?);
        self.storage.commit(batch).await?;
        self.install(entries)
    }
    /// The mount that `path` (a request's) lies in, by its longest prefix.
    pub fn find(&self, path: &str) -> Option<Arc<Mounted>> {
        let table = self.table();
        let ends = path.match_indices('/').map(|(at, _)| at + 1).rev();
        let exact = format!("{path}/");
        let found = ends.filter_map(|end| table.by_path.get(&path[..end])).next();
        found.or_else(|| table.by_path.get(&exact)).cloned()
    }
    /// The mount at exactly `path` (with its slash).
    pub fn at(&self, path: &str) -> Option<Arc<Mounted>> {
        self.table().by_path.get(path).cloned()
    }
    /// The mount of that uuid.
    pub fn by_uuid(&self, uuid: &str) -> Option<Arc<Mounted>> {
        self.table().by_uuid.get(uuid).cloned()
    }
    /// All of them, by path.
    pub fn all(&self) -> Vec<Arc<Mounted>> {
        self.table().by_path.values().cloned().collect()
    }
    /// Whether a mount at `path` would lie on, in or around another one.
    fn check_free(&self, path: &str) -> Result<()> {
        let table = self.table();
        let clash = table.by_path.keys().find(|other| other.starts_with(path) || path.starts_with(other.as_str()));
        clash.map_or(Ok(()), |other| Err(Error::invalid(format!("path is already in use at {other}"))))
    }
    /// Mounts.
    ///
    /// # Errors
    /// When the path is taken or the engine unknown.
    pub async fn mount(&self, entry: Entry) -> Result<()> {
        check_unprotected(&entry.path, "mount")?;
        self.factory(&entry.kind)?.create(&entry.options)?;
        self.check_free(&entry.path)?;
        self.change(|entries| {
            if entries.iter().any(|other| other.path == entry.path) {
                return Err(Error::invalid(format!("path is already in use at {}", entry.path)));
            }
            entries.push(entry);
            Ok(())
        })
        .await
    }
    /// Changes one entry.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn update(&self, uuid: &str, change: impl FnOnce(&mut Entry)) -> Result<()> {
        self.change(|entries| {
            let entry = entries.iter_mut().find(|entry| entry.uuid == uuid);
            change(entry.ok_or_else(|| Error::invalid("no mount entry found"))?);
            Ok(())
        })
        .await
    }
    /// Moves to another path; the caller has tainted it and revoked its leases.
    ///
    /// # Errors
    /// When the path is taken.
    pub async fn move_to(&self, uuid: &str, path: &str) -> Result<()> {
        check_unprotected(path, "mount")?;
        self.check_free(path)?;
        self.update(uuid, |entry| {
            path.clone_into(&mut entry.path);
            entry.tainted = false;
        })
        .await
    }
    /// Whether `path` could be mounted at.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, path: &str) -> Result<()> {
        check_unprotected(path, "mount")?;
        self.check_free(path)
    }
    /// Forgets a mount; its storage is the caller's business.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn remove(&self, uuid: &str) -> Result<()> {
        self.change(|entries| {
            entries.retain(|entry| entry.uuid != uuid);
            Ok(())
        })
        .await
    }
}
