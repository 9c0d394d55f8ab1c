//! The mount table: one record, and what was made of it.
use super::builtin::Builtins;
use super::entry::{Entry, check_unprotected};
use crate::metrics::Routes;
use crate::record::Record;
use crate::settings::Settings;
use lessor_engine::{Backend, Error, Factory, Mount, Result};
use lessor_storage::Storage;
use metrics::gauge;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

const TABLE: &str = "core/mounts";

/// A mount that answers.
pub struct Mounted {
    /// Its record.
    pub entry: Entry,
    /// Its engine.
    pub backend: Backend,
    /// Held shared while a credential is made, and alone while the mount goes.
    pub gate: Arc<tokio::sync::RwLock<()>>,
    /// How long its operations take.
    pub routes: Routes,
    told: OnceLock<Told>,
}

/// What every context of a mount holds.
pub struct Told {
    /// The mount, as its engine knows it.
    pub mount: Arc<Mount>,
    /// Where it stores.
    pub prefix: Arc<str>,
}

impl Mounted {
    /// A mount that is always there.
    pub fn builtin(path: &str, kind: &str, description: &str, paths: lessor_engine::PathTable) -> Arc<Self> {
        let mut entry = Entry::builtin(path, kind);
        description.clone_into(&mut entry.description);
        Arc::new(Self::new(entry, Backend::new(paths), Arc::default()))
    }
    fn new(entry: Entry, backend: Backend, gate: Arc<tokio::sync::RwLock<()>>) -> Self {
        Self { entry, backend, gate, routes: Routes::default(), told: OnceLock::new() }
    }
    /// The same mount with another record.
    pub(super) fn with_entry(&self, entry: Entry) -> Self {
        Self::new(entry, self.backend.clone(), Arc::clone(&self.gate))
    }
    /// What its engine is told, the system's TTLs filled in. A node's TTLs stay as they are; a mount that is tuned is
    /// another value.
    pub fn told(&self, settings: &Settings) -> &Told {
        self.told.get_or_init(|| Told {
            mount: Arc::new(self.entry.for_engine(settings.default_ttl, settings.max_ttl)),
            prefix: self.entry.storage_prefix().into(),
        })
    }
}

#[derive(Default)]
struct Table {
    /// By namespace and path.
    by_path: BTreeMap<String, Arc<Mounted>>,
    by_uuid: HashMap<String, Arc<Mounted>>,
    by_accessor: HashMap<String, Arc<Mounted>>,
}

impl Table {
    fn count(&self) {
        for (kind, auth) in [("logical", false), ("auth", true)] {
            for local in [false, true] {
                let entries = self.by_path.values().map(|mounted| &mounted.entry);
                let count = entries.filter(|entry| entry.is_auth() == auth && entry.local == local).count();
                let gauge = gauge!("core.mount_table.num_entries", "type" => kind, "local" => local.to_string());
                gauge.set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            }
        }
    }
    fn add(&mut self, mounted: Arc<Mounted>) {
        self.by_uuid.insert(mounted.entry.uuid.clone(), mounted.clone());
        self.by_accessor.insert(mounted.entry.accessor.clone(), mounted.clone());
        self.by_path.insert(mounted.entry.full_path(), mounted);
    }
}

/// What this build can mount.
#[derive(Clone, Default)]
pub struct Factories {
    /// Secrets engines.
    pub engines: Vec<Arc<dyn Factory>>,
    /// Auth methods.
    pub methods: Vec<Arc<dyn Factory>>,
}

impl Factories {
    fn of(&self, entry: &Entry) -> Result<&Arc<dyn Factory>> {
        let list = if entry.is_auth() { &self.methods } else { &self.engines };
        let found = list.iter().find(|factory| factory.kind() == entry.kind);
        found.ok_or_else(|| Error::invalid(format!("plugin not found in the catalog: {}", entry.kind)))
    }
}

/// All mounts.
pub struct Mounts {
    record: Record<Vec<Entry>>,
    factories: Factories,
    builtin: Builtins,
    table: RwLock<Arc<Table>>,
}

