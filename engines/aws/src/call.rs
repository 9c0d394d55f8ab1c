//! The calls this engine makes to AWS, and nothing more of AWS than they need. Actions and error codes as in the API
//! references of IAM (2010-05-08) and STS (2011-06-15).
use async_trait::async_trait;
use lessor_engine::{Clock, Error, IdentityTokens, Secret, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// AWS was not reached, or could not answer.
    #[error("{0}")]
    Unavailable(String),
    /// AWS asks to slow down.
    #[error("{0}")]
    Throttled(String),
    /// AWS refused.
    #[error("{code}: {message}")]
    Refused {
        /// `NoSuchEntity` and the like.
        code: String,
        /// AWS's own words.
        message: String,
    },
    /// This server made no identity token for the mount.
    #[error("no identity token for AWS: {0}")]
    NoToken(String),
}

impl CallError {
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable(text) => Self::Unavailable(text),
            CallError::Throttled(text) => Self::Throttled(text),
            refused @ (CallError::Refused { .. } | CallError::NoToken(_)) => Self::refused(refused.to_string()),
        }
    }
}

pub(crate) type Answer<T> = Result<T, CallError>;

/// Success when what was to be removed is gone already.
pub(crate) fn gone_is_fine(answer: Answer<()>) -> Answer<()> {
    match answer {
        Err(error) if error.is("NoSuchEntity") => Ok(()),
        other => other,
    }
}

/// An access key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// Only with temporary credentials.
    pub(crate) token: Option<Secret>,
}

/// How AWS is reached, and as whom.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// Without it and without a federation: what the server's surroundings offer.
    pub(crate) key: Option<Key>,
    /// Counts where there is no key.
    pub(crate) federation: Option<Federation>,
    pub(crate) region: String,
    pub(crate) iam_endpoint: String,
    pub(crate) sts_endpoints: Vec<(String, String)>,
    /// Below 0 leaves it to the SDK.
    pub(crate) max_retries: i64,
    /// A role to go through, with session name and external id.
    pub(crate) through: Option<Through>,
}

/// A role that trusts the identity tokens of this server.
#[derive(Clone)]
pub(crate) struct Federation {
    pub(crate) role_arn: String,
    pub(crate) audience: String,
    /// Lifetime of the token; AWS decides that of the session.
    pub(crate) ttl: Duration,
    pub(crate) tokens: Arc<dyn IdentityTokens>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A role in another account.
#[derive(Clone)]
pub(crate) struct Through {
    pub(crate) role_arn: String,
    pub(crate) session_name: String,
    pub(crate) external_id: String,
}

pub(crate) struct User {
    pub(crate) name: String,
    /// Never given twice, even to a user of the same name.
    pub(crate) id: String,
}

pub(crate) struct NewUser<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    pub(crate) boundary: &'a str,
    pub(crate) tags: &'a BTreeMap<String, String>,
}

/// A key of a user, without its secret.
pub(crate) struct ListedKey {
    pub(crate) id: String,
    pub(crate) created: Timestamp,
}

/// What narrows a session.
#[derive(Default)]
pub(crate) struct SessionPolicy {
    pub(crate) document: String,
    pub(crate) arns: Vec<String>,
}

pub(crate) struct AssumeRole<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    pub(crate) duration: Duration,
    pub(crate) policy: &'a SessionPolicy,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) external_id: &'a str,
}

pub(crate) struct Temporary {
    pub(crate) key: Key,
    pub(crate) expires: Timestamp,
    /// ARN of the session, where there is one.
    pub(crate) arn: String,
}

/// Attached and inline policies of a group.
pub(crate) struct GroupPolicies {
    pub(crate) arns: Vec<String>,
    /// As IAM stores them: URL-encoded JSON.
    pub(crate) documents: Vec<String>,
}

/// Where sessions come from: the SDK, or a simulation.
pub(crate) trait Cloud: Send + Sync {
    fn session(&self, settings: &Settings) -> Arc<dyn Session>;
}

/// The calls, made as one principal. Each is bounded in time.
#[async_trait]
pub(crate) trait Session: Send + Sync {
    async fn caller_identity(&self) -> Answer<String>;
    /// `None` asks who the caller is.
    async fn get_user(&self, name: Option<&str>) -> Answer<User>;
    async fn create_user(&self, user: &NewUser<'_>) -> Answer<()>;
    async fn user_tags(&self, name: &str) -> Answer<BTreeMap<String, String>>;
    async fn list_users(&self) -> Answer<Vec<String>>;
    async fn attach_policy(&self, user: &str, arn: &str) -> Answer<()>;
    async fn put_policy(&self, user: &str, name: &str, document: &str) -> Answer<()>;
    async fn add_to_group(&self, user: &str, group: &str) -> Answer<()>;
    async fn list_keys(&self, user: &str) -> Answer<Vec<ListedKey>>;
    async fn create_key(&self, user: &str) -> Answer<Key>;
    async fn delete_key(&self, user: &str, id: &str) -> Answer<()>;
    /// Removes all that hangs on a user, and the user. Keys are gone already.
    async fn delete_user(&self, user: &str) -> Answer<()>;
    async fn group_policies(&self, group: &str) -> Answer<GroupPolicies>;
    async fn assume_role(&self, wanted: &AssumeRole<'_>) -> Answer<Temporary>;
    async fn federation_token(&self, name: &str, duration: Duration, policy: &SessionPolicy) -> Answer<Temporary>;
    async fn session_token(&self, duration: Duration, mfa: Option<(&str, &str)>) -> Answer<Temporary>;
}
