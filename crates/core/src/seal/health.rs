//! Watches an automatic seal while the node is unsealed: it is needed at the next start, and an operator should hear
//! of its failure before.
use super::{Seal, SealError, Watch};
use jiff::Timestamp;
use lessor_engine::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the last probe said; `None` while there was none.
#[derive(Clone, Default)]
pub(crate) struct Health {
    unhealthy_since: Arc<Mutex<Option<Timestamp>>>,
}

impl Health {
    /// Since when it does not work; `None` while it does.
    pub(crate) fn unhealthy_since(&self) -> Option<Timestamp> {
        *self.unhealthy_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn note(&self, result: &Result<(), SealError>, kind: &str, now: Timestamp) {
        let mut since = self.unhealthy_since.lock().unwrap_or_else(PoisonError::into_inner);
        match (result, *since) {
            (Ok(()), Some(_)) => {
                tracing::info!("the {kind} seal works again");
                *since = None;
            }
            (Ok(()), None) => {}
            (Err(error), before) => {
                tracing::error!(%error, "the {kind} seal does not work; a restart would leave this node sealed");
                *since = before.or(Some(now));
            }
        }
    }
    /// Asks again and again until `stop`.
    pub(crate) async fn watch(self, seal: Arc<dyn Seal>, watch: Watch, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut pause = watch.interval;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let result = probe(seal.as_ref(), watch.timeout).await;
            pause = if result.is_ok() { watch.interval } else { watch.interval_unhealthy };
            self.note(&result, seal.kind(), clock.now());
        }
    }
}

async fn probe(seal: &dyn Seal, limit: Duration) -> Result<(), SealError> {
    let late = |_| Err(SealError::Unavailable(format!("no answer within {} s", limit.as_secs())));
    tokio::time::timeout(limit, seal.health()).await.unwrap_or_else(late)
}
