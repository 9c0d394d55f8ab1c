//! New key shares: holders of enough old ones agree, then fresh ones take their place.
//!
//! The new shares exist only in the answer, and an answer can be lost. So the record that makes them count keeps the
//! old holders beside the new ones, and drops those once the answer has left ([`Core::handed_out`]), or once somebody
//! unseals, which shows who holds what. With verification the new shares were seen before they count.
mod record;

use crate::barrier::{Barrier, Key};
use crate::ceremony::{Ceremony, Stand, Step};
use crate::hand_out::{HandOut, one_key_per_share};
use crate::node::{Core, Keys};
use crate::pgp::PgpKey;
use crate::seal::{self, Gathering, Holders, Quorum, SealConfig, SealKind, Share};
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Storage, Version};
use record::{Rekey, Verify};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long after the answer the old shares still count.
const GRACE: Duration = Duration::from_millis(500);
/// Within this time a caller without a token has to name the operation he cancels.
const FRESH: i64 = 600;

/// Which key gets new shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// What unseals. With an automatic seal there are no shares of it: the root key is replaced.
    Barrier,
    /// The recovery key of an automatic seal.
    Recovery,
}

impl Target {
    fn backup_key(self) -> &'static str {
        match self {
            Self::Barrier => "core/unseal-keys-backup",
            Self::Recovery => "core/recovery-keys-backup",
        }
    }
}

/// What a rekey is asked for.
pub(crate) struct Wanted {
    pub(crate) shares: i64,
    pub(crate) threshold: i64,
    pub(crate) pgp_keys: Vec<String>,
    pub(crate) backup: bool,
    pub(crate) verification: bool,
}

/// The rekeys under way.
pub(crate) struct Rekeys {
    barrier: Ceremony<Rekey>,
    recovery: Ceremony<Rekey>,
    /// New shares count, and their answer is on its way.
    answering: AtomicBool,
}

/// How a rekey goes.
pub(crate) struct RekeyStatus {
    /// How many old shares are needed.
    pub(crate) required: u8,
    pub(crate) started: Option<Started>,
}

pub(crate) struct Started {
    pub(crate) nonce: String,
    pub(crate) shares: u8,
    pub(crate) threshold: u8,
    pub(crate) progress: usize,
    pub(crate) fingerprints: Option<Vec<String>>,
    pub(crate) backup: bool,
    pub(crate) verification: bool,
    pub(crate) verification_nonce: Option<String>,
}

/// The new shares, and the nonce of the operation that made them.
pub(crate) struct Rekeyed {
    pub(crate) nonce: String,
    pub(crate) shares: HandOut,
    pub(crate) backup: bool,
    pub(crate) verification_nonce: Option<String>,
}

/// How a verification goes.
pub(crate) struct VerifyStatus {
    pub(crate) nonce: String,
    pub(crate) shares: u8,
    pub(crate) threshold: u8,
    pub(crate) progress: usize,
}

impl Rekeys {
    pub(crate) fn new(barrier: &Arc<Barrier>) -> Self {
        let ceremony = |name| Ceremony::new(Arc::clone(barrier), name);
        Self { barrier: ceremony("rekey"), recovery: ceremony("rekey-recovery-key"), answering: AtomicBool::default() }
    }
    fn of(&self, target: Target) -> &Ceremony<Rekey> {
        match target {
            Target::Barrier => &self.barrier,
            Target::Recovery => &self.recovery,
        }
    }
}

