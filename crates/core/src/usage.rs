//! Figures that take a scan of storage: counted behind the requests, slowly, once in a while. A scrape reads what was
//! counted last.
use crate::active::Active;
use crate::identity::Identity;
use crate::lease::record::Lease;
use crate::metrics::ttl_bucket;
use crate::settings::TelemetryConfig;
use crate::token::Token;
use lessor_engine::{Result, Timestamp};
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
    methods: BTreeSet<String>,
    ends: BTreeSet<String>,
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

/// The bucket that a lease ends in, named by its end; `None` for what ends behind the last one.
fn bucket_of(expires: Timestamp, now: Timestamp, telemetry: &TelemetryConfig) -> Option<String> {
    let width = i64::try_from(telemetry.lease_metrics_epsilon.as_secs()).ok().filter(|width| *width > 0)?;
    let at = |time: Timestamp| time.as_second().div_euclid(width);
    let ahead = usize::try_from((at(expires) - at(now)).max(0)).ok()?;
    let end = Timestamp::from_second((at(expires) + 1) * width).ok()?;
    (ahead < telemetry.lease_metrics_buckets).then(|| end.to_string())
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
        let (telemetry, now) = (&self.settings.telemetry, self.now());
        let mut ends = BTreeMap::new();
        let leases = self
            .each("lease/id/", |entry| {
                let lease: Lease = serde_json::from_slice(&entry.value)?;
                if let Some(end) = bucket_of(lease.expires, now, telemetry) {
                    *ends.entry(end).or_default() += 1;
                }
                Ok(())
            })
            .await?;
        gauge!("expire.num_leases").set(number(leases));
        tell("expire.leases.by_expiration", "expiring", ends, telemetry.lease_metrics_buckets, &mut told.ends);
        let irrevocable = self.each("lease/irrevocable/", |_| Ok(())).await?;
        gauge!("expire.num_irrevocable_leases").set(number(irrevocable));
        let (mut policies, mut ttls, mut methods) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let tokens = self
            .each("token/id/", |entry| {
                let token: Token = serde_json::from_slice(&entry.value)?;
                *methods.entry(self.method_of(&token)).or_default() += 1;
                for policy in token.policies {
                    *policies.entry(policy).or_default() += 1;
                }
                *ttls.entry(ttl_bucket(token.creation_ttl).to_owned()).or_default() += 1;
                Ok(())
            })
            .await?;
        gauge!("token.count").set(number(tokens));
        let bound = telemetry.maximum_gauge_cardinality;
        tell("token.count.by_policy", "policy", policies, bound, &mut told.policies);
        tell("token.count.by_ttl", "creation_ttl", ttls, bound, &mut told.ttls);
        tell("token.count.by_auth", "auth_method", methods, bound, &mut told.methods);
        let mut entities = 0;
        let namespaces = self.namespaces.below("").into_iter().map(|namespace| namespace.path);
        for namespace in std::iter::once(String::new()).chain(namespaces) {
            entities += self.each(&(Identity::prefix(&namespace) + "entity/id/"), |_| Ok(())).await?;
        }
        gauge!("identity.num_entities").set(number(entities));
        Ok(())
    }
    /// The kind of auth method that made a token.
    fn method_of(&self, token: &Token) -> String {
        let found = self.mounts.find(&token.namespace, &token.path);
        found.map_or_else(|| "unknown".to_owned(), |mounted| mounted.entry.kind.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_counted_by_the_hour_they_end_in_for_a_week() {
        let telemetry = TelemetryConfig::default();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-01T10:20:00Z");
        let bucket = |text: &str| bucket_of(at(text), now, &telemetry);
        assert_eq!(bucket("2026-11-01T10:59:59Z").unwrap(), "2026-11-01T11:00:00Z");
        assert_eq!(bucket("2026-11-01T11:00:00Z").unwrap(), "2026-11-01T12:00:00Z");
        assert!(bucket("2026-11-08T09:59:59Z").is_some() && bucket("2026-11-08T10:00:00Z").is_none());
        assert!(bucket("2026-10-01T00:00:00Z").is_some(), "what is overdue ends now");
    }
}
