//! Renewal: a new end, counted from now and bounded from the start.
use super::record::Lease;
use super::ttl::{Bounds, effective};
use crate::active::Active;
use crate::metrics::{Account, account};
use lessor_engine::{Error, Result};
use std::time::Duration;

/// A renewed lease.
pub struct Renewed {
    /// The lease.
    pub lease: Lease,
    /// Whole seconds from now.
    pub ttl: Duration,
    /// That the TTL was capped.
    pub warning: Option<String>,
}

impl Active {
    /// Renews a lease; the engine extends the credential first, and if it refuses the lease stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field's texts, which clients match.
    pub async fn renew(&self, id: &str, increment: Option<Duration>) -> Result<Renewed> {
        let _time = crate::metrics::timed!("expire.renew");
        let _lock = self.locks.lock(id).await;
        let now = self.now();
        let Some((old, version)) = self.leases.lease(id).await? else {
            return Err(Error::invalid("lease not found"));
        };
        if old.attempts >= super::retry::ATTEMPTS {
            return Err(Error::invalid("lease is expired and has failed previous revocation attempts"));
        }
        if old.expires <= now {
            return Err(Error::invalid("lease expired"));
        }
        if !old.renewable {
            return Err(Error::invalid("lease is not renewable"));
        }
        let (mounted, cx) = self.background(&old.mount)?;
        let dynamic = mounted.backend.dynamic.as_ref().ok_or_else(|| Error::invalid("lease is not renewable"))?;
        let terms = self.bounded(dynamic.terms(&cx, &old.grant)).await?;
        let bounds = Bounds {
            wanted: increment,
            role: terms.default_ttl,
            role_max: terms.max_ttl,
            default: cx.mount.default_ttl,
            max: cx.mount.max_ttl,
            ..Bounds::default()
        };
        let mut term = effective(&bounds, old.issued, now)?;
        if let Some(end) = old.ends_by {
            term.ttl = term.ttl.min(Duration::try_from(end.duration_since(now)).unwrap_or_default());
        }
        let expires = now + term.ttl;
        let renewal = self.bounded(dynamic.renew(&cx, &old.grant, expires));
        account(&mounted.entry.kind, Account::Update, renewal).await?;
        let lease = Lease { expires, renewed: Some(now), due: expires.as_millisecond(), ..old.clone() };
        self.leases.update(&old, &lease, version).await?;
        self.wake_for(&lease.due());
        Ok(Renewed { lease, ttl: term.ttl, warning: term.warning })
    }
}
