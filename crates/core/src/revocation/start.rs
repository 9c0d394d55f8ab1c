//! What a fresh process takes over from the one before: intents and rotations that nobody runs any more, and what
//! waits for targets. Leases are not read.
use crate::active::Active;
use crate::keys::Target;
use crate::lease::Intent;
use lessor_engine::Result;
use std::sync::Arc;

const PAGE: usize = 256;

impl Active {
    /// Runs once, before the first request.
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
                // A back-off that is under way goes on.
                if intent.attempts == 0 {
                    let due = Intent { due: now, ..intent.clone() };
                    self.leases.update_intent(intent, &due, *version).await?;
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|(intent, _)| intent.id.clone());
        }
    }

    /// One look per target, not per entry.
    pub(crate) async fn take_over_waiting(self: &Arc<Self>) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let first = self.storage.scan("wait/", after.as_deref(), 1).await?;
            let Some(target) = first.first().and_then(|entry| Target::parse(&entry.key)) else { return Ok(()) };
            self.look_after(&target);
            after = Some(format!("{}\u{10FFFF}", target.waiting()));
        }
    }
}
