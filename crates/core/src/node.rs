//! The node: sealed or not, and the way from one to the other.
use crate::active::Active;
use crate::audit::{Audit, Declared};
use crate::barrier::{Barrier, Key};
use crate::ceremony::{self, Ceremony};
use crate::cluster::{Cluster, ClusterClock, Member};
use crate::generate_root::GenerateRoot;
use crate::glance::Known;
use crate::identity::Identity;
use crate::lease::Store;
use crate::locks::Locks;
use crate::mount::{Factories, Mounts};
use crate::namespace::Namespaces;
use crate::policy::Policies;
use crate::quota::{LeaseCounts, Quotas};
use crate::rekey::Rekeys;
use crate::revocation::Lanes;
use crate::seal::health::Health;
use crate::seal::{Gathering, SealKind, SealStore, Seals};
use crate::settings::Settings;
use crate::system;
use crate::token::Tokens;
use crate::upkeep::RotationConfig;
use lessor_engine::{Clock, Error, Result};
use lessor_storage::{Batch, Expect, Storage};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a node is made of.
pub struct Parts {
    /// Without the barrier.
    pub storage: Arc<dyn Storage>,
    /// How it is unsealed.
    pub seal: Seals,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the operator decided.
    pub settings: Settings,
    /// The engines and auth methods of this build.
    pub factories: Factories,
}

/// One node.
pub struct Core {
    pub(crate) parts: Parts,
    settings: Arc<Settings>,
    /// Held back to the slowest of the nodes.
    time: Arc<ClusterClock>,
    pub(crate) barrier: Arc<Barrier>,
    pub(crate) seals: SealStore,
    active: RwLock<Option<Unsealed>>,
    declared: RwLock<Vec<Declared>>,
    pub(crate) in_flight: crate::in_flight::InFlight,
    pub(crate) levels: crate::logs::Levels,
    /// Held by whoever seals or unseals.
    pub(crate) change: Mutex<()>,
    /// The shares of an unseal that is under way.
    pub(crate) unsealing: std::sync::Mutex<Option<Gathering>>,
    pub(crate) rekeys: Rekeys,
    pub(crate) generate_root: Ceremony<GenerateRoot>,
    pub(crate) rotation: RwLock<RotationConfig>,
    pub(crate) health: Health,
}

/// An unsealed node and its keys.
#[derive(Clone)]
pub(crate) struct Unsealed {
    active: Arc<Active>,
    pub(crate) keys: Keys,
}

/// What an unsealed node knows.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Encrypts the keyring.
    pub(crate) root: Key,
    /// Encrypts the root key with `shamir`: a root key can be replaced without asking for shares.
    pub(crate) unseal: Option<Key>,
}

