//! What a database platform has to offer; everything above it is the same for all of them.
use async_trait::async_trait;
use lessor_engine::{Result, Secret, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The plugin's own part of a configuration (`connection_details`).
pub type Details = Map<String, Value>;

/// A driver for one platform.
pub trait Plugin: Send + Sync {
    /// The `plugin_name` it is configured by.
    fn name(&self) -> &'static str;
    /// The template that names its accounts unless the configuration has one of its own. It ends in
    /// `-{{.Random}}-{{unix_time}}`, by which [`crate::naming`] knows a mount's accounts again.
    fn username_template(&self) -> &'static str;
    /// The most bytes of an account's name. Longer ones would be cut by the platform, and not be found again.
    fn longest_name(&self) -> usize {
        usize::MAX
    }
    /// The credential types it can make.
    fn credential_types(&self) -> &'static [&'static str] {
        &["password"]
    }
    /// Keys of [`Details`] that are never shown.
    fn secret_fields(&self) -> &'static [&'static str];
    /// Refuses creation statements that cannot make an account.
    ///
    /// # Errors
    /// When there are none and the platform has no default.
    fn check_creation(&self, statements: &[String]) -> Result<()>;
    /// Takes the details without touching the network: connections are opened on first use.
    ///
    /// # Errors
    /// When the details make no sense; the text carries no secret.
    fn open(&self, details: &Details) -> Result<Arc<dyn Connection>>;
}

/// The account to make.
pub struct NewUser<'a> {
    /// Its name.
    pub username: &'a str,
    /// Its password.
    pub password: &'a Secret,
    /// How it is made.
    pub statements: &'a [String],
    /// When the platform stops accepting it by itself.
    pub expires: Timestamp,
    /// What is written beside it where its name does not tell whose it is.
    pub marker: Option<&'a str>,
    /// Rounds of a verifier computed here, where the role asks for it.
    pub scram_iterations: Option<u32>,
    /// Whether the name cannot be anybody else's: what already bears it is this account, half made earlier.
    pub unique: bool,
}

/// The account to delete.
pub struct GoneUser<'a> {
    /// Its name.
    pub username: &'a str,
    /// How, where the role says so.
    pub statements: &'a [String],
    /// The marker it was made with.
    pub marker: Option<&'a str>,
    /// Whether the name cannot be anybody else's; otherwise an account without the marker is left alone.
    pub unique: bool,
}

/// What the platform said to a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Login {
    /// The secret is right.
    Accepted,
    /// The secret is wrong.
    Wrong,
    /// The platform refused for another reason, so the secret was never looked at.
    Unknown,
}

/// An account on the platform.
pub struct Account {
    /// Its name.
    pub username: String,
    /// The marker beside it.
    pub marker: Option<String>,
}

/// One configured database: a pool that opens itself when needed.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Reaches the server with the root account.
    async fn probe(&self) -> Result<()>;
    /// Makes an account, whole or not at all. Safe to repeat.
    async fn new_user(&self, user: &NewUser<'_>) -> Result<()>;
    /// Moves the account's own expiry.
    async fn renew_user(&self, username: &str, statements: &[String], until: Timestamp) -> Result<()>;
    /// Gives an account a new password. With `own`, logged in as that account with its present one.
    async fn change_password(
        &self,
        username: &str,
        new: &Secret,
        statements: &[String],
        own: Option<&Secret>,
    ) -> Result<()>;
    /// Deletes an account and ends its sessions; already gone is success.
    async fn delete_user(&self, user: &GoneUser<'_>) -> Result<()>;
    /// Whether there is an account of that name.
    async fn user_exists(&self, username: &str) -> Result<bool>;
    /// Tries a login on a connection of its own; an unreachable server is an error.
    async fn login_check(&self, username: &str, password: &Secret) -> Result<Login>;
    /// Every account on the platform.
    async fn list_users(&self) -> Result<Vec<Account>>;
    /// The root password that new connections try first from now on; the one before is tried after it, because
    /// during a rotation nobody knows for a moment which of them the server takes.
    fn adopt_password(&self, password: &Secret);
}
