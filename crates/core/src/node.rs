//! The node: sealed or not, and the way from one to the other.
use crate::active::Active;
use crate::audit::{Audit, Declared};
use crate::barrier::{Barrier, Key};
use crate::identity::Identity;
use crate::lease::Store;
use crate::lease::pace::Paces;
use crate::locks::Locks;
use crate::mount::{Factories, Mounts};
use crate::namespace::Namespaces;
use crate::policy::Policies;
use crate::quota::{LeaseCounts, Quotas};
use crate::revocation::Lanes;
use crate::seal::{self, SealConfig, SealKind, SealStore};
use crate::settings::Settings;
use crate::system;
use crate::token::record::fresh_text;
use crate::token::{Token, Tokens};
use lessor_engine::{Clock, Error, Result, Secret};
use lessor_storage::{Batch, Storage};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zeroize::Zeroizing;

/// What a node is made of.
pub struct Parts {
    /// Without the barrier.
    pub storage: Arc<dyn Storage>,
    /// How it is unsealed.
    pub seal: SealKind,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the operator decided.
    pub settings: Settings,
    /// The engines and auth methods of this build.
    pub factories: Factories,
}

/// One node.
pub struct Core {
    parts: Parts,
    settings: Arc<Settings>,
    barrier: Arc<Barrier>,
    seals: SealStore,
    active: RwLock<Option<Unsealed>>,
    declared: RwLock<Vec<Declared>>,
    change: Mutex<Progress>,
    pub(crate) in_flight: crate::in_flight::InFlight,
    pub(crate) levels: crate::logs::Levels,
    pub(crate) rekey: Mutex<Option<crate::rekey::Rekey>>,
}

#[derive(Clone)]
struct Unsealed {
    active: Arc<Active>,
    root: Key,
}

#[derive(Default)]
struct Progress {
    shares: Vec<Zeroizing<Vec<u8>>>,
    nonce: String,
}

/// What initialisation gives, once.
pub struct Initialised {
    /// Key shares, or recovery key shares with an automatic seal.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
    /// Whether `shares` are for recovery.
    pub recovery: bool,
    /// The root token.
    pub root_token: Secret,
}

/// How far unsealing is.
#[derive(Clone, Debug)]
pub struct SealStatus {
    /// `None` before initialisation.
    pub config: Option<SealConfig>,
    /// Whether a key is needed.
    pub sealed: bool,
    /// Shares given so far.
    pub progress: usize,
    /// Names this attempt; empty before the first share.
    pub nonce: String,
}

