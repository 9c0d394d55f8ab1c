//! The quotas: one record, and the counters of this node.
use super::leases::LeaseCounts;
use super::limiter::{Limiter, Terms, Verdict};
use super::rule::{Kind, Place, Rule};
use crate::metrics::count_violation;
use crate::record::Record;
use lessor_engine::{Error, Result};
use lessor_storage::Storage;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

const TABLE: &str = "core/quotas";

/// What holds for all rate limits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct QuotaConfig {
    /// Paths, in every namespace, that no rate limit is for; a `*` at the end stands for anything.
    pub rate_limit_exempt_paths: Vec<String>,
    /// The same with the namespace in front.
    pub absolute_rate_limit_exempt_paths: Vec<String>,
    /// Writes refused requests to audit.
    pub enable_rate_limit_audit_logging: bool,
    /// Tells clients where they stand, in headers.
    pub enable_rate_limit_response_headers: bool,
}

/// What an operator in trouble needs.
const EXEMPT: [&str; 7] = [
    "sys/generate-recovery-token/attempt",
    "sys/generate-recovery-token/update",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
    "sys/health",
    "sys/seal-status",
    "sys/unseal",
];

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            rate_limit_exempt_paths: EXEMPT.map(str::to_owned).to_vec(),
            absolute_rate_limit_exempt_paths: Vec::new(),
            enable_rate_limit_audit_logging: false,
            enable_rate_limit_response_headers: false,
        }
    }
}

