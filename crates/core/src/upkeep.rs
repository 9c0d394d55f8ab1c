//! Keeps count of what the barrier encrypts, and gives it a new key when the current one was used enough.
use crate::node::Core;
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Storage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{PoisonError, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "core/rotation-config";
/// How often the count is stored, and looked at; the peers look as often.
const TICK: Duration = Duration::from_secs(300);
/// Nine tenths of what one AES-GCM key may encrypt under random nonces (NIST SP 800-38D: 2^32).
pub(crate) const MAX_OPERATIONS: i64 = 3_865_470_566;
const MIN_OPERATIONS: i64 = 1_000_000;
const MIN_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// When the barrier gets a new key by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotationConfig {
    /// After so many encryptions.
    pub(crate) max_operations: i64,
    /// After so many seconds; 0 for never.
    pub(crate) interval: u64,
    /// Whether at all.
    pub(crate) enabled: bool,
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self { max_operations: MAX_OPERATIONS, interval: 0, enabled: true }
    }
}

impl RotationConfig {
    fn check(self) -> Result<()> {
        if !(MIN_OPERATIONS..=MAX_OPERATIONS).contains(&self.max_operations) {
            return Err(Error::invalid(format!(
                "max_operations must be in the range [{MIN_OPERATIONS},{MAX_OPERATIONS}]"
            )));
        }
        if self.interval != 0 && Duration::from_secs(self.interval) < MIN_INTERVAL {
            return Err(Error::invalid("interval must be greater or equal to 24h0m0s"));
        }
        Ok(())
    }
    fn is_due(self, encryptions: u64, age: i64) -> bool {
        let used = i64::try_from(encryptions).is_ok_and(|used| used < self.max_operations);
        let old = self.interval != 0 && u64::try_from(age).is_ok_and(|age| age >= self.interval);
        self.enabled && (!used || old)
    }
}

impl Core {
    /// When the barrier gets a new key by itself.
    pub(crate) fn rotation_config(&self) -> RotationConfig {
        *self.rotation.read().unwrap_or_else(PoisonError::into_inner)
    }
    /// Reads the configuration anew; another node may have changed it.
    pub(crate) async fn load_rotation(&self) -> Result<()> {
        let stored = self.barrier.get(CONFIG).await?;
        let config = stored.map(|entry| serde_json::from_slice(&entry.value)).transpose()?.unwrap_or_default();
        *self.rotation.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }
    /// Changes the configuration.
    ///
    /// # Errors
    /// When it is out of range, or storage fails.
    pub(crate) async fn set_rotation_config(&self, config: RotationConfig) -> Result<()> {
        config.check()?;
        self.barrier.commit(Batch::new().put(CONFIG, serde_json::to_vec(&config)?)).await?;
        *self.rotation.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }
    /// Stores the count, and rotates if it is time.
    async fn look_after_the_keyring(&self) -> Result<()> {
        let status = self.barrier.key_status()?;
        if status.unsaved > 0 {
            self.barrier.save_encryptions().await?;
            self.load_rotation().await?;
        }
        let age = self.parts.clock.now().as_second().saturating_sub(status.installed);
        if self.rotation_config().is_due(status.encryptions, age) {
            self.rotate_barrier().await?;
            tracing::info!("the barrier has a new key");
        }
        Ok(())
    }
}

/// Until `stop`.
pub(crate) async fn run(node: Weak<Core>, stop: CancellationToken) {
    let mut handed_over = BTreeSet::new();
    while stop.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
        let Some(core) = node.upgrade() else { return };
        if let Err(error) = core.barrier.forget_handed_over(&mut handed_over).await {
            tracing::warn!(%error, "keys that were handed over to other nodes are still there");
        }
        if let Err(error) = core.look_after_the_keyring().await {
            tracing::warn!(%error, "the barrier's keyring was not looked after; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_when_it_was_used_enough_or_is_old_enough() {
        let config = RotationConfig { max_operations: 1_000_000, interval: 86_400, enabled: true };
        config.check().unwrap();
        assert!(!config.is_due(999_999, 86_399));
        assert!(config.is_due(1_000_000, 0));
        assert!(config.is_due(0, 86_400));
        assert!(!RotationConfig { interval: 0, ..config }.is_due(0, i64::MAX));
        assert!(!RotationConfig { enabled: false, ..config }.is_due(u64::MAX, i64::MAX));
    }

    #[test]
    fn limits_out_of_range_are_refused_in_the_fields_words() {
        let default = RotationConfig::default();
        default.check().unwrap();
        for max_operations in [999_999, MAX_OPERATIONS + 1, -1] {
            let error = RotationConfig { max_operations, ..default }.check().unwrap_err().to_string();
            assert_eq!(error, "max_operations must be in the range [1000000,3865470566]");
        }
        let error = RotationConfig { interval: 86_399, ..default }.check().unwrap_err().to_string();
        assert_eq!(error, "interval must be greater or equal to 24h0m0s");
    }
}
