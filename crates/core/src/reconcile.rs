//! What a platform holds of a mount's making, against what Lessor knows: credentials that nobody leases (a backup was
//! restored), and leases whose credential somebody deleted by hand.
use crate::active::Active;
use crate::lease::{Intent, record::ordered_id};
use lessor_engine::{Error, MadeObject, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

const PAGE: usize = 256;

/// A lease whose credential is gone.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The lease.
    pub lease_id: String,
    /// The credential's name on the platform.
    pub name: String,
}

/// What does not match.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Credentials of this mount's making that the platforms hold.
    pub owned: usize,
    /// Leases and intents of the mount.
    pub known: usize,
    /// On a platform, without lease or intent.
    pub orphans: Vec<MadeObject>,
    /// Leases whose credential is gone.
    pub missing: Vec<Missing>,
    /// How many of both were handed over for removal.
    pub removed: usize,
}

impl Active {
    /// Compares, and when `remove` is set hands orphans to the revocation queue and forgets leases of nothing.
    ///
    /// # Errors
    /// When the platform cannot be asked.
    pub async fn reconcile(self: &Arc<Self>, mount: &str, remove: bool) -> Result<Report> {
        let (mounted, cx) = self.background(mount)?;
        let Some(dynamic) = &mounted.backend.dynamic else {
            return Err(Error::invalid(format!("{} issues no credentials: nothing to reconcile", mounted.entry.kind)));
        };
        // Known before owned: what is made meanwhile is then at worst taken for known, never for an orphan.
        let mut known = self.known(&mounted.entry.full_path(), mount).await?;
        let owned = self.bounded(dynamic.owned(&cx)).await?;
        let later = self.known(&mounted.entry.full_path(), mount).await?;
        let mut report = Report { owned: owned.len(), known: later.len(), ..Report::default() };
        for object in owned {
            let name = (object.target.clone(), object.name.clone());
            let before = known.remove(&name).is_some();
            if !before && !later.contains_key(&name) {
                report.orphans.push(object);
            }
        }
        // What is left of those known before has no object; it may have ended meanwhile.
        let gone = known.into_iter().filter(|(name, _)| later.contains_key(name));
        let missing = gone.filter_map(|((_, name), lease)| lease.map(|lease_id| Missing { lease_id, name }));
        report.missing = missing.collect();
        report.missing.sort_unstable();
        if remove {
            for object in &report.orphans {
                let grant = self.bounded(dynamic.grant_for(&cx, object)).await?;
                let now = self.now();
                let intent = Intent {
                    id: ordered_id(now),
                    mount: mount.to_owned(),
                    grant,
                    opened: now,
                    due: now.as_millisecond(),
                    attempts: 0,
                    error: None,
                    owner: self.cluster.id(),
                };
                self.leases.open(&intent, None).await?;
                self.wake_for(&intent.due());
            }
            for missing in &report.missing {
                self.revoke_now(&missing.lease_id).await?;
            }
            report.removed = report.orphans.len() + report.missing.len();
        }
        Ok(report)
    }

    /// Names of credentials by target, with the lease where there is one.
    async fn known(&self, path: &str, mount: &str) -> Result<HashMap<(String, String), Option<String>>> {
        let mut known = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.leases.page(path, after.as_deref(), PAGE).await?;
            let size = page.len();
            after = page.last().map(|lease| lease.id.clone());
            for lease in page.into_iter().filter(|lease| lease.grant.revocable) {
                known.insert((lease.grant.target, lease.grant.name), Some(lease.id));
            }
            if size < PAGE {
                break;
            }
        }
        after = None;
        loop {
            let page = self.leases.intents(after.as_deref(), PAGE).await?;
            let size = page.len();
            after = page.last().map(|(intent, _)| intent.id.clone());
            for (intent, _) in page.into_iter().filter(|(intent, _)| intent.mount == mount) {
                known.entry((intent.grant.target, intent.grant.name)).or_insert(None);
            }
            if size < PAGE {
                return Ok(known);
            }
        }
    }
}
