//! What a request reads of storage before anything else, in one round trip: whether the records that every node keeps
//! a copy of have moved, whether the policies have, and the version of the caller's token.
use crate::active::Active;
use crate::policy;
use crate::record;
use crate::request::Request;
use crate::snapshot::GOES_ON;
use crate::token::store::record_key;
use lessor_engine::{Error, Result, Secret};
use lessor_storage::{Expect, Version};

/// What was seen.
pub(crate) struct Glance {
    /// Moves with mounts, namespaces, quotas and the like; `None` where no other node can move it.
    epoch: Option<Option<Version>>,
    /// Moves with the policies.
    pub(crate) policies: Option<Version>,
    /// Storage id of the token, and the version of its record; `None` without a token, and for a batch token.
    token: Option<(String, Option<Version>)>,
}

impl Glance {
    /// The version of that token's record, if it is the one that was looked at.
    pub(crate) fn token(&self, id: &str) -> Option<Option<Version>> {
        self.token.as_ref().filter(|(seen, _)| seen == id).map(|(_, version)| *version)
    }
}

impl Active {
    /// Looks, and reads the records again if they moved.
    ///
    /// # Errors
    /// When storage fails, or what is new cannot be served on this node (an audit device that cannot be opened).
    pub(crate) async fn glance(&self, request: &Request) -> Result<Glance> {
        let shared = self.storage.is_shared();
        let text = request.token.as_ref().map(Secret::expose).filter(|text| !text.is_empty());
        let token = text.and_then(|text| self.tokens.service_id(text));
        let record = token.as_deref().map(record_key);
        let mut keys = vec![policy::EPOCH];
        keys.extend(shared.then_some(record::EPOCH));
        keys.extend(record.as_deref());
        let mut seen = self.storage.versions(&keys).await?.into_iter();
        let mut next = || seen.next().flatten();
        let policies = next();
        let epoch = shared.then(&mut next);
        let glance = Glance { policies, epoch, token: token.map(|id| (id, next())) };
        if let Some(epoch) = glance.epoch {
            self.follow(epoch).await?;
        }
        Ok(glance)
    }

    /// Reads the records again if they moved, for whoever does not come with a request.
    ///
    /// # Errors
    /// As [`Active::glance`].
    pub(crate) async fn catch_up(&self) -> Result<()> {
        if self.storage.is_shared() { self.follow(self.storage.version(record::EPOCH).await?).await } else { Ok(()) }
    }

    /// What a commit expects that counts only while the records are as this node knows them; `None` where nobody else
    /// changes them.
    pub(crate) fn epoch_guard(&self) -> Option<(String, Expect)> {
        let known = self.storage.is_shared().then(|| *self.epoch.lock())??;
        Some((record::EPOCH.to_owned(), known.map_or(Expect::Absent, Expect::Version)))
    }

    /// Reads the records again, unless they are known as of `epoch`.
    async fn follow(&self, epoch: Option<Version>) -> Result<()> {
        if self.epoch.is(epoch) {
            return Ok(());
        }
        let _one = self.epoch.turn.lock().await;
        if self.epoch.is(epoch) {
            return Ok(());
        }
        if self.storage.version(GOES_ON).await?.is_some() {
            return Err(Error::Unavailable("a snapshot is being restored: the node is about to be sealed".to_owned()));
        }
        // Whoever changes a record while it is being read moves the epoch again.
        self.namespaces.reload().await?;
        self.mounts.reload().await?;
        self.quotas.reload().await?;
        self.audit.reload().await?;
        self.load_paused().await?;
        self.epoch.set(epoch);
        Ok(())
    }
}

/// As of which epoch the records are known.
#[derive(Default)]
pub(crate) struct Known {
    version: std::sync::Mutex<Option<Option<Version>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Known {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Option<Version>>> {
        self.version.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    fn is(&self, epoch: Option<Version>) -> bool {
        // Versions have no order: another one is another one.
        *self.lock() == Some(epoch)
    }
    fn set(&self, epoch: Option<Version>) {
        *self.lock() = Some(epoch);
    }
}
