//! What a handler may know and use while it answers.
use crate::{Clock, Result, Secret, View};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{any::Any, collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

/// The mount a request arrived at.
#[derive(Clone, Debug)]
pub struct Mount {
    /// With a trailing slash: `team-a/aws/`.
    pub path: String,
    /// Stable through moves: `aws_1a2b3c4d`.
    pub accessor: String,
    /// Names the mount's storage; never changes.
    pub uuid: String,
    /// Lease TTL when neither caller nor engine names one (the system's default already filled in).
    pub default_ttl: Duration,
    /// Upper bound of every lease of the mount (the system's already filled in).
    pub max_ttl: Duration,
    /// The mount's options, such as `version`.
    pub options: BTreeMap<String, String>,
}

/// What identity knows of a caller, for templates in roles.
pub trait Identified: std::fmt::Debug + Send + Sync {
    /// The value of a variable such as `identity.entity.name`; `None` where nothing is known under that name.
    fn value(&self, variable: &str) -> Option<String>;
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// `root`, `token`, `userpass-bob`.
    pub display_name: String,
    /// The token's accessor.
    pub accessor: String,
    /// The identity entity, or empty.
    pub entity_id: String,
    /// What identity knows of the entity, where there is one.
    pub identified: Option<Arc<dyn Identified>>,
    /// The token itself, for core's own paths; engines get an empty one.
    pub token: Secret,
    /// The token's record, for core's own paths; engines get none.
    pub record: Option<Arc<dyn Any + Send + Sync>>,
    /// How long the wrapped answer is to be kept, where one is asked for.
    pub wrap_ttl: Option<Duration>,
    /// Whether its token is wanted in the signed form (`X-Vault-Wrap-Format: jwt`).
    pub wrap_signed: bool,
}

/// What the request came over. Empty in background work.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The client's address, or the one a trusted proxy names.
    pub address: Option<IpAddr>,
    /// Headers by lower-case name: those the mount is tuned to pass through, and `authorization` where it holds no
    /// token of ours.
    pub headers: Vec<(String, String)>,
    /// The client's certificate chain in DER, its own first; TLS has proven that it holds the key, nothing else.
    pub certificates: Vec<Vec<u8>>,
    /// A body that is no JSON and too large to hold: only core's own endpoints get one.
    pub upload: Option<Arc<std::fs::File>>,
}

/// Named password policies, kept by core.
#[async_trait]
pub trait PasswordPolicies: Send + Sync {
    /// A password by the named policy.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] `no password policy found` when there is none of that name.
    async fn generate(&self, policy: &str) -> Result<Secret>;
    /// How many bits it takes to guess a password of the named policy.
    ///
    /// # Errors
    /// As [`PasswordPolicies::generate`].
    async fn bits(&self, policy: &str) -> Result<f64>;
}

/// Signed statements about who a mount is, for platforms that trust this server's keys instead of a stored secret.
#[async_trait]
pub trait IdentityTokens: Send + Sync {
    /// A JSON Web Token for `audience` that ends after `ttl`. Its subject names the mount; the key is the one the mount
    /// is tuned to.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when there is no such key, or the key is not for this audience or this long.
    async fn mint(&self, audience: &str, ttl: Duration) -> Result<Secret>;
    /// A text with `{{identity.…}}` filled in for an entity; `None` where it says nothing about them, or where a value
    /// holds wildcards and `wildcards` does not allow that.
    ///
    /// # Errors
    /// When storage fails.
    async fn fill(&self, _entity_id: &str, _template: &str, _wildcards: bool) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Everything a handler and the lease protocol need beside the parameters.
#[derive(Clone)]
pub struct Context {
    /// The mount.
    pub mount: Arc<Mount>,
    /// The mount's own storage.
    pub view: View,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Password policies.
    pub policies: Arc<dyn PasswordPolicies>,
    /// Tokens that say who the mount is.
    pub identity: Arc<dyn IdentityTokens>,
    /// Who asks; empty in background work.
    pub caller: Caller,
    /// What the request came over.
    pub connection: Arc<Connection>,
    /// The namespace the mount lies in: empty for the root, else `team-a/` or deeper.
    pub namespace: String,
    /// The request path behind the mount (`creds/app`); empty in background work.
    pub path: String,
}

impl Context {
    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
