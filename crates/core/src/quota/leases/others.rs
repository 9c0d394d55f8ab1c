//! What other nodes made and ended, as they tell at every beat.
use super::LeaseCounts;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// By node and quota: leases made less leases ended, since the node knows the quota.
pub(super) type Changes = BTreeMap<String, BTreeMap<String, i64>>;

/// The last that was heard of each node.
#[derive(Default)]
pub(super) struct Others(Mutex<Changes>);

impl Others {
    pub(super) fn now(&self) -> Changes {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// What they changed for a quota since `base`.
    pub(super) fn since(&self, base: &Changes, quota: &str) -> i64 {
        let of = |changes: &BTreeMap<String, i64>| changes.get(quota).copied().unwrap_or_default();
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(node, changes)| of(changes) - base.get(node).map_or(0, of)).sum()
    }
}

impl LeaseCounts {
    /// What this node tells the others.
    pub async fn told(&self) -> BTreeMap<String, i64> {
        let counts = self.gate.read().await;
        counts.counted.iter().map(|counted| (counted.rule.name.clone(), counted.net.load(Ordering::Acquire))).collect()
    }
    /// What the others tell. What a node changed that is gone counts until the next census finds it in storage.
    pub async fn hear(&self, told: Vec<(String, BTreeMap<String, i64>)>) {
        let mut counts = self.gate.write().await;
        let mut heard = self.others.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (node, changes) in &told {
            // What a node says first it did before: storage had it already.
            if !heard.contains_key(node) {
                counts.base.insert(node.clone(), changes.clone());
            }
        }
        let told: Changes = told.into_iter().collect();
        heard.retain(|node, changes| told.contains_key(node) || counts.base.get(node) != Some(changes));
        heard.extend(told);
        counts.base.retain(|node, _| heard.contains_key(node));
    }
}
