//! What exists while a node is unsealed.
use crate::audit::Audit;
use crate::cluster::Cluster;
use crate::glance::Known;
use crate::identity::{Identity, oidc::MountTokens};
use crate::keys::Due;
use crate::lease::Store;
use crate::locks::Locks;
use crate::mount::{Mounted, Mounts};
use crate::namespace::Namespaces;
use crate::password_policies::StoredPolicies;
use crate::policy::Policies;
use crate::quota::Quotas;
use crate::revocation::Lanes;
use crate::settings::Settings;
use crate::token::Tokens;
use jiff::Timestamp;
use lessor_engine::{Caller, Clock, Connection, Context, Error, Result, View};
use lessor_storage::Storage;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The unsealed node. Everything it knows is in storage; this only holds connections, locks and queues.
pub struct Active {
    /// A UUID that was made with the storage; status endpoints show it.
    pub cluster_id: String,
    /// Behind the barrier.
    pub storage: Arc<dyn Storage>,
    /// Time, as all nodes agree on it.
    pub clock: Arc<dyn Clock>,
    /// The nodes that share the storage.
    pub cluster: Cluster,
    /// What the operator decided.
    pub settings: Arc<Settings>,
    /// Leases and intents.
    pub leases: Store,
    /// Tokens.
    pub tokens: Tokens,
    /// Mounts.
    pub mounts: Arc<Mounts>,
    /// Namespaces.
    pub namespaces: Namespaces,
    /// Entities, aliases and groups.
    pub identity: Arc<Identity>,
    /// Quotas.
    pub quotas: Quotas,
    /// Audit devices.
    pub audit: Audit,
    /// What tokens may do.
    pub policies: Policies,
    /// One at a time per lease, token and rotation.
    pub locks: Locks,
    /// The revocation queues.
    pub lanes: Lanes,
    /// Revocation is switched off.
    pub paused: AtomicBool,
    /// Ends everything below.
    pub stop: CancellationToken,
    /// What runs behind the requests.
    pub tasks: TaskTracker,
    /// As of which epoch the shared records are known.
    pub(crate) epoch: Known,
    pub(crate) wake: Notify,
    pub(crate) next_due: AtomicI64,
}

/// Where a request comes from, as an engine is told.
#[derive(Clone, Default)]
pub struct From {
    /// Who asks.
    pub caller: Caller,
    /// What it came over.
    pub connection: Arc<Connection>,
    /// The namespace it is for.
    pub namespace: String,
}

impl Active {
    /// The current time, as all nodes agree on it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    /// What an engine gets of a mount.
    pub fn context(&self, mounted: &Mounted, from: From, path: &str) -> Context {
        let told = mounted.told(&self.settings);
        Context {
            mount: Arc::clone(&told.mount),
            view: View::new(Arc::clone(&self.storage), Arc::clone(&told.prefix)),
            clock: Arc::clone(&self.clock),
            policies: Arc::new(StoredPolicies::new(Arc::clone(&self.storage), &from.namespace)),
            identity: Arc::new(MountTokens::new(self, &mounted.entry)),
            caller: from.caller,
            connection: from.connection,
            namespace: from.namespace,
            path: path.to_owned(),
        }
    }
    /// The mount and its context for work that no caller waits for.
    ///
    /// # Errors
    /// When there is no such mount.
    pub fn background(&self, uuid: &str) -> Result<(Arc<Mounted>, Context)> {
        let mounted = self.mounts.by_uuid(uuid);
        let mounted = mounted.ok_or_else(|| Error::Internal(format!("no mount has the uuid {uuid}")))?;
        let from = From { namespace: mounted.entry.namespace.clone(), ..From::default() };
        let context = self.context(&mounted, from, "");
        Ok((mounted, context))
    }
    /// Bounds a call to a platform.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the time is over, else what the call says.
    pub async fn bounded<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = self.settings.platform_timeout;
        tokio::time::timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable(format!("no answer within {} s", limit.as_secs()))))
    }
    /// Tells the reaper of something that was made durable with this due time.
    pub fn wake_for(&self, due: &Due) {
        if due.at < self.next_due.load(Ordering::Acquire) {
            self.wake.notify_one();
        }
    }
}