impl Mounts {
    /// Reads the table.
    ///
    /// # Errors
    /// When storage fails or an engine is missing from this build.
    pub async fn load(storage: Arc<dyn Storage>, factories: Factories, builtin: Vec<Arc<Mounted>>) -> Result<Self> {
        let builtin = Builtins::new(Arc::clone(&storage), builtin);
        let mounts = Self { record: Record::new(storage, TABLE), factories, builtin, table: RwLock::default() };
        mounts.reload().await?;
        Ok(mounts)
    }
    /// Reads the table again.
    ///
    /// # Errors
    /// As [`Mounts::load`].
    pub async fn reload(&self) -> Result<()> {
        self.record.reload(async |entries| self.install(entries)).await?;
        self.builtin.reload().await
    }
    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// What stays the same keeps its backend (and with it the engine's connections).
    fn install(&self, entries: Vec<Entry>) -> Result<()> {
        let old = self.table();
        let mut table = Table::default();
        let mut all = self.builtin.delivered().to_vec();
        for entry in entries {
            let known = old.by_uuid.get(&entry.uuid).filter(|known| known.entry.options == entry.options);
            let (backend, gate) = match known {
                Some(known) => (known.backend.clone(), Arc::clone(&known.gate)),
                None => (self.factories.of(&entry)?.create(&entry.options)?, Arc::default()),
            };
            all.push(Arc::new(Mounted::new(entry, backend, gate)));
        }
        for mounted in all {
            table.add(mounted);
        }
        table.count();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }
    /// Makes the backends of some mounts anew, from what is stored.
    ///
    /// # Errors
    /// When an engine refuses its options; then all stay as they were.
    pub fn renew(&self, picks: impl Fn(&Entry) -> bool) -> Result<()> {
        let old = self.table();
        let mut table = Table::default();
        for mounted in old.by_path.values() {
            let fresh = match !self.builtin.holds(&mounted.entry) && picks(&mounted.entry) {
                true => {
                    let backend = self.factories.of(&mounted.entry)?.create(&mounted.entry.options)?;
                    let (entry, gate) = (mounted.entry.clone(), Arc::clone(&mounted.gate));
                    Arc::new(Mounted::new(entry, backend, gate))
                }
                false => Arc::clone(mounted),
            };
            table.add(fresh);
        }
        table.count();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }
    /// What this build can mount.
    pub fn factories(&self) -> &Factories {
        &self.factories
    }
    /// Changes the stored table, then the one in use. `change` sees the stored entries.
    async fn change(&self, change: impl FnMut(&mut Vec<Entry>) -> Result<()>) -> Result<()> {
        self.record.change(change, async |entries| self.install(entries)).await
    }
    /// The mount that `path` (a request's, within `namespace`) lies in, by its longest prefix.
    pub fn find(&self, namespace: &str, path: &str) -> Option<Arc<Mounted>> {
        let full = format!("{namespace}{path}/");
        let within = &full[namespace.len()..];
        if let Some(builtin) = self.builtin.find(namespace, |path| within.starts_with(path)) {
            return Some(builtin);
        }
        let table = self.table();
        let ends = full.match_indices('/').map(|(at, _)| at + 1).rev().filter(|end| *end > namespace.len());
        let found = ends.filter_map(|end| table.by_path.get(&full[..end])).next();
        found.filter(|mounted| mounted.entry.namespace == namespace).cloned()
    }
    /// The mount at exactly `path` (with its slash) of a namespace.
    pub fn at(&self, namespace: &str, path: &str) -> Option<Arc<Mounted>> {
        if let Some(builtin) = self.builtin.find(namespace, |builtin| builtin == path) {
            return Some(builtin);
        }
        self.table().by_path.get(&format!("{namespace}{path}")).cloned()
    }
    /// The mount with that accessor.
    pub fn by_accessor(&self, accessor: &str) -> Option<Arc<Mounted>> {
        self.table().by_accessor.get(accessor).cloned()
    }
    /// The mount of that uuid.
    pub fn by_uuid(&self, uuid: &str) -> Option<Arc<Mounted>> {
        self.table().by_uuid.get(uuid).cloned()
    }
    /// All of them, by namespace and path; those that every namespace has stand there once.
    pub fn all(&self) -> Vec<Arc<Mounted>> {
        self.table().by_path.values().cloned().collect()
    }
    /// Those of one namespace, by path.
    pub fn of(&self, namespace: &str) -> Vec<Arc<Mounted>> {
        let table = self.table();
        let own = table.by_path.values().filter(|mounted| mounted.entry.namespace == namespace);
        let own = own.filter(|mounted| !self.builtin.holds(&mounted.entry)).cloned();
        let mut found: Vec<Arc<Mounted>> = own.chain(self.builtin.of(namespace)).collect();
        found.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
        found
    }
    /// Whether a mount at `full` (namespace and path) would lie on, in or around another one.
    fn check_free(&self, full: &str, namespace: &str) -> Result<()> {
        let table = self.table();
        let clash = table.by_path.keys().find(|other| other.starts_with(full) || full.starts_with(other.as_str()));
        clash.map_or(Ok(()), |other| {
            let shown = other.strip_prefix(namespace).unwrap_or(other);
            Err(Error::invalid(format!("path is already in use at {shown}")))
        })
    }
    /// Mounts.
    ///
    /// # Errors
    /// When the path is taken or the engine unknown.
    pub async fn mount(&self, entry: Entry) -> Result<()> {
        check_unprotected(&entry.path, "mount")?;
        self.factories.of(&entry)?.create(&entry.options)?;
        let full = entry.full_path();
        self.check_free(&full, &entry.namespace)?;
        let kind = entry.kind.clone();
        self.change(|entries| {
            if entries.iter().any(|other| other.full_path() == full) {
                return Err(Error::invalid(format!("path is already in use at {}", entry.path)));
            }
            entries.push(entry.clone());
            Ok(())
        })
        .await?;
        tracing::info!(path = full, kind, "mounted");
        Ok(())
    }
    /// Changes a mount that every namespace has, in this one; which it is, its uuid says.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn tune_builtin(&self, namespace: &str, entry: &Entry) -> Result<()> {
        self.builtin.tune(namespace, entry).await
    }
    /// Whether every namespace has it.
    pub fn is_builtin(&self, entry: &Entry) -> bool {
        self.builtin.holds(entry)
    }
    /// Forgets what was tuned of such mounts in a namespace that ends.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn forget_tuned(&self, namespace: &str) -> Result<()> {
        self.builtin.forget(namespace).await
    }
    /// Changes one entry.
    ///
    /// # Errors
    /// When it is gone, or its engine refuses the options.
    pub async fn update(&self, uuid: &str, change: impl Fn(&mut Entry)) -> Result<()> {
        self.change(|entries| {
            let entry = entries.iter_mut().find(|entry| entry.uuid == uuid);
            let entry = entry.ok_or_else(|| Error::invalid("no mount entry found"))?;
            let before = entry.options.clone();
            change(entry);
            if entry.options == before { Ok(()) } else { self.factories.of(entry)?.retune(&before, &entry.options) }
        })
        .await
    }
    /// Moves to another place; the caller has tainted it and revoked its leases.
    ///
    /// # Errors
    /// When the path is taken.
    pub async fn move_to(&self, uuid: &str, namespace: &str, path: &str) -> Result<()> {
        self.check(namespace, path)?;
        self.update(uuid, |entry| {
            namespace.clone_into(&mut entry.namespace);
            path.clone_into(&mut entry.path);
            entry.tainted = false;
        })
        .await
    }
    /// Whether `path` could be mounted at.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, namespace: &str, path: &str) -> Result<()> {
        check_unprotected(path, "mount")?;
        self.check_free(&format!("{namespace}{path}"), namespace)
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
        .await?;
        tracing::info!(uuid, "unmounted");
        Ok(())
    }
}
