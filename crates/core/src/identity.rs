//! Who somebody is beyond one token: entities, their aliases at auth mounts, and groups.
//!
//! Everything is in storage, one record per entity and group with small index keys beside it, so memory does not grow
//! with their number. A change is a [`tx::Tx`]: whatever it read is guarded when it is committed, and it is decided
//! anew when somebody else was faster. Nothing is cached but what [`Identity::subject`] answers, and that is checked
//! against the versions of the records at every request.
mod aliases;
mod entities;
mod groups;
mod login;
mod merge;
pub mod mfa;
pub(crate) mod oidc;
mod paths;
mod record;
mod resolve;
pub mod subject;
mod tx;

pub use login::{Known, LoginAt};
pub(crate) use paths::mount;
pub use record::{Entity, Group, GroupKind, Record};
pub use subject::Subject;

use lessor_engine::{Clock, Result};
use lessor_storage::Storage;
use paths::Open;
use std::sync::Arc;
use tx::Tx;

/// Reads and writes identities. `namespace` is everywhere empty for the root, else ends in `/`.
pub struct Identity {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    subjects: resolve::Cache,
}

impl Identity {
    /// Over `storage`, behind the barrier.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Self {
        Self { storage, clock, subjects: resolve::Cache::default() }
    }
    /// Everything a namespace keeps here, for whoever deletes it.
    pub fn prefix(namespace: &str) -> String {
        tx::prefix(namespace)
    }
    fn begin(&self, namespace: &str) -> Tx {
        Tx::new(Arc::clone(&self.storage), namespace, self.clock.now())
    }
    /// The entity of that id.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn entity(&self, namespace: &str, id: &str) -> Result<Option<Entity>> {
        self.begin(namespace).entity(id).await
    }
}

#[cfg(test)]
mod tests;