impl Core {
    /// A sealed node.
    pub fn new(parts: Parts) -> Arc<Self> {
        let barrier = Arc::new(Barrier::new(Arc::clone(&parts.storage)));
        let declared = parts.settings.audit.clone();
        Arc::new(Self {
            settings: Arc::new(parts.settings.clone()),
            seals: SealStore::new(Arc::clone(&parts.storage)),
            barrier,
            parts,
            active: RwLock::default(),
            declared: RwLock::new(declared),
            change: Mutex::default(),
            in_flight: crate::in_flight::InFlight::default(),
            levels: crate::logs::Levels::default(),
            rekey: Mutex::default(),
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
    /// The seal's word.
    pub fn seal_kind(&self) -> &SealKind {
        &self.parts.seal
    }
    fn unsealed(&self) -> Option<Unsealed> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The unsealed node.
    ///
    /// # Errors
    /// When it is sealed.
    pub fn active(&self) -> Result<Arc<Active>> {
        self.unsealed().map(|unsealed| unsealed.active).ok_or(Error::Storage(lessor_storage::Error::Sealed))
    }
    /// What `sys/seal-status` tells.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn seal_status(&self) -> Result<SealStatus> {
        let config = self.seals.config().await?;
        let progress = self.change.lock().await;
        let sealed = self.unsealed().is_none();
        Ok(SealStatus { config, sealed, progress: progress.shares.len(), nonce: progress.nonce.clone() })
    }
    /// Unseals by itself where the seal can; asked once after the start.
    ///
    /// # Errors
    /// When the key does not fit, or storage fails.
    pub async fn start(self: &Arc<Self>) -> Result<()> {
        let SealKind::Static(key) = &self.parts.seal else { return Ok(()) };
        if self.seals.config().await?.is_none() {
            return Ok(());
        }
        let root = self.seals.root_key(key).await?;
        let root =
            root.ok_or_else(|| Error::invalid("the key of the static seal is not the one that sealed this storage"))?;
        self.activate(root).await
    }
    /// Makes keys and the root token.
    ///
    /// # Errors
    /// When it was done before, or the numbers make no sense.
    pub async fn initialise(
        self: &Arc<Self>,
        shares: i64,
        threshold: i64,
        token: Option<Secret>,
    ) -> Result<Initialised> {
        let (shares, threshold) = seal::check_numbers(shares, threshold)?;
        let guard = self.change.lock().await;
        if self.seals.config().await?.is_some() {
            return Err(Error::invalid("Vault is already initialized"));
        }
        let shared = seal::new_shared(shares, threshold)?;
        let (unseal, recovery) = match &self.parts.seal {
            SealKind::Shamir => (shared.key.clone(), false),
            SealKind::Static(key) => (key.clone(), true),
        };
        let config = SealConfig { kind: self.parts.seal.word().to_owned(), shares, threshold };
        let root = self.seals.initialise(&config, &unseal, self.parts.clock.now().as_second()).await?;
        drop(guard);
        self.barrier.unseal(&root).await?;
        let tokens = Tokens::load(Arc::clone(&self.barrier) as Arc<dyn Storage>).await?;
        let record = self.root_token();
        let text = token.unwrap_or_else(|| fresh_text(record.created, ""));
        let (_, root_token) = tokens.create_as(record, text, Batch::new()).await?;
        if recovery {
            self.activate(root).await?;
        } else {
            self.barrier.seal();
        }
        Ok(Initialised { shares: shared.shares, recovery, root_token })
    }
    fn root_token(&self) -> Token {
        Token {
            policies: vec!["root".to_owned()],
            display_name: "root".to_owned(),
            ..Token::new(self.parts.clock.now(), "auth/token/root")
        }
    }
    /// Forgets the shares given so far.
    pub async fn reset_unseal(&self) {
        *self.change.lock().await = Progress::default();
    }
    /// Takes one key share; unseals with the last one that is needed.
    ///
    /// # Errors
    /// When the shares turn out to be wrong: then progress begins anew.
    pub async fn unseal(self: &Arc<Self>, share: Zeroizing<Vec<u8>>) -> Result<()> {
        let config = self.seals.config().await?.ok_or_else(|| Error::invalid("Vault is not initialized"))?;
        if self.unsealed().is_some() {
            return Ok(());
        }
        let mut progress = self.change.lock().await;
        if progress.nonce.is_empty() {
            progress.nonce = crate::mount::entry::uuid();
        }
        if !progress.shares.contains(&share) {
            progress.shares.push(share);
        }
        if progress.shares.len() < usize::from(config.threshold) {
            return Ok(());
        }
        let given = std::mem::take(&mut *progress);
        let root = match seal::join(&given.shares) {
            Some(key) => self.seals.root_key(&key).await?,
            None => None,
        };
        let root = root.ok_or_else(|| Error::invalid("error during unseal: the key shares do not fit together"))?;
        drop(progress);
        self.activate(root).await
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
    async fn activate(self: &Arc<Self>, root: Key) -> Result<()> {
        self.barrier.unseal(&root).await?;
        let storage = Arc::clone(&self.barrier) as Arc<dyn Storage>;
        let parts = &self.parts;
        let builtin = system::mounts(self);
        let audit = Audit::load(Arc::clone(&storage)).await?;
        audit.declare(&self.declared()).await?;
        let counts = Arc::new(LeaseCounts::default());
        let active = Arc::new(Active {
            clock: Arc::clone(&parts.clock),
            settings: Arc::clone(&self.settings),
            leases: Store::new(Arc::clone(&storage)).counted(Arc::clone(&counts)),
            tokens: Tokens::load(Arc::clone(&storage)).await?.counted(Arc::clone(&counts)),
            quotas: Quotas::load(Arc::clone(&storage), counts).await?,
            mounts: Arc::new(Mounts::load(Arc::clone(&storage), parts.factories.clone(), builtin).await?),
            audit,
            identity: Arc::new(Identity::new(Arc::clone(&storage), Arc::clone(&parts.clock))),
            namespaces: Namespaces::load(Arc::clone(&storage)).await?,
            policies: Policies::new(Arc::clone(&storage)),
            locks: Locks::default(),
            paces: Paces::default(),
            lanes: Lanes::default(),
            paused: AtomicBool::new(self.settings.paused),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wake: Notify::new(),
            next_due: AtomicI64::new(i64::MAX),
            storage,
        });
        crate::history::note(&active.storage, &self.settings.version, active.now()).await?;
        active.take_over().await?;
        active.tasks.spawn(Arc::clone(&active).reap());
        active.tasks.spawn(Arc::clone(&active).count_usage());
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(Unsealed { active, root });
        metrics::gauge!("core.unsealed").set(1.0);
        metrics::gauge!("core.active").set(1.0);
        Ok(())
    }
    /// Forgets every key. What runs gets a moment to end; what does not is taken up at the next start.
    pub async fn seal(&self) {
        let unsealed = self.active.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Unsealed { active, .. }) = unsealed {
            active.stop.cancel();
            active.tasks.close();
            if tokio::time::timeout(Duration::from_secs(5), active.tasks.wait()).await.is_err() {
                tracing::warn!("sealed with platform calls under way; they are taken up at the next start");
            }
        }
        self.barrier.seal();
        metrics::gauge!("core.unsealed").set(0.0);
        metrics::gauge!("core.active").set(0.0);
    }
    /// The root key, if `shares` are the ones that unseal.
    pub(crate) async fn root_of(&self, shares: &[Zeroizing<Vec<u8>>]) -> Result<Option<Key>> {
        match seal::join(shares) {
            Some(key) => self.seals.root_key(&key).await,
            None => Ok(None),
        }
    }
    /// Seals storage under another unseal key from now on; the node stays unsealed.
    pub(crate) async fn reseal(&self, config: &SealConfig, unseal: &Key) -> Result<()> {
        let root = self.seals.rekey(&self.barrier, config, unseal).await?;
        if let Some(unsealed) = self.active.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            unsealed.root = root;
        }
        Ok(())
    }
    /// Adds a key to the barrier's keyring.
    ///
    /// # Errors
    /// When sealed or storage fails.
    pub async fn rotate_barrier(&self) -> Result<()> {
        let unsealed = self.unsealed().ok_or(Error::Storage(lessor_storage::Error::Sealed))?;
        Ok(self.barrier.rotate(&unsealed.root, self.parts.clock.now().as_second()).await?)
    }
}
