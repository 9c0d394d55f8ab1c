//! How far a rekey is.
use super::{Started, VerifyStatus, no_verification};
use crate::barrier::Key;
use crate::pgp::PgpKey;
use crate::seal::{Fit, Gathering, Quorum, SealConfig, Share, stored};
use lessor_engine::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};

/// A rekey that is under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Rekey {
    pub(super) gathering: Gathering,
    /// Shares and threshold.
    pub(super) numbers: (u8, u8),
    /// Public keys in base64, one per share, or none.
    pub(super) pgp_keys: Vec<String>,
    pub(super) backup: bool,
    pub(super) verification: bool,
    pub(super) started: Timestamp,
    pub(super) verify: Option<Verify>,
}

/// New shares that do not count yet: their holders show them first.
#[derive(Serialize, Deserialize)]
pub(super) struct Verify {
    pub(super) gathering: Gathering,
    #[serde(with = "stored::key")]
    pub(super) key: Key,
}

impl Rekey {
    /// The keys that the new shares are encrypted with.
    pub(super) fn keys(&self) -> Result<Vec<PgpKey>> {
        PgpKey::parse_all(&self.pgp_keys, self.started.as_second())
    }
    pub(super) fn status(&self) -> Result<Started> {
        let fingerprints: Vec<String> = self.keys()?.iter().map(PgpKey::fingerprint).collect();
        Ok(Started {
            nonce: self.gathering.nonce.clone(),
            shares: self.numbers.0,
            threshold: self.numbers.1,
            progress: self.gathering.progress(),
            fingerprints: (!fingerprints.is_empty()).then_some(fingerprints),
            backup: self.backup,
            verification: self.verification,
            verification_nonce: self.verify.as_ref().map(|verify| verify.gathering.nonce.clone()),
        })
    }
    pub(super) fn verify_status(&self) -> Result<VerifyStatus> {
        let verify = self.verify.as_ref().ok_or_else(no_verification)?;
        Ok(VerifyStatus {
            nonce: verify.gathering.nonce.clone(),
            shares: self.numbers.0,
            threshold: self.numbers.1,
            progress: verify.gathering.progress(),
        })
    }
    /// Takes one share; enough of them that fit are used up.
    pub(super) fn gather(&mut self, config: &SealConfig, share: Share) -> Result<Option<Quorum>> {
        if !self.gathering.add(share) {
            return Err(Error::invalid("given key has already been provided during this generation operation"));
        }
        match config.fit(self.gathering.shares()) {
            Fit::TooFew => Ok(None),
            fit => {
                self.gathering.clear();
                match fit {
                    Fit::Right(quorum) => Ok(Some(quorum)),
                    _ => Err(Error::invalid("the key shares do not fit together: give them again")),
                }
            }
        }
    }
}
