//! Counting what stands, page by page, while leases come and go.
use super::{Counted, Counts, LeaseCounts, deciding, place_of, place_of_token};
use crate::quota::{Place, Rule};
use crate::token::{Token, store::record_key};
use lessor_engine::Result;
use lessor_storage::{Entry, Storage};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const PAGE: usize = 512;

/// A count that is under way.
pub(super) struct Census {
    fresh: Vec<Counted>,
    /// Everything up to this storage key has been counted.
    passed: String,
}

impl Census {
    /// A lease was made or ended. Behind the place that the census has reached it will find out by itself.
    pub(super) fn change(&self, place: &Place<'_>, key: &str, by: i64) {
        if key <= self.passed.as_str() {
            self.add(place, by);
        }
    }
    fn add(&self, place: &Place<'_>, by: i64) {
        if let Some(counted) = deciding(&self.fresh, place) {
            counted.stands.fetch_add(by, Ordering::AcqRel);
        }
    }
    fn count(&self, entry: &Entry, tokens: bool) -> Result<()> {
        if tokens {
            let token: Token = serde_json::from_slice(&entry.value)?;
            if token.is_leased() {
                self.add(&place_of_token(&token), 1);
            }
        } else {
            self.add(&place_of(&serde_json::from_slice(&entry.value)?), 1);
        }
        Ok(())
    }
}

impl LeaseCounts {
    /// Counts everything for these quotas. What stood before counts until that is done.
    ///
    /// # Errors
    /// When storage fails; then the quotas stay as they were.
    pub async fn count(&self, storage: &Arc<dyn Storage>, rules: Vec<Rule>) -> Result<()> {
        let _one = self.turn.lock().await;
        if rules.is_empty() {
            *self.gate.write().await = Counts::default();
            return Ok(());
        }
        let base = self.others.now();
        let fresh = rules.into_iter().map(Counted::new).collect();
        self.gate.write().await.census = Some(Census { fresh, passed: String::new() });
        // In the order of their keys, which is that of what the census has passed.
        for (prefix, tokens) in [(crate::keys::lease(""), false), (record_key(""), true)] {
            if let Err(error) = self.count_below(storage, &prefix, tokens).await {
                self.gate.write().await.census = None;
                return Err(error);
            }
        }
        let mut counts = self.gate.write().await;
        let Some(Census { fresh, .. }) = counts.census.take() else { return Ok(()) };
        for counted in &fresh {
            if let Some(old) = counts.counted.iter().find(|old| old.rule.name == counted.rule.name) {
                counted.net.store(old.net.load(Ordering::Acquire), Ordering::Release);
            }
        }
        (counts.counted, counts.base) = (fresh, base);
        Ok(())
    }

    async fn count_below(&self, storage: &Arc<dyn Storage>, prefix: &str, tokens: bool) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            // No commit is under way while a page is read.
            let mut counts = self.gate.write().await;
            let Some(census) = counts.census.as_mut() else { return Ok(()) };
            let page = storage.scan(prefix, after.as_deref(), PAGE).await?;
            for entry in &page {
                census.count(entry, tokens)?;
            }
            let Some(last) = page.last() else {
                // Of this kind nothing is left to be counted.
                census.passed = format!("{prefix}\u{10ffff}");
                return Ok(());
            };
            census.passed.clone_from(&last.key);
            after = Some(last.key.clone());
        }
    }
}
