//! What a node does at every beat besides saying that it lives.
use super::BEAT;
use crate::active::Active;
use crate::node::Core;
use lessor_engine::Result;
use std::sync::{Arc, Weak};

/// Until the node is sealed.
pub(crate) async fn stay(node: Weak<Core>, active: Arc<Active>) {
    while active.stop.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
        let Some(core) = node.upgrade() else { return };
        if let Err(error) = beat(&core, &active).await {
            tracing::warn!(%error, "this node cannot say that it lives; soon it stops working on what others may take over");
        }
    }
}

async fn beat(core: &Core, active: &Arc<Active>) -> Result<()> {
    let found = active.cluster.beat().await?;
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
