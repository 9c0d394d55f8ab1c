//! Named password policies, in storage.
use crate::keys;
use async_trait::async_trait;
use lessor_engine::password_policy::PasswordPolicy;
use lessor_engine::{Error, PasswordPolicies, Result, Secret, View};
use lessor_storage::Storage;
use std::sync::Arc;

/// Policies by name, kept as they were written.
pub struct StoredPolicies {
    storage: Arc<dyn Storage>,
    namespace: String,
}

impl StoredPolicies {
    /// Those of a namespace, behind the barrier.
    pub fn new(storage: Arc<dyn Storage>, namespace: &str) -> Self {
        Self { storage, namespace: namespace.to_owned() }
    }
    fn view(&self) -> View {
        let prefix = format!("{}core/password-policy/", keys::namespace(&self.namespace));
        View::new(Arc::clone(&self.storage), prefix)
    }
    /// The text of a policy.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn read(&self, name: &str) -> Result<Option<String>> {
        self.view().get(name).await
    }
    /// Checks and stores a policy.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub async fn write(&self, name: &str, text: &str) -> Result<()> {
        PasswordPolicy::parse(text)?;
        self.view().put(name, &text).await
    }
    /// Removes a policy; unknown is success.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.view().delete(name).await
    }
    /// All names.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn list(&self) -> Result<Vec<String>> {
        self.view().list("").await
    }
}

impl StoredPolicies {
    async fn policy(&self, name: &str) -> Result<PasswordPolicy> {
        let text = self.read(name).await?;
        PasswordPolicy::parse(&text.ok_or_else(|| Error::Internal("no password policy found".to_owned()))?)
    }
}

#[async_trait]
impl PasswordPolicies for StoredPolicies {
    async fn generate(&self, policy: &str) -> Result<Secret> {
        self.policy(policy).await?.generate()
    }
    async fn bits(&self, policy: &str) -> Result<f64> {
        Ok(self.policy(policy).await?.bits())
    }
}
