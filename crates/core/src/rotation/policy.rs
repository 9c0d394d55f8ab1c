//! How often a failed scheduled rotation is tried again. Without a policy it is tried for ever, at a falling rate.
use lessor_engine::Result;
use lessor_storage::{Batch, Storage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PREFIX: &str = "rotation/policy/";
const MOST: usize = 10_000;

/// Bounds the attempts of a subject's rotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotationPolicy {
    /// Attempts after the first, until the cycle is given up.
    pub max_retries_per_cycle: u32,
    /// Cycles until the subject is an orphan: nothing is tried any more until it is written again.
    pub max_retry_cycles: u32,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// The next attempt of this cycle, which has had so many now.
    Retry(u32),
    /// The next cycle, after so many that were given up.
    Cycle(u32),
    /// Nothing.
    Orphan,
}

impl RotationPolicy {
    /// After `failed` attempts of this cycle, with `cycles` given up before.
    pub(super) fn after(self, failed: u32, cycles: u32) -> After {
        if failed <= self.max_retries_per_cycle {
            return After::Retry(failed);
        }
        if cycles + 1 < self.max_retry_cycles { After::Cycle(cycles + 1) } else { After::Orphan }
    }
}

/// The stored policies.
pub struct RotationPolicies<'a>(pub &'a Arc<dyn Storage>);

impl RotationPolicies<'_> {
    /// The policy of that name.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn read(&self, name: &str) -> Result<Option<RotationPolicy>> {
        let entry = self.0.get(&format!("{PREFIX}{name}")).await?;
        Ok(entry.map(|entry| serde_json::from_slice(&entry.value)).transpose()?)
    }
    /// Stores a policy.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn write(&self, name: &str, policy: RotationPolicy) -> Result<()> {
        Ok(self.0.commit(Batch::new().put(format!("{PREFIX}{name}"), serde_json::to_vec(&policy)?)).await?)
    }
    /// Forgets a policy; what names it is tried for ever again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete(&self, name: &str) -> Result<()> {
        Ok(self.0.commit(Batch::new().delete(format!("{PREFIX}{name}"))).await?)
    }
    /// Their names.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn list(&self) -> Result<Vec<String>> {
        let page = self.0.scan(PREFIX, None, MOST).await?;
        Ok(page.into_iter().map(|entry| entry.key[PREFIX.len()..].to_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_end_after_the_retries_of_the_last_cycle() {
        let policy = RotationPolicy { max_retries_per_cycle: 1, max_retry_cycles: 2 };
        assert_eq!(policy.after(1, 0), After::Retry(1));
        assert_eq!(policy.after(2, 0), After::Cycle(1));
        assert_eq!(policy.after(1, 1), After::Retry(1));
        assert_eq!(policy.after(2, 1), After::Orphan);
        assert_eq!(RotationPolicy { max_retries_per_cycle: 0, max_retry_cycles: 1 }.after(1, 0), After::Orphan);
    }
}