impl Core {
    /// A sealed node.
    pub fn new(parts: Parts) -> Arc<Self> {
        let barrier = Arc::new(Barrier::new(Arc::clone(&parts.storage)));
        let declared = parts.settings.audit.clone();
        Arc::new(Self {
            settings: Arc::new(parts.settings.clone()),
            time: Arc::new(ClusterClock::new(Arc::clone(&parts.clock))),
            seals: SealStore::new(Arc::clone(&parts.storage)),
            rekeys: Rekeys::new(&barrier),
            generate_root: Ceremony::new(Arc::clone(&barrier), "generate-root"),
            barrier,
            parts,
            active: RwLock::default(),
            declared: RwLock::new(declared),
            change: Mutex::default(),
            in_flight: crate::in_flight::InFlight::default(),
            levels: crate::logs::Levels::default(),
            unsealing: std::sync::Mutex::default(),
            rotation: RwLock::default(),
            health: Health::default(),
        })
    }
    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }
    /// The barrier.
    pub fn barrier(&self) -> &Barrier {
        &self.barrier
    }
    /// The seal of the configuration.
    pub fn seal_kind(&self) -> &SealKind {
        &self.parts.seal.current
    }
    pub(crate) fn unsealed(&self) -> Option<Unsealed> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The unsealed node.
    ///
    /// # Errors
    /// When it is sealed.
    pub fn active(&self) -> Result<Arc<Active>> {
        self.unsealed().map(|unsealed| unsealed.active).ok_or(Error::Storage(lessor_storage::Error::Sealed))
    }
    /// The requests that are under way, by id, as `sys/in-flight-req` shows them.
    pub fn under_way(&self) -> serde_json::Value {
        serde_json::Value::Object(self.in_flight.shown())
    }
    fn declared(&self) -> Vec<Declared> {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Replaces the audit devices that the configuration file declares, now and at every later unsealing.
    ///
    /// # Errors
    /// What [`Audit::declare`] says.
    pub async fn declare_audit(&self, declared: Vec<Declared>) -> Result<()> {
        if let Some(unsealed) = self.unsealed() {
            unsealed.active.audit.declare(&declared).await?;
        }
        *self.declared.write().unwrap_or_else(PoisonError::into_inner) = declared;
        Ok(())
    }
    fn member(&self) -> Member {
        let now = self.parts.clock.now();
        Member {
            id: crate::mount::entry::uuid(),
            name: sysinfo::System::host_name().unwrap_or_default(),
            api_addr: self.settings.api_addr.clone(),
            version: self.settings.version.clone(),
            joined: now,
            wall: now,
            leases: std::collections::BTreeMap::new(),
        }
    }
    /// Begins to serve. The caller holds `change`.
    pub(crate) async fn activate(self: &Arc<Self>, keys: Keys) -> Result<()> {
        self.barrier.unseal(&keys.root).await?;
        let storage = Arc::clone(&self.barrier) as Arc<dyn Storage>;
        let parts = &self.parts;
        let cluster = Cluster::new(Arc::clone(&storage), Arc::clone(&self.time), self.member());
        cluster.join().await?;
        if cluster.members().len() == 1 {
            ceremony::forget(&storage).await?;
        }
        let builtin = system::mounts(self);
        self.load_rotation().await?;
        let audit = Audit::load(Arc::clone(&storage)).await?;
        audit.declare(&self.declared()).await?;
        let counts = Arc::new(LeaseCounts::default());
        counts.hear(cluster.told()).await;
        let active = Arc::new(Active {
            cluster_id: cluster_id(&storage).await?,
            clock: Arc::clone(&self.time) as Arc<dyn Clock>,
            cluster,
            settings: Arc::clone(&self.settings),
            leases: Store::new(Arc::clone(&storage)).counted(Arc::clone(&counts)),
            tokens: Tokens::load(Arc::clone(&storage)).await?.counted(Arc::clone(&counts)),
            quotas: Quotas::load(Arc::clone(&storage), counts).await?,
            mounts: Arc::new(Mounts::load(Arc::clone(&storage), parts.factories.clone(), builtin).await?),
            audit,
            identity: Arc::new(Identity::new(Arc::clone(&storage), Arc::clone(&self.time) as Arc<dyn Clock>)),
            namespaces: Namespaces::load(Arc::clone(&storage)).await?,
            policies: Policies::new(Arc::clone(&storage)),
            locks: Locks::default(),
            lanes: Lanes::default(),
            paused: AtomicBool::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            epoch: Known::default(),
            wake: Notify::new(),
            next_due: AtomicI64::new(i64::MAX),
            storage,
        });
        if self.settings.paused {
            active.pause().await?;
        }
        active.load_paused().await?;
        active.catch_up().await?;
        crate::history::note(&active.storage, &self.settings.version, active.now()).await?;
        active.take_over().await?;
        active.tasks.spawn(Arc::clone(&active).reap());
        active.tasks.spawn(Arc::clone(&active).count_usage());
        if active.cluster.is_shared() {
            active.tasks.spawn(crate::cluster::stay(Arc::downgrade(self), Arc::clone(&active)));
            active.tasks.spawn(crate::cluster::keep_count(Arc::clone(&active)));
        }
        active.tasks.spawn(crate::upkeep::run(Arc::downgrade(self), active.stop.clone()));
        if let (SealKind::Auto(seal), true) = (&parts.seal.current, parts.seal.watch.enabled) {
            let clock = Arc::clone(&parts.clock);
            let watch = self.health.clone().watch(Arc::clone(seal), parts.seal.watch, clock, active.stop.clone());
            active.tasks.spawn(watch);
        }
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(Unsealed { active, keys });
        metrics::gauge!("core.unsealed").set(1.0);
        metrics::gauge!("core.active").set(1.0);
        Ok(())
    }
    /// Other keys of the node that is unsealed.
    pub(crate) fn set_keys(&self, keys: Keys) {
        if let Some(unsealed) = self.active.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            unsealed.keys = keys;
        }
    }
    /// Forgets every key. What runs gets a moment to end; what does not is taken up at the next start.
    pub async fn seal(&self) {
        let _change = self.change.lock().await;
        let unsealed = self.active.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Unsealed { active, .. }) = unsealed {
            active.stop.cancel();
            active.tasks.close();
            if tokio::time::timeout(Duration::from_secs(5), active.tasks.wait()).await.is_err() {
                tracing::warn!("sealed with platform calls under way; they are taken up at the next start");
            }
            if let Err(error) = active.cluster.leave().await {
                tracing::warn!(%error, "the other nodes take over when they notice that this one is gone");
            }
            if let Err(error) = self.barrier.save_encryptions().await {
                tracing::warn!(%error, "the count of encryptions was not stored");
            }
        }
        self.barrier.seal();
        metrics::gauge!("core.unsealed").set(0.0);
        metrics::gauge!("core.active").set(0.0);
    }
    /// Adds a key to the barrier's keyring.
    ///
    /// # Errors
    /// When sealed or storage fails.
    pub async fn rotate_barrier(&self) -> Result<()> {
        let keys = self.current_keys().await?;
        Ok(self.barrier.rotate(&keys.root, self.parts.clock.now().as_second()).await?)
    }
}

/// The UUID of the storage; made when it is unsealed for the first time.
async fn cluster_id(storage: &Arc<dyn Storage>) -> Result<String> {
    const KEY: &str = "core/cluster-id";
    if let Some(entry) = storage.get(KEY).await? {
        return Ok(String::from_utf8_lossy(&entry.value).into_owned());
    }
    let made = crate::mount::entry::uuid();
    storage.commit(Batch::new().expect(KEY, Expect::Absent).put(KEY, made.clone())).await?;
    Ok(made)
}
