//! New key shares: holders of enough old ones agree, then a fresh unseal key takes the place of the old one.
use crate::mount::entry::uuid;
use crate::node::Core;
use crate::seal::{self, SealConfig};
use lessor_engine::{Error, Result};
use zeroize::Zeroizing;

/// A rekey that is under way; it is held in memory only, and ends with the process.
pub(crate) struct Rekey {
    pub(crate) nonce: String,
    pub(crate) shares: u8,
    pub(crate) threshold: u8,
    given: Vec<Zeroizing<Vec<u8>>>,
}

/// How a rekey goes.
pub(crate) struct RekeyStatus {
    /// Nonce, new shares, new threshold and progress of the one under way.
    pub(crate) started: Option<(String, u8, u8, usize)>,
    /// How many old shares are needed.
    pub(crate) required: u8,
}

/// The new shares, and the nonce of the operation that made them.
pub(crate) struct Rekeyed {
    pub(crate) nonce: String,
    pub(crate) shares: Vec<Zeroizing<Vec<u8>>>,
}

impl Core {
    async fn shamir(&self) -> Result<SealConfig> {
        if self.seal_kind().word() != "shamir" {
            return Err(Error::invalid("rekey is of key shares: this server's seal has none"));
        }
        let config = self.seal_status().await?.config;
        config.ok_or_else(|| Error::invalid("Vault is not initialized"))
    }
    /// Begins.
    pub(crate) async fn begin_rekey(&self, shares: i64, threshold: i64) -> Result<()> {
        self.shamir().await?;
        let (shares, threshold) = seal::check_numbers(shares, threshold)?;
        let mut rekey = self.rekey.lock().await;
        if rekey.is_some() {
            return Err(Error::invalid("rekey already in progress"));
        }
        *rekey = Some(Rekey { nonce: uuid(), shares, threshold, given: Vec::new() });
        Ok(())
    }
    /// Forgets what was given so far.
    pub(crate) async fn cancel_rekey(&self) {
        *self.rekey.lock().await = None;
    }
    /// Tells how it goes.
    pub(crate) async fn rekey_status(&self) -> Result<RekeyStatus> {
        let required = self.shamir().await?.threshold;
        let rekey = self.rekey.lock().await;
        let started = rekey.as_ref().map(|r| (r.nonce.clone(), r.shares, r.threshold, r.given.len()));
        Ok(RekeyStatus { started, required })
    }
    /// Takes one old share; the last one that is needed gives the new ones.
    ///
    /// # Errors
    /// When none is under way, the nonce is another's, or the shares turn out to be wrong: then progress begins anew.
    pub(crate) async fn update_rekey(&self, nonce: &str, share: Zeroizing<Vec<u8>>) -> Result<Option<Rekeyed>> {
        let config = self.shamir().await?;
        let mut slot = self.rekey.lock().await;
        let rekey = slot.as_mut().ok_or_else(|| Error::invalid("no rekey in progress"))?;
        if nonce != rekey.nonce {
            let nonce = &rekey.nonce;
            return Err(Error::invalid(format!(
                "incorrect nonce supplied; nonce for this rekey operation is {nonce:?}"
            )));
        }
        if !rekey.given.contains(&share) {
            rekey.given.push(share);
        }
        if rekey.given.len() < usize::from(config.threshold) {
            return Ok(None);
        }
        let given = std::mem::take(&mut rekey.given);
        if self.root_of(&given).await?.is_none() {
            return Err(Error::invalid("the key shares do not fit together: give them again"));
        }
        let shared = seal::new_shared(rekey.shares, rekey.threshold)?;
        let next = SealConfig { shares: rekey.shares, threshold: rekey.threshold, ..config };
        self.reseal(&next, &shared.key).await?;
        let nonce = rekey.nonce.clone();
        *slot = None;
        Ok(Some(Rekeyed { nonce, shares: shared.shares }))
    }
}
