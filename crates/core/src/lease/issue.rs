//! The issue protocol: plan → durable intent → create → one commit of lease and end of intent → answer. Whatever
//! goes wrong behind the intent, and whenever the caller is gone before the answer, the credential is revoked.
use super::record::{Intent, Lease, ordered_id};
use super::ttl::{Bounds, effective};
use crate::active::Active;
use crate::metrics::{Account, account};
use crate::mount::Mounted;
use crate::quota::Place;
use crate::token::{Kind, Token, store::record_key};
use jiff::Timestamp;
use lessor_engine::{Context, Credential, Dynamic, Error, Issue, Result};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// What is to be issued, and for whom.
pub struct Order {
    /// The mount that planned it.
    pub mounted: Arc<Mounted>,
    /// Its context.
    pub cx: Context,
    /// The plan.
    pub issue: Issue,
    /// The token the lease will belong to.
    pub token: Token,
    /// The whole request path.
    pub path: String,
}

/// A leased credential on its way to the caller. Dropped without [`Issued::delivered`], it is revoked.
pub struct Issued {
    /// The lease.
    pub lease: Lease,
    /// The answer's `data`.
    pub data: Map<String, Value>,
    /// Whole seconds.
    pub ttl: Duration,
    /// Shown to the caller.
    pub warnings: Vec<String>,
    active: Option<Arc<Active>>,
}

impl Issued {
    /// The answer is out of our hands.
    pub fn delivered(mut self) {
        self.active = None;
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        let Some(active) = self.active.take() else { return };
        let id = self.lease.id.clone();
        active.tasks.clone().spawn(async move {
            tracing::info!(lease_id = id, "nobody waits for the credential any more: revoking it");
            if let Err(error) = active.expire_now(&id).await {
                tracing::error!(lease_id = id, %error, "the lease stays until its time is over");
            }
        });
    }
}

impl Active {
    /// Runs the protocol to its end even if the caller is dropped meanwhile.
    ///
    /// # Errors
    /// What the engine or storage said; then no credential is left, or an intent covers it.
    pub async fn issue(self: &Arc<Self>, order: Order) -> Result<Issued> {
        let _time = crate::metrics::timed!("expire.register");
        let (answer, caller) = oneshot::channel();
        let active = Arc::clone(self);
        self.tasks.spawn(async move {
            // A caller that is gone drops what was issued, which revokes it.
            let _ = answer.send(active.run_issue(order).await);
        });
        caller.await.map_err(|_| Error::Internal("the node is being sealed".into()))?
    }

    async fn run_issue(self: &Arc<Self>, order: Order) -> Result<Issued> {
        let Order { mounted, cx, issue, token, path } = order;
        let dynamic = mounted.backend.dynamic.clone();
        let dynamic = dynamic.ok_or_else(|| Error::Internal("the engine plans what it cannot create".into()))?;
        let _gate = mounted.gate.read().await;
        let now = self.now();
        let bounds = Bounds {
            wanted: issue.ttl,
            role: issue.terms.default_ttl,
            role_max: issue.terms.max_ttl,
            default: cx.mount.default_ttl,
            max: cx.mount.max_ttl,
            ..Bounds::default()
        };
        let mut term = effective(&bounds, now, now)?;
        let ends_by = token.expires.filter(|_| token.kind == Kind::Batch);
        if let Some(end) = ends_by {
            term.ttl = term.ttl.min(Duration::try_from(end.duration_since(now)).unwrap_or_default());
        }
        // Longer than the creation can take: until then the intent is this task's.
        let due = now + self.settings.platform_timeout * 2 + Duration::from_secs(60);
        let intent = Intent {
            id: ordered_id(now),
            mount: mounted.entry.uuid.clone(),
            grant: issue.grant,
            opened: now,
            due: due.as_millisecond(),
            attempts: 0,
            error: None,
            owner: self.cluster.id(),
        };
        let _seat = if token.is_root() {
            None
        } else {
            let place = Place { namespace: &mounted.entry.namespace, path: &path, role: None };
            Some(self.leases.counts().seat(&place).await?)
        };
        let _lock = self.locks.lock(&intent.id).await;
        self.open_intent(&mounted, &intent).await?;
        if let Err(error) = self.cluster.check() {
            return Err(self.undo(&cx, &dynamic, &intent, None, error).await);
        }
        let created =
            account(&mounted.entry.kind, Account::New, self.bounded(dynamic.create(&cx, &intent.grant))).await;
        let credential = match created {
            Ok(credential) => credential,
            Err(error) => return Err(self.undo(&cx, &dynamic, &intent, None, error).await),
        };
        let ttl = credential.ttl.unwrap_or(term.ttl);
        let namespace = mounted.entry.namespace.clone();
        let suffix =
            if namespace.is_empty() { String::new() } else { format!(".{}", self.namespaces.id_of(&namespace)) };
        let lease = Lease {
            id: format!("{namespace}{path}/{}{suffix}", ordered_id(now)),
            namespace,
            token: token.holder().unwrap_or_default().to_owned(),
            ends_by,
            renewable: issue.renewable,
            ..lease(&intent, ttl, &credential, now)
        };
        let closed = self.leases.close(&intent, &lease, token.holder().map(record_key)).await;
        if let Err(error) = closed {
            return Err(self.undo(&cx, &dynamic, &intent, Some(&lease), error).await);
        }
        self.wake_for(&lease.due());
        let warnings = term.warning.into_iter().filter(|_| credential.ttl.is_none());
        let warnings = warnings.chain(credential.warnings).collect();
        Ok(Issued { lease, data: credential.data, ttl, warnings, active: Some(Arc::clone(self)) })
    }

