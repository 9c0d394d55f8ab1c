//! One conversation with the directory: bounded in time and in what it reads.
use crate::config::{Aliases, Config};
use crate::tls;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{DerefAliases, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions};
use lessor_engine::{Error, Result};
use std::time::Duration;

/// Entries of one search.
const MOST: usize = 10_000;
/// Result code of a wrong name or password (RFC 4511, appendix A).
const INVALID_CREDENTIALS: u32 = 49;

/// A connection that somebody is bound on, or nobody.
pub(crate) struct Directory<'a> {
    ldap: ldap3::Ldap,
    config: &'a Config,
}

/// Who is bound.
#[derive(Clone, Copy)]
pub(crate) enum Account<'a> {
    Nobody,
    Named { dn: &'a str, password: &'a str },
}

/// How a bind ended.
#[derive(PartialEq, Eq)]
pub(crate) enum Bound {
    Yes,
    /// The directory does not believe it.
    Refused,
}

fn unavailable(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("ldap operation failed: {what}: {error}"))
}

fn refused(what: &str, result: &LdapResult) -> Error {
    let text = if result.text.is_empty() { String::new() } else { format!(" ({})", result.text) };
    Error::refused(format!("ldap operation failed: {what}: result code {}{text}", result.rc))
}

async fn connect(config: &Config) -> Result<(LdapConnAsync, ldap3::Ldap)> {
    let mut last = Error::invalid("ldap backend not configured");
    for url in config.url.split(',').map(str::trim) {
        let timeout = Duration::from_secs(config.connection_timeout.max(1));
        let settings = LdapConnSettings::new().set_conn_timeout(timeout).set_starttls(config.starttls);
        let settings = match config.insecure_tls {
            true => settings.set_no_tls_verify(true),
            false => settings.set_config(tls::config(config)?),
        };
        match LdapConnAsync::with_settings(settings, url).await {
            Ok(connected) => return Ok(connected),
            Err(error) => last = unavailable(&format!("failed to connect to {url}"), &error),
        }
    }
    Err(last)
}

/// Talks to the first directory that answers, and hangs up.
///
/// # Errors
/// [`Error::Unavailable`] when none answers, or the conversation takes too long; else what `talk` says.
pub(crate) async fn with<T>(config: &Config, talk: impl AsyncFnOnce(&mut Directory<'_>) -> Result<T>) -> Result<T> {
    let (connection, ldap) = connect(config).await?;
    let mut directory = Directory { ldap, config };
    let timeout = Duration::from_secs(config.request_timeout.max(1));
    // The connection is driven here and not by a task of its own, so that it ends with the conversation.
    tokio::select! {
        answer = talk(&mut directory) => answer,
        driven = connection.drive() => {
            let why = driven.err().map_or_else(|| "it was closed".to_owned(), |error| error.to_string());
            Err(unavailable("the connection broke", &why))
        }
        () = tokio::time::sleep(timeout) => Err(unavailable("the directory is too slow", &format!("{timeout:?} are over"))),
    }
}

fn failed(what: &str, error: &LdapError) -> Error {
    match error {
        LdapError::FilterParsing => {
            Error::invalid(format!("ldap operation failed: {what}: the filter cannot be parsed"))
        }
        error => unavailable(what, error),
    }
}

impl Directory<'_> {
    /// Binds; nobody is bound without asking.
    pub(crate) async fn bind(&mut self, account: Account<'_>) -> Result<Bound> {
        let (dn, password) = match account {
            Account::Nobody => ("", ""),
            Account::Named { dn, password } => (dn, password),
        };
        let result = self.ldap.simple_bind(dn, password).await.map_err(|error| failed("failed to bind", &error))?;
        match result.rc {
            0 => Ok(Bound::Yes),
            INVALID_CREDENTIALS => Ok(Bound::Refused),
            _ => Err(refused("failed to bind", &result)),
        }
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
            Bound::Refused => Err(Error::refused("ldap operation failed: failed to bind with binddn: wrong bindpass")),
        }
    }
    /// All entries below `base` that fit; an absent base has none.
    pub(crate) async fn search(&mut self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<SearchEntry>> {
        let what = format!("search below {base:?}");
        let aliases = match self.config.dereference_aliases {
            Aliases::Never => DerefAliases::Never,
            Aliases::Finding => DerefAliases::Finding,
            Aliases::Searching => DerefAliases::Searching,
            Aliases::Always => DerefAliases::Always,
        };
        let mut adapters: Vec<Box<dyn Adapter<'_, _, _>>> = vec![Box::new(EntriesOnly::new())];
        if self.config.max_page_size > 0 {
            adapters.push(Box::new(PagedResults::new(self.config.max_page_size)));
        }
        self.ldap.with_search_options(SearchOptions::new().deref(aliases));
        let attributes: Vec<String> = attributes.iter().map(|name| (*name).to_owned()).collect();
        let found = self.ldap.streaming_search_with(adapters, base, Scope::Subtree, filter, attributes).await;
        let mut found = found.map_err(|error| failed(&what, &error))?;
        let mut entries = Vec::new();
        while let Some(entry) = found.next().await.map_err(|error| failed(&what, &error))? {
            entries.push(SearchEntry::construct(entry));
            if entries.len() > MOST {
                return Err(Error::refused(format!("ldap operation failed: {what}: more than {MOST} entries")));
            }
        }
        let result = found.finish().await;
        // 32 is noSuchObject.
        if result.rc == 0 || result.rc == 32 { Ok(entries) } else { Err(refused(&what, &result)) }
    }
}
