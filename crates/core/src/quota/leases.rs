//! How many leases stand, for the quotas that ask. They are counted once, when such a quota is made or read, and from
//! then on with every commit that makes or ends one; without such a quota nothing is counted.
use super::rule::{Kind, Place, Rule};
use crate::lease::record::Lease;
use crate::metrics::count_violation;
use crate::token::Token;
use lessor_engine::{Error, Result};
use lessor_storage::Storage;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{RwLock, RwLockReadGuard};

const PAGE: usize = 512;

/// The counts of the lease quotas.
#[derive(Default)]
pub struct LeaseCounts {
    /// Held shared over every commit that changes a number, and alone while everything is counted: so nothing is
    /// counted twice, and nothing is missed.
    gate: RwLock<Vec<Counted>>,
}

struct Counted {
    rule: Rule,
    stands: AtomicI64,
    /// Leases that are being made.
    coming: Arc<AtomicI64>,
}

impl Counted {
    fn most(&self) -> i64 {
        match self.rule.kind {
            Kind::LeaseCount { max_leases } => i64::try_from(max_leases).unwrap_or(i64::MAX),
            Kind::RateLimit { .. } => i64::MAX,
        }
    }
}

/// Room for one lease that is being made.
pub struct Seat(Option<Arc<AtomicI64>>);

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(coming) = &self.0 {
            coming.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Held over a commit that makes or ends a lease.
pub struct Open<'a>(RwLockReadGuard<'a, Vec<Counted>>);

impl Open<'_> {
    /// Whether anything is counted.
    pub fn counts(&self) -> bool {
        !self.0.is_empty()
    }
    /// Notes that a lease was made (1) or ended (-1).
    pub fn change(&self, place: &Place<'_>, by: i64) {
        if let Some(counted) = deciding(&self.0, place) {
            counted.stands.fetch_add(by, Ordering::AcqRel);
        }
    }
}

fn deciding<'a>(all: &'a [Counted], place: &Place<'_>) -> Option<&'a Counted> {
    let rule = Rule::deciding(all.iter().map(|counted| &counted.rule), place)?;
    all.iter().find(|counted| std::ptr::eq(&counted.rule, rule))
}

/// Where a lease lies: its namespace and the path it was issued at.
pub fn place_of(lease: &Lease) -> Place<'_> {
    let path = lease.shown_id();
    Place { namespace: &lease.namespace, path: path.rsplit_once('/').map_or(path, |(path, _)| path), role: None }
}

/// Where the lease of a token lies: its namespace, the path and the role of the login it was made at.
pub fn place_of_token(token: &Token) -> Place<'_> {
    let role = token.origin.as_ref().map(|origin| origin.role.as_str()).filter(|role| !role.is_empty());
    Place { namespace: &token.namespace, path: &token.path, role }
}

impl LeaseCounts {
    /// To be held over a commit.
    pub async fn open(&self) -> Open<'_> {
        Open(self.gate.read().await)
    }
    /// Room for one more lease.
    ///
    /// # Errors
    /// 429 when the quota that decides has none left.
    pub async fn seat(&self, place: &Place<'_>) -> Result<Seat> {
        let all = self.gate.read().await;
        let Some(counted) = deciding(&all, place) else { return Ok(Seat(None)) };
        let coming = counted.coming.fetch_add(1, Ordering::AcqRel) + 1;
        let seat = Seat(Some(Arc::clone(&counted.coming)));
        if counted.stands.load(Ordering::Acquire) + coming > counted.most() {
            count_violation("quota.lease_count.violation", &counted.rule.name);
            let message = format!("request path \"{}\": lease count quota exceeded", place.path);
            return Err(Error::Refused { status: 429, message });
        }
        Ok(seat)
    }
    /// How many leases a quota counts.
    pub async fn stands(&self, name: &str) -> i64 {
        let all = self.gate.read().await;
        let found = all.iter().find(|counted| counted.rule.name == name);
        found.map_or(0, |counted| counted.stands.load(Ordering::Acquire).max(0))
    }
    /// Counts everything for these quotas, page by page.
    ///
    /// # Errors
    /// When storage fails; then the quotas stay as they were.
    pub async fn count(&self, storage: &Arc<dyn Storage>, rules: Vec<Rule>) -> Result<()> {
        let mut gate = self.gate.write().await;
        let fresh = |rule| Counted { rule, stands: AtomicI64::new(0), coming: Arc::default() };
        let counted: Vec<Counted> = rules.into_iter().map(fresh).collect();
        if !counted.is_empty() {
            count_leases(storage, &counted).await?;
            count_tokens(storage, &counted).await?;
        }
        *gate = counted;
        Ok(())
    }
}

fn add(all: &[Counted], place: &Place<'_>) {
    if let Some(counted) = deciding(all, place) {
        counted.stands.fetch_add(1, Ordering::AcqRel);
    }
}

async fn count_leases(storage: &Arc<dyn Storage>, all: &[Counted]) -> Result<()> {
    let prefix = crate::keys::lease("");
    let mut after: Option<String> = None;
    loop {
        let page = storage.scan(&prefix, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for entry in &page {
            add(all, &place_of(&serde_json::from_slice(&entry.value)?));
        }
    }
}

async fn count_tokens(storage: &Arc<dyn Storage>, all: &[Counted]) -> Result<()> {
    let prefix = crate::token::store::record_key("");
    let mut after: Option<String> = None;
    loop {
        let page = storage.scan(&prefix, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for entry in &page {
            let token: Token = serde_json::from_slice(&entry.value)?;
            if token.is_leased() {
                add(all, &place_of_token(&token));
            }
        }
    }
}
