//! How many leases stand, for the quotas that ask. They are counted when such a quota is made or read, page by page beside
//! the work, and from then on with every commit that makes or ends one; without such a quota nothing is counted. Nodes that
//! share a storage tell each other at every beat what they changed.
mod census;
mod others;

use super::rule::{Kind, Place, Rule};
use crate::lease::record::Lease;
use crate::metrics::count_violation;
use crate::token::Token;
use census::Census;
use lessor_engine::{Error, Result};
use others::{Changes, Others};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};

/// The counts of the lease quotas.
#[derive(Default)]
pub struct LeaseCounts {
    /// Held shared over every commit that changes a number, and alone while a page is counted: so nothing is counted
    /// twice, and nothing is missed.
    gate: RwLock<Counts>,
    others: Others,
    /// One census at a time.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Counts {
    counted: Vec<Counted>,
    /// The count that is under way and will take the place of `counted`.
    census: Option<Census>,
    /// What the other nodes had changed when `counted` was begun.
    base: Changes,
}

struct Counted {
    rule: Rule,
    stands: AtomicI64,
    /// What this node made less what it ended, since the quota is there.
    net: AtomicI64,
    /// Leases that are being made.
    coming: Arc<AtomicI64>,
}

impl Counted {
    fn new(rule: Rule) -> Self {
        Self { rule, stands: AtomicI64::new(0), net: AtomicI64::new(0), coming: Arc::default() }
    }
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
pub struct Open<'a>(RwLockReadGuard<'a, Counts>);

impl Open<'_> {
    /// Whether anything is counted.
    pub fn counts(&self) -> bool {
        !self.0.counted.is_empty() || self.0.census.is_some()
    }
    /// Notes that the lease at a storage key was made (1) or ended (-1).
    pub fn change(&self, place: &Place<'_>, key: &str, by: i64) {
        if let Some(counted) = deciding(&self.0.counted, place) {
            counted.stands.fetch_add(by, Ordering::AcqRel);
            counted.net.fetch_add(by, Ordering::AcqRel);
        }
        if let Some(census) = &self.0.census {
            census.change(place, key, by);
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

impl Counts {
    fn stands(&self, counted: &Counted, others: &Others) -> i64 {
        counted.stands.load(Ordering::Acquire) + others.since(&self.base, &counted.rule.name)
    }
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
        let counts = self.gate.read().await;
        let Some(counted) = deciding(&counts.counted, place) else { return Ok(Seat(None)) };
        let coming = counted.coming.fetch_add(1, Ordering::AcqRel) + 1;
        let seat = Seat(Some(Arc::clone(&counted.coming)));
        if counts.stands(counted, &self.others) + coming > counted.most() {
            count_violation("quota.lease_count.violation", &counted.rule.name);
            let message = format!("request path \"{}\": lease count quota exceeded", place.path);
            return Err(Error::Refused { status: 429, message });
        }
        Ok(seat)
    }
    /// How many leases a quota counts.
    pub async fn stands(&self, name: &str) -> i64 {
        let counts = self.gate.read().await;
        let found = counts.counted.iter().find(|counted| counted.rule.name == name);
        found.map_or(0, |counted| counts.stands(counted, &self.others).max(0))
    }
}
