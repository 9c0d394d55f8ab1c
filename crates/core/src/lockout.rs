//! Failed logins lock an alias out for a while. What was counted lies in storage, so that every node counts alike.
use crate::active::Active;
use crate::mount::{Entry, Mounted};
use jiff::Timestamp;
use lessor_engine::{Error, Result, View};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// When failed logins lock an alias out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockoutConfig {
    /// Failed logins.
    pub lockout_threshold: u64,
    /// How long it stays locked, in seconds.
    pub lockout_duration: u64,
    /// After so many seconds without a failure the count begins anew.
    pub lockout_counter_reset_duration: u64,
    /// Never locks.
    pub lockout_disable: bool,
}

impl Default for LockoutConfig {
    fn default() -> Self {
        Self {
            lockout_threshold: 5,
            lockout_duration: 900,
            lockout_counter_reset_duration: 900,
            lockout_disable: false,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Failures {
    count: u64,
    last: Timestamp,
}

/// Somebody who may be locked out.
pub struct Suspect {
    /// The accessor of the auth mount.
    pub accessor: String,
    /// The alias they try to log in by.
    pub alias: String,
    config: LockoutConfig,
}

/// An alias that is locked out.
pub struct Locked {
    /// The accessor of the auth mount.
    pub accessor: String,
    /// The alias.
    pub alias: String,
}

impl Active {
    fn failures(&self) -> View {
        View::new(Arc::clone(&self.storage), "core/lockout/")
    }

    /// Who tries to log in, if failures count there at all.
    pub fn suspect(&self, mounted: &Mounted, alias: String) -> Option<Suspect> {
        let config = self.lockout_config(&mounted.entry);
        let counts = !config.lockout_disable && config.lockout_threshold > 0;
        counts.then(|| Suspect { accessor: mounted.entry.accessor.clone(), alias, config })
    }

    fn lockout_config(&self, entry: &Entry) -> LockoutConfig {
        entry.config.user_lockout_config.clone().unwrap_or_else(|| self.settings.lockouts.of(&entry.kind).clone())
    }

    async fn failures_of(&self, suspect: &Suspect) -> Result<Option<Failures>> {
        let found: Option<Failures> = self.failures().get(&key(&suspect.accessor, &suspect.alias)).await?;
        Ok(found.filter(|failures| {
            let locked = failures.count >= suspect.config.lockout_threshold;
            let kept =
                if locked { suspect.config.lockout_duration } else { suspect.config.lockout_counter_reset_duration };
            failures.last + Duration::from_secs(kept) > self.now()
        }))
    }

    /// Refuses somebody who is locked out.
    ///
    /// # Errors
    /// [`Error::Forbidden`], without saying why.
    pub async fn refuse_locked(&self, suspect: &Suspect) -> Result<()> {
        let failures = self.failures_of(suspect).await?;
        let locked = failures.is_some_and(|failures| failures.count >= suspect.config.lockout_threshold);
        if locked { Err(Error::Forbidden("permission denied".to_owned())) } else { Ok(()) }
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn count_failure(&self, suspect: &Suspect) -> Result<()> {
        let key = key(&suspect.accessor, &suspect.alias);
        let _lock = self.locks.lock(&key).await;
        let count = self.failures_of(suspect).await?.map_or(0, |failures| failures.count) + 1;
        self.failures().put(&key, &Failures { count, last: self.now() }).await
    }

    /// Forgets the failures of somebody who got in.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn forget_failures(&self, suspect: &Suspect) -> Result<()> {
        let key = key(&suspect.accessor, &suspect.alias);
        if self.failures().get::<Failures>(&key).await?.is_some() {
            self.failures().delete(&key).await?;
        }
        Ok(())
    }

    /// Lets an alias try again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn unlock_alias(&self, accessor: &str, alias: &str) -> Result<()> {
        self.failures().delete(&key(accessor, alias)).await
    }

    /// Who is locked out at the auth mounts of a namespace.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn locked_aliases(&self, namespace: &str) -> Result<Vec<Locked>> {
        let mut locked = Vec::new();
        for mounted in self.mounts.of(namespace).iter().filter(|mounted| mounted.entry.is_auth()) {
            let accessor = &mounted.entry.accessor;
            for name in self.failures().list(&format!("{accessor}/")).await? {
                let Some(alias) = hex::decode(&name).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
                    continue;
                };
                let Some(suspect) = self.suspect(mounted, alias) else { continue };
                let failures = self.failures_of(&suspect).await?;
                if failures.is_some_and(|failures| failures.count >= suspect.config.lockout_threshold) {
                    locked.push(Locked { accessor: accessor.clone(), alias: suspect.alias });
                }
            }
        }
        Ok(locked)
    }
}

fn key(accessor: &str, alias: &str) -> String {
    format!("{accessor}/{}", hex::encode(alias))
}