impl QuotaConfig {
    fn exempts(&self, place: &Place<'_>) -> bool {
        let fits = |pattern: &str, path: &str| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => pattern.trim_end_matches('/') == path.trim_end_matches('/'),
        };
        self.rate_limit_exempt_paths.iter().any(|pattern| fits(pattern, place.path))
            || self
                .absolute_rate_limit_exempt_paths
                .iter()
                .any(|pattern| fits(pattern, &format!("{}{}", place.namespace, place.path)))
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Table {
    config: QuotaConfig,
    rules: Vec<Rule>,
}

impl Table {
    fn lease_rules(&self) -> Vec<Rule> {
        self.rules.iter().filter(|rule| matches!(rule.kind, Kind::LeaseCount { .. })).cloned().collect()
    }
}

/// All quotas.
pub struct Quotas {
    storage: Arc<dyn Storage>,
    record: Record<Table>,
    table: RwLock<Arc<Table>>,
    limiters: Mutex<HashMap<String, Limiter>>,
    counts: Arc<LeaseCounts>,
}

impl Quotas {
    /// Reads the table; counts leases where a quota asks for it.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn load(storage: Arc<dyn Storage>, counts: Arc<LeaseCounts>) -> Result<Self> {
        let quotas = Self {
            record: Record::new(Arc::clone(&storage), TABLE),
            storage,
            table: RwLock::default(),
            limiters: Mutex::default(),
            counts,
        };
        quotas.reload().await?;
        Ok(quotas)
    }
    /// Reads the table again.
    ///
    /// # Errors
    /// As [`Quotas::load`].
    pub async fn reload(&self) -> Result<()> {
        self.record.reload(async |table| self.install(table).await).await
    }
    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    async fn install(&self, table: Table) -> Result<()> {
        let counted = table.lease_rules();
        if counted != self.table().lease_rules() {
            self.counts.count(&self.storage, counted).await?;
        }
        let known = |name: &str| table.rules.iter().any(|rule| rule.name == name);
        self.limiters.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| known(name));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }
    async fn change<T>(&self, change: impl FnMut(&mut Table) -> Result<T>) -> Result<T> {
        self.record.change(change, async |table| self.install(table).await).await
    }
    /// Counts the leases anew: what nodes made and ended that are gone is not noticed otherwise.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn recount(&self) -> Result<()> {
        let rules = self.table().lease_rules();
        if rules.is_empty() { Ok(()) } else { self.counts.count(&self.storage, rules).await }
    }
    /// What holds for all rate limits.
    pub fn config(&self) -> QuotaConfig {
        self.table().config.clone()
    }
    /// Changes what holds for all rate limits.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn configure(&self, change: impl Fn(&mut QuotaConfig)) -> Result<()> {
        self.change(|table| {
            change(&mut table.config);
            Ok(())
        })
        .await
    }
    /// The quotas of one kind (`rate-limit`, `lease-count`), by name.
    pub fn of(&self, kind: &str) -> Vec<Rule> {
        let table = self.table();
        let mut rules: Vec<Rule> = table.rules.iter().filter(|rule| rule.kind.word() == kind).cloned().collect();
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        rules
    }
    /// How many leases a quota counts.
    pub async fn stands(&self, name: &str) -> i64 {
        self.counts.stands(name).await
    }
    /// Makes or replaces a quota.
    ///
    /// # Errors
    /// When another one is for the same requests, or storage fails.
    pub async fn put(&self, rule: Rule) -> Result<()> {
        self.change(|table| {
            if let Some(other) = table.rules.iter().find(|other| other.name != rule.name && other.same_place(&rule)) {
                let name = &other.name;
                let text = format!("quota rule with similar properties exists under the name \"{name}\"");
                return Err(Error::invalid(text));
            }
            let kind = rule.kind.word();
            table.rules.retain(|other| other.name != rule.name || other.kind.word() != kind);
            table.rules.push(rule.clone());
            Ok(())
        })
        .await
    }
    /// Forgets a quota; none of that name is success.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn remove(&self, kind: &str, name: &str) -> Result<()> {
        if !self.of(kind).iter().any(|rule| rule.name == name) {
            return Ok(());
        }
        self.change(|table| {
            table.rules.retain(|rule| rule.name != name || rule.kind.word() != kind);
            Ok(())
        })
        .await
    }
    /// Forgets the quotas of a mount that went, or (`mount` empty) of a namespace.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn forget(&self, namespace: &str, mount: &str) -> Result<()> {
        let goes = |rule: &Rule| rule.namespace == namespace && (mount.is_empty() || rule.mount == mount);
        if !self.table().rules.iter().any(goes) {
            return Ok(());
        }
        self.change(|table| {
            table.rules.retain(|rule| !goes(rule));
            Ok(())
        })
        .await
    }
    /// Lets the quotas of a mount follow it.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn follow(&self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        let moves = |rule: &Rule| (rule.namespace.as_str(), rule.mount.as_str()) == from;
        if !self.table().rules.iter().any(moves) {
            return Ok(());
        }
        self.change(|table| {
            for rule in table.rules.iter_mut().filter(|rule| moves(rule)) {
                to.0.clone_into(&mut rule.namespace);
                to.1.clone_into(&mut rule.mount);
            }
            Ok(())
        })
        .await
    }
    /// Whether any rate limit is for a role.
    pub fn ask_for_roles(&self) -> bool {
        let limits = |rule: &Rule| matches!(rule.kind, Kind::RateLimit { .. }) && !rule.role.is_empty();
        self.table().rules.iter().any(limits)
    }
    /// Counts a request where a rate limit is for it; `now` in milliseconds.
    pub fn take(&self, place: &Place<'_>, client: Option<IpAddr>, now: i64) -> Option<Verdict> {
        let table = self.table();
        let limits = |rule: &&Rule| matches!(rule.kind, Kind::RateLimit { .. });
        let rule = Rule::deciding(table.rules.iter().filter(limits), place)?;
        let Kind::RateLimit { rate, interval, block_interval } = rule.kind else { return None };
        if table.config.exempts(place) {
            return None;
        }
        let terms =
            Terms { limit: whole(rate), interval: milliseconds(interval).max(1), block: milliseconds(block_interval) };
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters.entry(rule.name.clone()).or_insert_with(|| Limiter::new(terms, now));
        if limiter.terms() != terms {
            *limiter = Limiter::new(terms, now);
        }
        let verdict = limiter.take(client, now);
        if !verdict.admitted {
            count_violation("quota.rate_limit.violation", &rule.name);
        }
        Some(verdict)
    }
}

/// A rate as a number of requests: rounded, and at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
fn whole(rate: f64) -> u64 {
    (rate.round() as u64).max(1)
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}
