//! The mounts that every namespace has. Each is one for all namespaces; what an operator tuned of it counts in the
//! namespace it was tuned in.
use super::entry::{Entry, MountConfig};
use super::table::Mounted;
use crate::record::Record;
use lessor_engine::Result;
use lessor_storage::Storage;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

const TUNED: &str = "core/tuned";

/// What differs from a mount as it is delivered.
#[derive(Serialize, Deserialize)]
struct Tuned {
    description: String,
    options: BTreeMap<String, String>,
    config: MountConfig,
}

/// By namespace and path of the mount.
type All = BTreeMap<String, Tuned>;

/// `sys/`, `auth/token/` and the like.
pub(super) struct Builtins {
    delivered: Vec<Arc<Mounted>>,
    record: Record<All>,
    /// Those that are tuned somewhere, by namespace and path.
    tuned: RwLock<Arc<HashMap<String, Arc<Mounted>>>>,
}

impl Builtins {
    pub(super) fn new(storage: Arc<dyn Storage>, delivered: Vec<Arc<Mounted>>) -> Self {
        Self { delivered, record: Record::new(storage, TUNED), tuned: RwLock::default() }
    }
    /// As they are delivered.
    pub(super) fn delivered(&self) -> &[Arc<Mounted>] {
        &self.delivered
    }
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.delivered.iter().any(|mounted| mounted.entry.uuid == entry.uuid)
    }
    /// As they are in a namespace.
    pub(super) fn of(&self, namespace: &str) -> impl Iterator<Item = Arc<Mounted>> {
        self.delivered.iter().map(move |mounted| self.tuned(namespace, mounted))
    }
    /// The one whose path fits, as it is in a namespace.
    pub(super) fn find(&self, namespace: &str, fits: impl Fn(&str) -> bool) -> Option<Arc<Mounted>> {
        let found = self.delivered.iter().find(|mounted| fits(&mounted.entry.path))?;
        Some(self.tuned(namespace, found))
    }
    fn tuned(&self, namespace: &str, delivered: &Arc<Mounted>) -> Arc<Mounted> {
        let tuned = self.tuned.read().unwrap_or_else(PoisonError::into_inner);
        let found = if tuned.is_empty() { None } else { tuned.get(&format!("{namespace}{}", delivered.entry.path)) };
        Arc::clone(found.unwrap_or(delivered))
    }
    /// Reads again what is tuned.
    pub(super) async fn reload(&self) -> Result<()> {
        self.record.reload(async |all| self.install(all)).await
    }
    fn install(&self, all: All) -> Result<()> {
        let tuned = all.into_iter().filter_map(|(place, tuned)| {
            let delivered = self.delivered.iter().find(|mounted| place.ends_with(&mounted.entry.path))?;
            let Tuned { description, options, config } = tuned;
            let entry = Entry { description, options, config, ..delivered.entry.clone() };
            Some((place, Arc::new(delivered.with_entry(entry))))
        });
        *self.tuned.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tuned.collect());
        Ok(())
    }
    /// Changes one in a namespace.
    pub(super) async fn tune(&self, namespace: &str, entry: &Entry) -> Result<()> {
        let insert = |all: &mut All| {
            let Entry { description, options, config, .. } = entry.clone();
            all.insert(format!("{namespace}{}", entry.path), Tuned { description, options, config });
            Ok(())
        };
        self.record.change(insert, async |all| self.install(all)).await
    }
    /// Forgets what was tuned in a namespace.
    pub(super) async fn forget(&self, namespace: &str) -> Result<()> {
        let places: Vec<String> =
            self.of(namespace).map(|mounted| format!("{namespace}{}", mounted.entry.path)).collect();
        let remove = |all: &mut All| {
            all.retain(|place, _| !places.contains(place));
            Ok(())
        };
        self.record.change(remove, async |all| self.install(all)).await
    }
}
