//! The end of a namespace: its tokens, its mounts with their leases, its records.
use crate::active::Active;
use crate::keys;
use crate::lease::revoke::How;
use lessor_engine::{Error, Result};

impl Active {
    /// Deletes a namespace that nothing lies in. It answers nobody from the beginning; what fails is repeated by
    /// asking again.
    ///
    /// # Errors
    /// When another namespace lies in it, or a credential cannot be deleted.
    pub async fn delete_namespace(&self, path: &str) -> Result<()> {
        if !self.namespaces.children(path).is_empty() {
            return Err(Error::invalid(format!("cannot delete namespace {path:?}: it contains child namespaces")));
        }
        self.namespaces.update(path, |namespace| namespace.tainted = true).await?;
        self.revoke_tokens_below(&format!("{path}auth/")).await?;
        for mounted in self.mounts.of(path).iter().filter(|mounted| mounted.entry.namespace == path) {
            self.unmount(&mounted.entry.uuid, How::Wait).await?;
        }
        self.remove_below(&keys::namespace(path)).await?;
        self.policies.changed().await?;
        self.quotas.forget(path, "").await?;
        self.mounts.forget_tuned(path).await?;
        self.namespaces.remove(path).await
    }
}
