//! One conversation with the directory: bounded in time as a whole.
use crate::config::Config;
use lessor_directory::{Account, Bound, Connection, Failure, Scope, Search, SearchEntry};
use lessor_engine::{Context, Error, Result, Secret};
use std::time::Duration;

/// A connection that somebody is bound on, or nobody.
pub(crate) struct Directory<'a> {
    connection: Connection,
    cx: &'a Context,
    config: &'a Config,
}

fn failed(what: &str, failure: &Failure) -> Error {
    failure.explain(&format!("ldap operation failed: {what}"), 400)
}

/// Talks to the first directory that answers, and hangs up.
///
/// # Errors
/// [`Error::Unavailable`] when none answers, or the conversation takes too long; else what `talk` says.
pub(crate) async fn with<T>(
    cx: &Context,
    config: &Config,
    talk: impl AsyncFnOnce(&mut Directory<'_>) -> Result<T>,
) -> Result<T> {
    let connection = Connection::open(&config.settings()).await.map_err(|error| match error {
        Error::Unavailable(text) => Error::Unavailable(format!("ldap operation failed: {text}")),
        other => other,
    })?;
    let mut directory = Directory { connection, cx, config };
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
        if !config.has_account() {
            return self.bind(Account::Nobody).await.map(drop);
        }
        if self.bind_with(&config.bindpass).await? {
            return Ok(());
        }
        for other in config.other_passwords(self.cx).await? {
            if self.bind_with(&other).await? {
                return Ok(());
            }
        }
        Err(Error::refused("ldap operation failed: failed to bind with binddn: wrong bindpass"))
    }
    async fn bind_with(&mut self, password: &Secret) -> Result<bool> {
        let account = Account::Named { dn: &self.config.binddn, password: password.expose() };
        Ok(self.bind(account).await? == Bound::Yes)
    }
    /// One entry; `None` when it is not there.
    pub(crate) async fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<SearchEntry>> {
        let search = Search { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes };
        let found = self.connection.search(&search).await;
        Ok(found.map_err(|failure| failed(&format!("read {dn:?}"), &failure))?.pop())
    }
    /// All entries below `base` that fit; an absent base has none.
    pub(crate) async fn search(&mut self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<SearchEntry>> {
        let search = Search { base, scope: Scope::Subtree, filter, attributes };
        let found = self.connection.search(&search).await;
        found.map_err(|failure| failed(&format!("search below {base:?}"), &failure))
    }
}
