//! The contracts core drives, and the value an engine hands over.
use crate::{AuthMethod, Context, Error, PathTable, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// All that is needed to make a credential, and to find and delete it later. Decided by a creds handler
/// (the *plan*, returned as [`crate::Reply::issue`]) without touching the platform, and made durable before
/// [`Dynamic::create`] is called. Kept as the lease's own record, so that a role or configuration deleted
/// meanwhile does not make it irrevocable.
#[derive(Clone, Serialize, Deserialize)]
pub struct Grant {
    /// What it is made on, unique within the mount (a database connection's name, `"account"`): revocations
    /// of one target share a queue, a concurrency limit and a circuit breaker.
    pub target: String,
    /// The credential's unique name on the platform, or the marker by which it is found there.
    pub name: String,
    /// Everything else the engine needs, in its own form. Stored through the barrier, never shown.
    pub data: Value,
    /// `false` where the platform cannot revoke (temporary cloud sessions): the lease only records the end.
    pub revocable: bool,
}

impl Grant {
    /// Reads [`Grant::data`] as the engine's own type.
    ///
    /// # Errors
    /// When the stored data is not of that type.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        Ok(T::deserialize(&self.data)?)
    }
}

/// What was created: the answer to the caller.
pub struct Credential {
    /// The `data` of the response.
    pub data: Map<String, Value>,
    /// Replaces [`Grant::data`] in the lease where the platform assigned something worth keeping.
    pub grant_data: Option<Value>,
    /// Where the platform decides how long it lives: the lease is exactly that long.
    pub ttl: Option<Duration>,
    /// Shown to the caller beside it.
    pub warnings: Vec<String>,
}

impl Credential {
    /// A credential with this data and nothing special.
    pub fn new(data: Map<String, Value>) -> Self {
        Self { data, grant_data: None, ttl: None, warnings: Vec::new() }
    }
}

/// How long a lease may live, as the engine sees it; `None` leaves it to the mount.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Terms {
    /// TTL when nothing is asked for.
    pub default_ttl: Option<Duration>,
    /// Upper bound counted from the issue time.
    pub max_ttl: Option<Duration>,
}

/// An object on the platform that this mount made, as [`Dynamic::owned`] finds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MadeObject {
    /// The target it stands on.
    pub target: String,
    /// The same name or marker as [`Grant::name`].
    pub name: String,
}

/// Credentials that are created on a platform and deleted from it.
#[async_trait]
pub trait Dynamic: Send + Sync {
    /// Makes the credential. Safe to repeat with the same grant after a crash.
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential>;
    /// What a renewal may ask for now (roles and configuration are read again).
    async fn terms(&self, cx: &Context, grant: &Grant) -> Result<Terms>;
    /// Extends the credential to `until` where the platform holds an expiry of its own.
    async fn renew(&self, cx: &Context, grant: &Grant, until: Timestamp) -> Result<()>;
    /// Deletes it and ends its sessions. Already gone is success.
    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()>;
    /// Everything on the platform that this mount made.
    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>>;
    /// The grant by which an owned object with no lease can be revoked.
    async fn grant_for(&self, cx: &Context, object: &MadeObject) -> Result<Grant>;
    /// A cheap question whether the target answers; asked while its circuit is open.
    async fn probe(&self, cx: &Context, target: &str) -> Result<()>;
}

/// One rotation, from its plan to its end. The record is durable before every step that touches the platform.
#[derive(Clone, Serialize, Deserialize)]
pub struct Rotation {
    /// What is rotated, as the engine names it (`"root/<config>"`, `"static/<role>"`).
    pub subject: String,
    /// The target it stands on, as in [`Grant::target`].
    pub target: String,
    /// Old and new secret and what else the engine needs. Stored through the barrier, never shown.
    pub data: Value,
}

impl Rotation {
    /// Reads [`Rotation::data`] as the engine's own type.
    ///
    /// # Errors
    /// When the stored data is not of that type.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        Ok(T::deserialize(&self.data)?)
    }
}

/// Which of the two secrets the platform accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Works {
    /// The platform took the new one.
    New,
    /// The platform never heard of the new one, or it cannot be known any more: go on with the old one.
    Old,
}

