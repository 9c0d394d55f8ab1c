//! Unsealing: by key shares, by a seal that does it itself, and on the way from one seal to another.
use crate::barrier::Key;
use crate::node::{Core, Keys};
use crate::seal::{self, Fit, Gathering, Holders, Quorum, Seal, SealConfig, SealKind, Share};
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Version};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

/// Between two attempts to unseal by itself.
const RETRY: Duration = Duration::from_secs(5);
/// How long a start waits for the seal before it goes on behind the answer.
const PATIENCE: Duration = Duration::from_secs(3);

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
    /// Whether the storage is still sealed by another seal than the configuration's.
    pub migration: bool,
}

/// How a storage gets open with the seals of the configuration.
enum Way {
    /// By the seal it is sealed with.
    Open,
    /// People who hold shares agree to the change; the seal it is left by, unless that is `shamir`.
    Migrate(Option<Arc<dyn Seal>>),
}

impl Core {
    /// What `sys/seal-status` tells.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn seal_status(&self) -> Result<SealStatus> {
        let config = self.seals.config().await?.map(|(config, _)| config);
        let sealed = self.unsealed().is_none();
        let migration = sealed && config.as_ref().is_some_and(|config| self.is_migrating(config));
        let unsealing = self.unsealing.lock().unwrap_or_else(PoisonError::into_inner);
        let (progress, nonce) =
            unsealing.as_ref().map_or((0, String::new()), |given| (given.progress(), given.nonce.clone()));
        Ok(SealStatus { config, sealed, progress, nonce, migration })
    }
    fn is_migrating(&self, config: &SealConfig) -> bool {
        let leaving = self.parts.seal.leaving.as_ref();
        config.kind != self.seal_kind().word() || leaving.is_some_and(|seal| seal.kind() == config.kind)
    }
    /// Unseals by itself where the seal can. While that does not work it is tried again every few seconds, and while it
    /// takes long it goes on, behind the answer.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn start(self: &Arc<Self>) -> Result<()> {
        self.finish_restore().await?;
        if matches!(self.seal_kind(), SealKind::Shamir) {
            return Ok(());
        }
        let (first, answer) = oneshot::channel();
        tokio::spawn(open_in_the_end(Arc::downgrade(self), first));
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            // It takes long, or the node has ended.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
    /// Whether the node is unsealed now. What the seal says is logged, and no error.
    async fn try_to_open(self: &Arc<Self>) -> Result<bool> {
        let _change = self.change.lock().await;
        if self.unsealed().is_some() {
            return Ok(true);
        }
        let Some((config, version)) = self.seals.config().await? else { return Ok(false) };
        match self.open_by_itself(&config, version).await {
            Ok(opened) => Ok(opened),
            Err(error @ Error::Storage(_)) => Err(error),
            Err(error) => {
                tracing::error!(%error, "the node stays sealed; it is tried again");
                Ok(false)
            }
        }
    }
    async fn open_by_itself(self: &Arc<Self>, config: &SealConfig, version: Version) -> Result<bool> {
        let SealKind::Auto(seal) = self.seal_kind() else { return Ok(false) };
        if let Way::Migrate(_) = self.way(config).await? {
            tracing::warn!("seal migration is pending: unseal with the shares of the old seal and -migrate");
            return Ok(false);
        }
        let opened = seal::bounded(seal.unwrap(&config.wrapped()?)).await?;
        let root = Key::from_bytes(&opened.plain)
            .ok_or_else(|| Error::Internal("the seal decrypted something that is no root key".into()))?;
        self.activate(Keys { root: root.clone(), unseal: None }).await?;
        if opened.stale {
            self.wrap_anew(seal.as_ref(), config, version, &root).await;
        }
        Ok(true)
    }
    /// Puts the root key under the seal's present key. The node works without; the next start tries again.
    async fn wrap_anew(&self, seal: &dyn Seal, config: &SealConfig, version: Version, root: &Key) {
        let replaced = async {
            let next = config.with_wrapped(&seal::wrap_checked(seal, root).await?);
            self.seals.replace(&next, version, Batch::new()).await
        };
        match replaced.await {
            Ok(()) => tracing::info!("the root key lies under the present key of the {} seal now", seal.kind()),
            Err(error) => tracing::warn!(%error, "the root key still lies under the previous key of the seal"),
        }
    }
    /// How to get from the seal in storage to the one of the configuration.
    async fn way(&self, config: &SealConfig) -> Result<Way> {
        let stored = config.kind.as_str();
        let leaving = self.parts.seal.leaving.clone().filter(|seal| seal.kind() == stored);
        match (self.seal_kind(), leaving) {
            (SealKind::Shamir, _) if stored == "shamir" => Ok(Way::Open),
            (SealKind::Auto(_), _) if stored == "shamir" => Ok(Way::Migrate(None)),
            (SealKind::Auto(seal), None) if seal.kind() == stored => Ok(Way::Open),
            // Two seals of one kind: the one that decrypts the root key is the one it lies under.
            (SealKind::Auto(seal), Some(leaving)) if seal.kind() == stored => {
                let opens = seal::bounded(seal.unwrap(&config.wrapped()?)).await;
                Ok(if opens.is_ok() { Way::Open } else { Way::Migrate(Some(leaving)) })
            }
            (_, Some(leaving)) => Ok(Way::Migrate(Some(leaving))),
            (current, None) => Err(Error::invalid(format!(
                "cannot migrate the seal from \"{stored}\" to \"{}\": add the seal \"{stored}\" stanza with disabled = \"true\" to the configuration",
                current.word()
            ))),
        }
    }
    /// Forgets the shares given so far.
    pub async fn reset_unseal(&self) {
        *self.unsealing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
    /// Takes one key share; unseals with the last one that is needed. With `migrate` the seal of the configuration
    /// takes the place of the one in storage.
    ///
    /// # Errors
    /// When the shares turn out to be wrong: then progress begins anew.
    pub async fn unseal(self: &Arc<Self>, share: Share, migrate: bool) -> Result<()> {
        let _change = self.change.lock().await;
        let config = self.seals.config().await?;
        let (config, version) = config.ok_or_else(|| Error::invalid("Vault is not initialized"))?;
        if self.unsealed().is_some() {
            return Ok(());
        }
        let way = self.way(&config).await?;
        match (&way, migrate) {
            (Way::Migrate(_), false) => {
                return Err(Error::invalid("migrate option not provided and seal migration is pending"));
            }
            (Way::Open, true) => {
                let message = "can't perform a seal migration, no migration seal found".to_owned();
                return Err(Error::Refused { status: 500, message });
            }
            _ => {}
        }
        let Some(quorum) = self.gather(&config, share)? else { return Ok(()) };
        let keys = match way {
            Way::Open => self.open_with(&config, version, quorum).await?,
            Way::Migrate(leaving) => self.migrate(&config, version, leaving, quorum).await?,
        };
        self.activate(keys).await
    }
    /// The shares, once there are enough.
    fn gather(&self, config: &SealConfig, share: Share) -> Result<Option<Quorum>> {
        let mut slot = self.unsealing.lock().unwrap_or_else(PoisonError::into_inner);
        let gathering = slot.get_or_insert_with(Gathering::new);
        gathering.add(share);
        let fit = config.fit(gathering.shares());
        match fit {
            Fit::TooFew => Ok(None),
            Fit::Right(quorum) => {
                *slot = None;
                Ok(Some(quorum))
            }
            Fit::Wrong => {
                *slot = None;
                Err(Error::invalid("error during unseal: the key shares do not fit together"))
            }
        }
    }
    async fn open_with(&self, config: &SealConfig, version: Version, quorum: Quorum) -> Result<Keys> {
        let keys = match self.seal_kind() {
            SealKind::Shamir => Keys { root: shamir_root(quorum.root)?, unseal: Some(quorum.key) },
            // An operator sealed the node; the holders of recovery shares may have it opened.
            SealKind::Auto(seal) => Keys { root: unwrap_root(seal.as_ref(), config).await?, unseal: None },
        };
        // Whoever unseals shows which shares reached their holders.
        if let Some(settled) = config.settled(quorum.previous) {
            self.seals.replace(&settled, version, Batch::new()).await?;
        }
        Ok(keys)
    }
    /// Puts a fresh root key under the seal of the configuration, and the keyring under the root key, in one commit:
    /// until then the storage is sealed by the old seal, from then on by the new one.
    async fn migrate(
        &self,
        config: &SealConfig,
        version: Version,
        leaving: Option<Arc<dyn Seal>>,
        quorum: Quorum,
    ) -> Result<Keys> {
        let old = match leaving {
            None => shamir_root(quorum.root)?,
            Some(seal) => unwrap_root(seal.as_ref(), config).await?,
        };
        let root = Key::random()?;
        let holders = if quorum.previous { config.previous.as_ref() } else { None };
        let numbers = holders.unwrap_or(&config.holders).numbers();
        let (next, unseal) = match self.seal_kind() {
            SealKind::Shamir => {
                (SealConfig::shamir(Holders::of_unseal_key(numbers, &quorum.key, &root)?), Some(quorum.key))
            }
            SealKind::Auto(seal) => {
                let wrapped = seal::wrap_checked(seal.as_ref(), &root).await?;
                (SealConfig::auto(seal.kind(), &wrapped, Holders::of_recovery_key(numbers, &quorum.key)?), None)
            }
        };
        let keys = Keys { root, unseal };
        let mut batch = self.barrier.reseal(&old, &keys.root).await?;
        batch.append(self.leave_keys(&old, &keys).await?);
        self.seals.replace(&next, version, batch).await?;
        tracing::info!("the seal was migrated from {} to {}", config.kind, next.kind);
        Ok(keys)
    }
}

/// Tries until the node is unsealed or gone; `first` hears how the first attempt went.
async fn open_in_the_end(node: Weak<Core>, first: oneshot::Sender<Result<()>>) {
    let mut first = Some(first);
    loop {
        let Some(core) = node.upgrade() else { return };
        let (opened, answer) = match core.try_to_open().await {
            Ok(opened) => (opened, Ok(())),
            Err(error) => {
                tracing::error!(%error, "the node cannot begin to serve; it is tried again");
                (false, Err(error))
            }
        };
        drop(core);
        if let Some(first) = first.take() {
            // Whoever started the node may have lost patience.
            let _ = first.send(answer);
        }
        if opened {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn shamir_root(root: Option<Key>) -> Result<Key> {
    root.ok_or_else(|| Error::Internal("the key shares decrypt something that is no root key".into()))
}

async fn unwrap_root(seal: &dyn Seal, config: &SealConfig) -> Result<Key> {
    let opened = seal::bounded(seal.unwrap(&config.wrapped()?)).await?;
    Key::from_bytes(&opened.plain)
        .ok_or_else(|| Error::Internal("the seal decrypted something that is no root key".into()))
}