impl Core {
    async fn sealed_by(&self, target: Target) -> Result<(SealConfig, Version)> {
        let config = self.seals.config().await?;
        let (config, version) = config.ok_or_else(|| Error::invalid("Vault is not initialized"))?;
        if target == Target::Recovery && config.is_shamir() {
            return Err(Error::invalid("recovery rekeying not supported"));
        }
        Ok((config, version))
    }
    /// Begins.
    pub(crate) async fn begin_rekey(&self, target: Target, wanted: Wanted) -> Result<()> {
        let (config, _) = self.sealed_by(target).await?;
        if wanted.backup && wanted.pgp_keys.is_empty() {
            return Err(Error::invalid(
                "cannot request a backup of the new keys without providing PGP keys for encryption",
            ));
        }
        if target == Target::Barrier && !config.is_shamir() {
            refuse_what_needs_shares(&wanted)?;
        }
        let numbers = seal::check_numbers(wanted.shares, wanted.threshold)?;
        one_key_per_share(wanted.pgp_keys.len(), wanted.shares, "incorrect number of PGP keys for rekey")?;
        let started = self.parts.clock.now();
        PgpKey::parse_all(&wanted.pgp_keys, started.as_second())?;
        self.rekeys
            .of(target)
            .change(|under_way| {
                if under_way.is_some() {
                    return Err(Error::invalid("rekey already in progress"));
                }
                *under_way = Some(Rekey {
                    gathering: Gathering::new(),
                    numbers,
                    pgp_keys: wanted.pgp_keys.clone(),
                    backup: wanted.backup,
                    verification: wanted.verification,
                    started,
                    verify: None,
                });
                Ok(())
            })
            .await?;
        self.rekeys.answering.store(false, Ordering::SeqCst);
        Ok(())
    }
    /// Forgets the operation. A `nonce` has to be its own; who is not `known` has to give one while it is fresh.
    pub(crate) async fn cancel_rekey(&self, target: Target, nonce: &str, known: bool) -> Result<()> {
        self.sealed_by(target).await?;
        let now = self.parts.clock.now().as_second();
        let cancel = |under_way: &mut Option<Rekey>| {
            if let Some(rekey) = under_way.as_ref() {
                let fresh = now - rekey.started.as_second() < FRESH;
                if nonce != rekey.gathering.nonce && (!nonce.is_empty() || (fresh && !known)) {
                    let text = "nonce: give the nonce of the rekey operation that is to be cancelled";
                    return Err(Error::invalid(text));
                }
            }
            *under_way = None;
            Ok(())
        };
        self.rekeys.of(target).change(cancel).await
    }
    /// Tells how it goes.
    pub(crate) async fn rekey_status(&self, target: Target) -> Result<RekeyStatus> {
        let required = self.sealed_by(target).await?.0.holders.threshold;
        let stand = self.rekeys.of(target).read().await?;
        Ok(RekeyStatus { required, started: stand.state.as_ref().map(Rekey::status).transpose()? })
    }
    /// Takes one old share; the last one that is needed gives the new ones.
    ///
    /// # Errors
    /// When none is under way, the nonce is another's, or the shares turn out to be wrong: then progress begins anew.
    pub(crate) async fn update_rekey(&self, target: Target, nonce: &str, share: Share) -> Result<Option<Rekeyed>> {
        self.rekeys.of(target).step(|stand| self.rekey_step(target, stand, nonce, share.clone())).await
    }
    async fn rekey_step(
        &self,
        target: Target,
        mut stand: Stand<Rekey>,
        nonce: &str,
        share: Share,
    ) -> Result<Step<Rekey, Option<Rekeyed>>> {
        let (config, version) = self.sealed_by(target).await?;
        let end = stand.end();
        let rekey = stand.state.as_mut().ok_or_else(|| Error::invalid("no barrier rekey in progress"))?;
        right_nonce("rekey operation", &rekey.gathering.nonce, nonce)?;
        if rekey.verify.is_some() {
            return Err(Error::invalid("rekey operation already finished; verification must be performed"));
        }
        let quorum = match rekey.gather(&config, share) {
            Ok(Some(quorum)) => quorum,
            Ok(None) => return Ok(Step::GoesOn(stand, Ok(None))),
            Err(error) => return Ok(Step::GoesOn(stand, Err(error))),
        };
        let nonce = rekey.gathering.nonce.clone();
        let (shares, threshold) = rekey.numbers;
        let made = seal::new_shared(shares, threshold)?;
        let none = target == Target::Barrier && !config.is_shamir();
        let hand_out = if none { HandOut::nothing() } else { HandOut::new(made.shares, &rekey.keys()?)? };
        if let Some(backup) = hand_out.backup(&nonce).filter(|_| rekey.backup) {
            self.barrier.commit(Batch::new().put(target.backup_key(), serde_json::to_vec(&backup)?)).await?;
        }
        let mut done = Rekeyed { nonce, shares: hand_out, backup: rekey.backup, verification_nonce: None };
        if rekey.verification {
            let gathering = Gathering::new();
            done.verification_nonce = Some(gathering.nonce.clone());
            rekey.verify = Some(Verify { gathering, key: made.key });
            return Ok(Step::GoesOn(stand, Ok(Some(done))));
        }
        let new = New { numbers: rekey.numbers, key: &made.key, old: Some(quorum) };
        if !self.put_in_place(target, (config, version), new, end).await? {
            return Ok(Step::Again);
        }
        self.rekeys.answering.store(!none, Ordering::SeqCst);
        Ok(Step::Ended(Some(done)))
    }
    /// Makes a new key count, in one commit with `with`; whether no other node changed the same meanwhile.
    async fn put_in_place(
        &self,
        target: Target,
        (config, version): (SealConfig, Version),
        New { numbers, key, old }: New<'_>,
        with: Batch,
    ) -> Result<bool> {
        let _change = self.change.lock().await;
        let before = self.current_keys().await?;
        let agreed = old.map(|old| (of_side(&config, old.previous).clone(), old.key));
        if target == Target::Recovery {
            let next = config.with_holders(Holders::of_recovery_key(numbers, key)?, agreed.map(|(holders, _)| holders));
            return unless_changed(self.seals.replace(&next, version, with).await);
        }
        let root = Key::random()?;
        let (next, unseal) = match self.seal_kind() {
            SealKind::Shamir => {
                let previous =
                    agreed.map(|(holders, old)| Holders::of_unseal_key(holders.numbers(), &old, &root)).transpose()?;
                let new = Holders::of_unseal_key(numbers, key, &root)?;
                (config.with_holders(new, previous), Some(key.clone()))
            }
            SealKind::Auto(seal) => (config.with_wrapped(&seal::wrap_checked(seal.as_ref(), &root).await?), None),
        };
        let keys = Keys { root, unseal };
        let mut batch = self.barrier.reseal(&before.root, &keys.root).await?;
        batch.append(self.leave_keys(&before.root, &keys).await?);
        batch.append(with);
        let done = unless_changed(self.seals.replace(&next, version, batch).await)?;
        if done {
            self.set_keys(keys);
        }
        Ok(done)
    }
    /// A fresh root key under the same unseal key or seal; nobody's shares change.
    ///
    /// # Errors
    /// When sealed, when a rekey is not settled yet, or the seal does not work.
    pub(crate) async fn rotate_root_key(&self) -> Result<()> {
        let (config, version) = self.sealed_by(Target::Barrier).await?;
        if config.previous.is_some() {
            return Err(Error::invalid("the shares of the last rekey are not known to have arrived: rekey once more"));
        }
        let unseal = self.current_keys().await?.unseal.unwrap_or(Key::random()?);
        let numbers = config.holders.numbers();
        let new = New { numbers, key: &unseal, old: None };
        if self.put_in_place(Target::Barrier, (config, version), new, Batch::new()).await? {
            return Ok(());
        }
        Err(Error::invalid("another node has replaced the keys at the same time"))
    }
    /// The answer with new shares has left: soon the old ones count no more.
    pub(crate) fn handed_out(self: &Arc<Self>) {
        if !self.rekeys.answering.swap(false, Ordering::SeqCst) {
            return;
        }
        let core = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(GRACE).await;
            if let Err(error) = core.drop_old_holders().await {
                tracing::warn!(%error, "the shares from before the rekey count until the next unsealing");
            }
        });
    }
    async fn drop_old_holders(&self) -> Result<()> {
        let Some((config, version)) = self.seals.config().await? else { return Ok(()) };
        match config.settled(false) {
            Some(settled) => self.seals.replace(&settled, version, Batch::new()).await,
            None => Ok(()),
        }
    }
    /// Tells how the verification goes.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn verify_status(&self, target: Target) -> Result<VerifyStatus> {
        self.sealed_by(target).await?;
        self.rekeys.of(target).read().await?.state.ok_or_else(no_rekey)?.verify_status()
    }
    /// Begins the verification anew, under another nonce.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn restart_verify(&self, target: Target) -> Result<VerifyStatus> {
        self.sealed_by(target).await?;
        let anew = |under_way: &mut Option<Rekey>| {
            let rekey = under_way.as_mut().ok_or_else(no_rekey)?;
            rekey.verify.as_mut().ok_or_else(no_verification)?.gathering = Gathering::new();
            rekey.verify_status()
        };
        self.rekeys.of(target).change(anew).await
    }
    /// Takes one new share; with enough of them the new shares count. Gives the nonce then.
    ///
    /// # Errors
    /// When there is none, the nonce is another's, or the shares are not the new ones: then it begins anew.
    pub(crate) async fn update_verify(&self, target: Target, nonce: &str, share: Share) -> Result<Option<String>> {
        self.rekeys.of(target).step(|stand| self.verify_step(target, stand, nonce, share.clone())).await
    }
    async fn verify_step(
        &self,
        target: Target,
        mut stand: Stand<Rekey>,
        nonce: &str,
        share: Share,
    ) -> Result<Step<Rekey, Option<String>>> {
        let config = self.sealed_by(target).await?;
        let end = stand.end();
        let rekey = stand.state.as_mut().ok_or_else(no_rekey)?;
        let numbers = rekey.numbers;
        let verify = rekey.verify.as_mut().ok_or_else(no_verification)?;
        right_nonce("verify operation", &verify.gathering.nonce, nonce)?;
        if !verify.gathering.add(share) {
            return Err(Error::invalid("given key has already been provided during this verify operation"));
        }
        if verify.gathering.progress() < usize::from(numbers.1) {
            return Ok(Step::GoesOn(stand, Ok(None)));
        }
        if seal::join(verify.gathering.shares()).as_ref() != Some(&verify.key) {
            verify.gathering = Gathering::new();
            let wrong = Error::invalid("rekey verification failed; incorrect key shares supplied");
            return Ok(Step::GoesOn(stand, Err(wrong)));
        }
        let nonce = verify.gathering.nonce.clone();
        if !self.put_in_place(target, config, New { numbers, key: &verify.key, old: None }, end).await? {
            return Ok(Step::Again);
        }
        Ok(Step::Ended(Some(nonce)))
    }
    /// The encrypted shares that a rekey was asked to keep.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) async fn rekey_backup(&self, target: Target) -> Result<Value> {
        let stored = self.barrier.get(target.backup_key()).await?;
        let stored = stored.ok_or_else(|| Error::invalid("no backed-up keys found"))?;
        Ok(serde_json::from_slice(&stored.value)?)
    }
    /// Forgets them.
    pub(crate) async fn delete_rekey_backup(&self, target: Target) -> Result<()> {
        Ok(self.barrier.commit(Batch::new().delete(target.backup_key())).await?)
    }
}

