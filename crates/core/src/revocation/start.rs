//! What a node takes over from those that are gone: intents and rotations that nobody runs any more, and what waits for
//! targets. Leases are not read.
use crate::active::Active;
use crate::keys::Target;
use crate::lease::Intent;
use lessor_engine::{Error, Result};
use std::sync::Arc;

const PAGE: usize = 256;

impl Active {
    /// Runs before the first request, and whenever a node was found dead.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn take_over(self: &Arc<Self>) -> Result<()> {
        self.take_over_intents().await?;
        self.take_over_rotations().await?;
        if !self.is_paused() {
            self.take_over_waiting().await?;
        }
        Ok(())
    }

    async fn take_over_intents(&self) -> Result<()> {
        let now = self.now().as_millisecond();
        let mut after: Option<String> = None;
        loop {
            let page = self.leases.intents(after.as_deref(), PAGE).await?;
            for (intent, version) in &page {
                // A back-off that is under way goes on, and so does what a living node is at.
                if intent.attempts == 0 && self.is_orphaned(&intent.owner) {
                    let due = Intent { due: now, owner: self.cluster.id(), ..intent.clone() };
                    match self.leases.update_intent(intent, &due, *version).await {
                        Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                        done => done?,
                    }
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|(intent, _)| intent.id.clone());
        }
    }

    /// Whether nobody works any more on what `owner` began.
    pub(crate) fn is_orphaned(&self, owner: &str) -> bool {
        !self.cluster.is_shared() || !self.cluster.is_member(owner)
    }

    /// One look per target, not per entry.
    pub(crate) async fn take_over_waiting(self: &Arc<Self>) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let first = self.storage.scan("wait/", after.as_deref(), 1).await?;
            let Some(target) = first.first().and_then(|entry| Target::parse(&entry.key)) else { return Ok(()) };
            if self.cluster.owns(&target.waiting()) {
                self.look_after(&target);
            }
            after = Some(format!("{}\u{10FFFF}", target.waiting()));
        }
    }
}
