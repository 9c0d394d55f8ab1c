//! PostgreSQL and what speaks its protocol.
mod connect;
mod error;
mod pool;
mod scram;
mod users;

use crate::plugin::{Account, Connection, Details, GoneUser, Login, NewUser, Plugin};
use async_trait::async_trait;
use connect::{Target, flag, text};
use lessor_engine::{Error, Result, Secret, Timestamp};
use pool::Pool;
use std::sync::Arc;

/// `postgresql-database-plugin`.
pub struct Postgresql;

impl Plugin for Postgresql {
    fn name(&self) -> &'static str {
        "postgresql-database-plugin"
    }
    fn username_template(&self) -> &'static str {
        r#"{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (.Random) (unix_time) | truncate 63 }}"#
    }
    /// `NAMEDATALEN` - 1.
    fn longest_name(&self) -> usize {
        63
    }
    fn secret_fields(&self) -> &'static [&'static str] {
        &["password", "private_key", "service_account_json"]
    }
    fn check_creation(&self, statements: &[String]) -> Result<()> {
        if crate::statements::statements(statements).is_empty() {
            return Err(Error::Refused { status: 500, message: "empty creation statements".to_owned() });
        }
        Ok(())
    }
    fn open(&self, details: &Details) -> Result<Arc<dyn Connection>> {
        let auth = text(details, "auth_type");
        if !auth.is_empty() {
            return Err(Error::invalid(format!(
                "auth_type {auth:?} is not supported: leave it empty and log in by password"
            )));
        }
        let scram = match text(details, "password_authentication").as_str() {
            "" | "password" => false,
            "scram-sha-256" => true,
            other => {
                return Err(Error::invalid(format!(
                    "{other:?} is not a valid password_authentication: use password or scram-sha-256"
                )));
            }
        };
        let owner_only = flag(details, "self_managed");
        if owner_only && !(text(details, "username").is_empty() && text(details, "password").is_empty()) {
            return Err(Error::invalid("self_managed excludes username and password"));
        }
        let pool = Pool::new(Target::parse(details)?, details)?;
        Ok(Arc::new(Server { pool, scram }))
    }
}

/// One configured server.
struct Server {
    pool: Pool,
    /// Passwords are sent as verifiers, whatever the role says.
    scram: bool,
}

#[async_trait]
impl Connection for Server {
    async fn probe(&self) -> Result<()> {
        self.pool.query("error verifying the connection", "SELECT 1").await.map(drop)
    }
    async fn new_user(&self, user: &NewUser<'_>) -> Result<()> {
        users::create(self, user).await
    }
    async fn renew_user(&self, username: &str, statements: &[String], until: Timestamp) -> Result<()> {
        users::renew(self, username, statements, until).await
    }
    async fn change_password(
        &self,
        username: &str,
        new: &Secret,
        statements: &[String],
        own: Option<&Secret>,
    ) -> Result<()> {
        users::change_password(self, username, new, statements, own).await
    }
    async fn delete_user(&self, user: &GoneUser<'_>) -> Result<()> {
        users::delete(self, user).await
    }
    async fn user_exists(&self, username: &str) -> Result<bool> {
        users::exists(self, username).await
    }
    async fn login_check(&self, username: &str, password: &Secret) -> Result<Login> {
        users::login(self.pool.target(), username, password).await
    }
    async fn list_users(&self) -> Result<Vec<Account>> {
        users::list(self).await
    }
    fn adopt_password(&self, password: &Secret) {
        self.pool.adopt(password);
    }
}