/// Secrets that are replaced in two phases; core runs
/// plan → durable → apply → durable → verify → commit (atomic, new secret becomes current) → retire.
#[async_trait]
pub trait Rotating: Send + Sync {
    /// Decides the new secret (or, where the platform assigns it, how to find what was half made).
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation>;
    /// Tells the platform. Returns the data to go on with (with a secret the platform assigned).
    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value>;
    /// Logs in with the new secret.
    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()>;
    /// The writes that make the new secret current, to be committed with the end of the pending record.
    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<crate::Changes>;
    /// Removes the old secret from the platform where it would go on working. Repeated until it succeeds;
    /// already gone is success.
    async fn retire(&self, cx: &Context, rotation: &Rotation) -> Result<()>;
    /// After a crash or a failed step: finds out by logging in which secret works, undoing what is half made
    /// when the answer is [`Works::Old`].
    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works>;
    /// The `data` of the answer to the caller who asked for the rotation; `None` answers 204.
    async fn answer(&self, _cx: &Context, _rotation: &Rotation) -> Result<Option<Map<String, Value>>> {
        Ok(None)
    }
    /// Whether a rotation by [`crate::Outcome::Refresh`] is needed still; asked while nobody else rotates the subject.
    async fn is_due(&self, _cx: &Context, _subject: &str) -> Result<bool> {
        Ok(true)
    }
    /// The `data` of the answer to a [`crate::Outcome::Refresh`].
    async fn present(&self, _cx: &Context, subject: &str) -> Result<Map<String, Value>> {
        Err(Error::Internal(format!("{subject:?} is nothing that is read")))
    }
    /// Name of the policy that bounds the attempts of a failed scheduled rotation; empty tries for ever.
    async fn policy(&self, _cx: &Context, _subject: &str) -> Result<String> {
        Ok(String::new())
    }
    /// The path below the mount by which people know the subject.
    fn path(&self, subject: &str) -> String {
        subject.to_owned()
    }
    /// When the subject is due again, asked right after a rotation; `None` ends the schedule. Which moment a
    /// failed scheduled rotation is tried again is core's business.
    async fn next(&self, cx: &Context, subject: &str) -> Result<Option<Timestamp>>;
}

/// What an engine or auth method is, once mounted.
#[derive(Clone)]
pub struct Backend {
    /// Its endpoints.
    pub paths: PathTable,
    /// Its credentials, where it issues any.
    pub dynamic: Option<Arc<dyn Dynamic>>,
    /// Its rotations, where it has any.
    pub rotating: Option<Arc<dyn Rotating>>,
    /// How its tokens are renewed, where it lets somebody in.
    pub auth: Option<Arc<dyn AuthMethod>>,
}

impl Backend {
    /// Endpoints and nothing else.
    pub fn new(paths: PathTable) -> Self {
        Self { paths, dynamic: None, rotating: None, auth: None }
    }
    /// Issues credentials.
    #[must_use]
    pub fn dynamic(self, dynamic: Arc<dyn Dynamic>) -> Self {
        Self { dynamic: Some(dynamic), ..self }
    }
    /// Rotates secrets.
    #[must_use]
    pub fn rotating(self, rotating: Arc<dyn Rotating>) -> Self {
        Self { rotating: Some(rotating), ..self }
    }
    /// Lets people in.
    #[must_use]
    pub fn auth(self, auth: Arc<dyn AuthMethod>) -> Self {
        Self { auth: Some(auth), ..self }
    }
}

/// Makes the [`Backend`] of a mount. The binary lists the factories it was built with.
pub trait Factory: Send + Sync {
    /// The type a client names at `sys/mounts` (`aws`, `database`, `kv`) or `sys/auth` (`approle`, `userpass`).
    fn kind(&self) -> &'static str;
    /// One sentence for people.
    fn description(&self) -> &'static str;
    /// Names of the plugins it knows platforms by (`postgresql-database-plugin`), where it has any.
    fn plugins(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// A fresh backend for one mount; `options` are the mount's (`version = "2"`).
    ///
    /// # Errors
    /// When the options make no sense for this engine.
    fn create(&self, options: &BTreeMap<String, String>) -> Result<Backend>;
    /// Whether a mount with the one set of options may go on with the other.
    ///
    /// # Errors
    /// When what is stored could not be used any more.
    fn retune(&self, _from: &BTreeMap<String, String>, _to: &BTreeMap<String, String>) -> Result<()> {
        Ok(())
    }
}
