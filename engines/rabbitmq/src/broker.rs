//! What is asked of a broker.
use crate::config::Config;
use crate::roles::{Permissions, TopicPermissions};
use async_trait::async_trait;
use lessor_engine::{Result, Secret};

/// A user of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
}

/// How brokers are reached.
pub(crate) trait Brokers: Send + Sync {
    /// The broker at `uri`, as the configuration's user.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    fn open(&self, config: &Config, uri: &str) -> Result<Box<dyn Broker>>;
}

/// One broker, as one user. Every call has a timeout; an absence is [`lessor_engine::Error::Unavailable`].
#[async_trait]
pub(crate) trait Broker: Send + Sync {
    /// Whether the password is right.
    async fn is_let_in(&self) -> Result<bool>;
    async fn users(&self) -> Result<Vec<User>>;
    async fn user(&self, name: &str) -> Result<Option<User>>;
    /// Makes the user, or changes password and tags of the one that is there.
    async fn put_user(&self, user: &User, password: &Secret) -> Result<()>;
    async fn permit(&self, vhost: &str, user: &str, permissions: &Permissions) -> Result<()>;
    async fn permit_topic(&self, vhost: &str, exchange: &str, user: &str, permissions: &TopicPermissions)
    -> Result<()>;
    /// Deletes the user; the broker closes its connections. One that is not there is no fault.
    async fn delete_user(&self, name: &str) -> Result<()>;
}