/// A key that is to count.
struct New<'a> {
    numbers: (u8, u8),
    key: &'a Key,
    /// The shares that agreed, if they are to count beside the new ones.
    old: Option<Quorum>,
}

/// Whether a commit was made, or met another node's.
fn unless_changed(committed: Result<()>) -> Result<bool> {
    match committed {
        Ok(()) => Ok(true),
        Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the answer of this path may hold new shares.
pub(crate) fn hands_out(path: &str) -> bool {
    let family = path.strip_prefix("sys/").and_then(|path| path.strip_suffix("/update"));
    matches!(family, Some("rekey" | "rekey-recovery-key" | "rotate/root" | "rotate/recovery"))
}

fn of_side(config: &SealConfig, previous: bool) -> &Holders {
    config.previous.as_ref().filter(|_| previous).unwrap_or(&config.holders)
}

fn refuse_what_needs_shares(wanted: &Wanted) -> Result<()> {
    let problem = match wanted {
        Wanted { pgp_keys, .. } if !pgp_keys.is_empty() => "PGP key encryption not supported when using stored keys",
        Wanted { backup: true, .. } => "key backup not supported when using stored keys",
        Wanted { verification: true, .. } => {
            "requiring verification not supported when rekeying the barrier key with recovery keys"
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(problem))
}

/// Refuses a nonce of another operation.
pub(crate) fn right_nonce(what: &str, right: &str, given: &str) -> Result<()> {
    if right == given {
        return Ok(());
    }
    Err(Error::invalid(format!("incorrect nonce supplied; nonce for this {what} is {right:?}")))
}

fn no_rekey() -> Error {
    Error::invalid("no rekey configuration found")
}

fn no_verification() -> Error {
    Error::invalid("no rekey verification in progress")
}
