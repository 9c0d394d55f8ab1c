//! What a node does at every beat besides saying that it lives.
use super::BEAT;
use crate::active::Active;
use crate::node::Core;
use crate::snapshot::GOES_ON;
use futures::future::BoxFuture;
use lessor_engine::Result;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// How often leases are counted anew where a quota bounds their number; in between nodes tell each other at every beat.
const CENSUS: Duration = Duration::from_secs(30);
/// At most one part in so many of the time is spent on it.
const SHARE: u32 = 20;

/// Until the node is sealed.
pub(crate) async fn stay(node: Weak<Core>, active: Arc<Active>) {
    while active.stop.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
        let Some(core) = node.upgrade() else { return };
        if matches!(active.storage.version(GOES_ON).await, Ok(Some(_))) {
            tokio::spawn(give_way(node));
            return;
        }
        if let Err(error) = beat(&core, &active).await {
            tracing::warn!(%error, "this node cannot say that it lives; soon it stops working on what others may take over");
        }
    }
}

/// Counts the leases anew now and then, until the node is sealed.
pub(crate) async fn keep_count(active: Arc<Active>) {
    let mut pause = CENSUS;
    while active.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let begun = Instant::now();
        match active.stop.run_until_cancelled(active.quotas.recount()).await {
            Some(Err(error)) => tracing::warn!(%error, "leases are not counted anew for their quotas"),
            Some(Ok(())) => {}
            None => return,
        }
        pause = CENSUS.max(begun.elapsed() * SHARE);
    }
}

/// Another node restores a snapshot: this one is sealed, and opens on what was restored if it can by itself.
fn give_way(node: Weak<Core>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        tracing::warn!("another node restores a snapshot; this one is sealed until that is done");
        if let Some(core) = node.upgrade() {
            core.seal().await;
        }
        while let Some(core) = node.upgrade() {
            tokio::time::sleep(BEAT).await;
            if matches!(core.parts.storage.version(GOES_ON).await, Ok(None)) {
                if let Err(error) = core.start().await {
                    tracing::error!(%error, "the node does not open on what was restored");
                }
                return;
            }
        }
    })
}

async fn beat(core: &Core, active: &Arc<Active>) -> Result<()> {
    let counts = active.leases.counts();
    active.cluster.tell(counts.told().await);
    let found = active.cluster.beat().await?;
    counts.hear(active.cluster.told()).await;
    core.barrier.upgrade().await?;
    // Also without a request: what falls due may be of a mount that another node made.
    active.catch_up().await?;
    if found.gone {
        active.take_over().await?;
    }
    if !active.is_paused() {
        active.take_over_waiting().await?;
    }
    if found.moved || found.gone {
        active.wake.notify_one();
    }
    Ok(())
}
