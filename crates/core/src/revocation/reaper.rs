//! Reads the due index in the order of time and sleeps until the next entry.
use crate::active::Active;
use crate::cluster;
use crate::keys::{self, Due, DueKind};
use crate::lease::store::read_pointer;
use jiff::Timestamp;
use lessor_engine::Result;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PAGE: usize = 128;
/// Looks again at least this often; where other nodes write, at every beat.
const LONGEST: Duration = Duration::from_secs(300);
/// Milliseconds for which nodes that share a storage leave a lease alone that is over.
const GRACE: i64 = 1000;
/// Entries that fall due within this time are read together.
const SHORTEST: Duration = Duration::from_millis(20);

impl Active {
    /// Runs until the node is sealed.
    pub(crate) async fn reap(self: Arc<Self>) {
        loop {
            let now = self.now();
            // Whoever writes while we read wakes us.
            self.next_due.store(i64::MAX, Ordering::Release);
            let next = if self.is_paused() { None } else { self.reap_shards(now).await };
            let longest = (now + if self.cluster.is_shared() { cluster::BEAT } else { LONGEST }).as_millisecond();
            let until = next.unwrap_or(longest).min(longest);
            self.next_due.store(until, Ordering::Release);
            let millis = u64::try_from(until - self.now().as_millisecond()).unwrap_or_default();
            let pause = Duration::from_millis(millis).max(SHORTEST);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.wake.notified() => tokio::time::sleep(SHORTEST).await,
            }
        }
    }

    async fn reap_shards(self: &Arc<Self>, now: Timestamp) -> Option<i64> {
        let mut next: Option<i64> = None;
        for shard in self.cluster.owned() {
            let found = match self.reap_shard(&keys::due_shard(shard), now.as_millisecond()).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "the due index cannot be read");
                    Some((now + Duration::from_secs(1)).as_millisecond())
                }
            };
            next = [next, found].into_iter().flatten().min();
        }
        next
    }

    /// Hands over what is due; the time of the first entry that is not.
    async fn reap_shard(self: &Arc<Self>, prefix: &str, now: i64) -> Result<Option<i64>> {
        // What another node renews at the last moment is not revoked here at the same time.
        let grace = if self.cluster.is_shared() { GRACE } else { 0 };
        let mut after: Option<String> = None;
        loop {
            let page = self.storage.scan(prefix, after.as_deref(), PAGE).await?;
            let mut full: HashMap<keys::Target, Vec<Due>> = HashMap::new();
            let mut next = None;
            for entry in &page {
                let Some(due) = Due::parse(&entry.key) else { continue };
                let grace = if due.kind == DueKind::Lease { grace } else { 0 };
                if due.at + grace > now {
                    next = Some(due.at + grace);
                    break;
                }
                let target = read_pointer(&entry.value)?;
                if !self.enqueue(&target, due.clone()) {
                    full.entry(target).or_default().push(due);
                }
            }
            for (target, entries) in full {
                self.leases.park(&entries, &target).await?;
                if self.cluster.owns(&target.waiting()) {
                    self.look_after(&target);
                }
            }
            if next.is_some() || page.len() < PAGE {
                return Ok(next);
            }
            after = page.last().map(|entry| entry.key.clone());
        }
    }
}