    /// Makes the intent durable while the mount is there. Where other nodes share the storage the commit is guarded by
    /// the epoch, so that none is opened behind the back of a node that takes the mount away.
    async fn open_intent(&self, mounted: &Mounted, intent: &Intent) -> Result<()> {
        loop {
            if self.mounts.by_uuid(&mounted.entry.uuid).is_none_or(|current| current.entry.tainted) {
                return Err(Error::NotFound(format!("{} is being unmounted", mounted.entry.path)));
            }
            match self.leases.open(intent, self.epoch_guard()).await {
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => self.catch_up().await?,
                done => return done,
            }
        }
    }

    /// Removes what may have been created, and the intent; if the platform refuses, the intent is retried like a
    /// lease. Returns the error for the caller.
    async fn undo(
        &self,
        cx: &Context,
        dynamic: &Arc<dyn Dynamic>,
        intent: &Intent,
        lease: Option<&Lease>,
        cause: Error,
    ) -> Error {
        let grant = lease.map_or(&intent.grant, |lease| &lease.grant);
        let done = match self.bounded(dynamic.revoke(cx, grant)).await {
            Ok(()) => match lease {
                Some(lease) => self.leases.remove(lease).await.and(self.leases.drop_intent(intent).await),
                None => self.leases.drop_intent(intent).await,
            },
            Err(error) => self.retry_intent_later(intent, grant.clone(), &error).await,
        };
        if let Err(error) = done {
            tracing::warn!(intent = intent.id, %error, "cleaning up after a failed creation goes on later");
        }
        cause
    }

    async fn retry_intent_later(&self, old: &Intent, grant: lessor_engine::Grant, error: &Error) -> Result<()> {
        let Some((_, version)) = self.leases.intent(&old.id).await? else { return Ok(()) };
        let due = self.now() + super::retry::wait(old.attempts + 1);
        let new = Intent {
            grant,
            due: due.as_millisecond(),
            attempts: old.attempts + 1,
            error: Some(error.to_string()),
            ..old.clone()
        };
        self.leases.update_intent(old, &new, version).await?;
        self.wake_for(&new.due());
        Ok(())
    }
}

fn lease(intent: &Intent, ttl: Duration, credential: &Credential, now: Timestamp) -> Lease {
    let mut grant = intent.grant.clone();
    if let Some(data) = &credential.grant_data {
        grant.data = data.clone();
    }
    let expires = now + ttl;
    Lease {
        id: String::new(),
        namespace: String::new(),
        mount: intent.mount.clone(),
        token: String::new(),
        ends_by: None,
        grant,
        issued: now,
        expires,
        renewed: None,
        renewable: false,
        due: expires.as_millisecond(),
        attempts: 0,
        error: None,
    }
}
