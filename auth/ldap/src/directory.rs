//! One conversation with the directory: bounded in time as a whole.
use crate::config::Config;
use lessor_directory::{Account, Bound, Connection, Failure, Scope, Search, SearchEntry};
use lessor_engine::{Error, Result};
use std::time::Duration;

/// A connection that somebody is bound on, or nobody.
pub(crate) struct Directory<'a> {
    connection: Connection,
    config: &'a Config,
}

fn failed(what: &str, failure: &Failure) -> Error {
    failure.explain(&format!("ldap operation failed: {what}"), 400)
}

/// Talks to the first directory that answers, and hangs up.
///
/// # Errors
/// [`Error::Unavailable`] when none answers, or the conversation takes too long; else what `talk` says.
pub(crate) async fn with<T>(config: &Config, talk: impl AsyncFnOnce(&mut Directory<'_>) -> Result<T>) -> Result<T> {
    let connection = Connection::open(&config.settings()).await.map_err(|error| match error {
        Error::Unavailable(text) => Error::Unavailable(format!("ldap operation failed: {text}")),
        other => other,
    })?;
    let mut directory = Directory { connection, config };
    let timeout = Duration::from_secs(config.request_timeout.max(1));
    let slow = || Error::Unavailable(format!("ldap operation failed: the directory is too slow: {timeout:?} are over"));
    tokio::time::timeout(timeout, talk(&mut directory)).await.unwrap_or_else(|_| Err(slow()))
}

impl Directory<'_> {
    /// Binds; nobody is bound without asking.
    pub(crate) async fn bind(&mut self, account: Account<'_>) -> Result<Bound> {
        self.connection.bind(account).await.map_err(|failure| failed("failed to bind", &failure))
    }
    /// Binds as the account that searches, where there is one.
    pub(crate) async fn bind_searcher(&mut self) -> Result<()> {
        let config = self.config;
        let account = match config.has_account() {
            true => Account::Named { dn: &config.binddn, password: config.bindpass.expose() },
            false => Account::Nobody,
        };
        match self.bind(account).await? {
            Bound::Yes => Ok(()),
            Bound::Refused(_) => {
                Err(Error::refused("ldap operation failed: failed to bind with binddn: wrong bindpass"))
            }
        }
    }
    /// All entries below `base` that fit; an absent base has none.
    pub(crate) async fn search(&mut self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<SearchEntry>> {
        let search = Search { base, scope: Scope::Subtree, filter, attributes };
        let found = self.connection.search(&search).await;
        found.map_err(|failure| failed(&format!("search below {base:?}"), &failure))
    }
}
