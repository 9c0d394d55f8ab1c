//! Figures that take a scan of storage: counted behind the requests, slowly, once in a while. A scrape reads what was
//! counted last.
use crate::active::Active;
use crate::identity::Identity;
use crate::metrics::ttl_bucket;
use crate::token::Token;
use lessor_engine::Result;
use lessor_storage::Entry;
use metrics::gauge;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const PAGE: usize = 500;
/// Between two pages: at most ten thousand records a second are read.
const PAUSE: Duration = Duration::from_millis(50);

/// Label values that were told last time: those that are gone are told as zero.
#[derive(Default)]
struct Told {
    policies: BTreeSet<String>,
    ttls: BTreeSet<String>,
}

#[allow(clippy::cast_precision_loss, reason = "counts of records")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Sets one gauge per value, the most frequent ones first and at most `bound` of them.
fn tell(
    name: &'static str,
    label: &'static str,
    counted: BTreeMap<String, u64>,
    bound: usize,
    told: &mut BTreeSet<String>,
) {
    let mut counted: Vec<(String, u64)> = counted.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counted.truncate(bound);
    let now: BTreeSet<String> = counted.iter().map(|(value, _)| value.clone()).collect();
    for gone in told.difference(&now) {
        gauge!(name, label => gone.clone()).set(0.0);
    }
    for (value, count) in counted {
        gauge!(name, label => value).set(number(count));
    }
    *told = now;
}

impl Active {
    /// Counts until the node is sealed; not at all where nobody keeps figures.
    pub(crate) async fn count_usage(self: Arc<Self>) {
        let Some(period) = self.settings.telemetry.usage_gauge_period.filter(|_| self.settings.figures.is_some())
        else {
            return;
        };
        let mut told = Told::default();
        let counting = async {
            loop {
                if let Err(error) = self.count(&mut told).await {
                    tracing::warn!(%error, "leases, tokens and entities are not counted this time");
                }
                tokio::time::sleep(period).await;
            }
        };
        self.stop.run_until_cancelled(counting).await;
    }
    async fn count(&self, told: &mut Told) -> Result<()> {
        let leases = self.each("lease/id/", |_| Ok(())).await?;
        gauge!("expire.num_leases").set(number(leases));
        let irrevocable = self.each("lease/irrevocable/", |_| Ok(())).await?;
        gauge!("expire.num_irrevocable_leases").set(number(irrevocable));
        let (mut policies, mut ttls) = (BTreeMap::new(), BTreeMap::new());
        let tokens = self
            .each("token/id/", |entry| {
                let token: Token = serde_json::from_slice(&entry.value)?;
                for policy in token.policies {
                    *policies.entry(policy).or_default() += 1;
                }
                *ttls.entry(ttl_bucket(token.creation_ttl).to_owned()).or_default() += 1;
                Ok(())
            })
            .await?;
        gauge!("token.count").set(number(tokens));
        let bound = self.settings.telemetry.maximum_gauge_cardinality;
        tell("token.count.by_policy", "policy", policies, bound, &mut told.policies);
        tell("token.count.by_ttl", "creation_ttl", ttls, bound, &mut told.ttls);
        let mut entities = 0;
        let namespaces = self.namespaces.below("").into_iter().map(|namespace| namespace.path);
        for namespace in std::iter::once(String::new()).chain(namespaces) {
            entities += self.each(&(Identity::prefix(&namespace) + "entity/id/"), |_| Ok(())).await?;
        }
        gauge!("identity.num_entities").set(number(entities));
        Ok(())
    }
    /// Shows every record below `prefix` to `see`, with pauses, and tells how many there are.
    async fn each(&self, prefix: &str, mut see: impl FnMut(&Entry) -> Result<()>) -> Result<u64> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.storage.scan(prefix, after.as_deref(), PAGE).await?;
            for entry in &page {
                see(entry)?;
                count += 1;
            }
            if page.len() < PAGE {
                return Ok(count);
            }
            after = page.last().map(|entry| entry.key.clone());
            tokio::time::sleep(PAUSE).await;
        }
    }
}
