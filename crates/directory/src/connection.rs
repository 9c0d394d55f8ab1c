//! One connection: bounded in time and in what it reads, and driven only while somebody asks something on it.
use crate::result::{code, name_of};
use crate::settings::{Aliases, Settings};
use futures::FutureExt;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::exop::PasswordModify;
use ldap3::{
    DerefAliases, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope, SearchEntry, SearchOptions,
};
use lessor_engine::{Error, Result};
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

/// Entries of one search.
const MOST: usize = 10_000;

/// Ends when the connection does, with the reason.
type Driver = Pin<Box<dyn Future<Output = String> + Send>>;

/// Who is bound.
#[derive(Clone, Copy)]
pub enum Account<'a> {
    /// Nobody.
    Nobody,
    /// Whoever has this name and password.
    Named {
        /// A distinguished name, or what else the directory takes.
        dn: &'a str,
        /// Never empty: that would be nobody (RFC 4513, 5.1.2).
        password: &'a str,
    },
}

/// How a bind ended.
#[derive(PartialEq, Eq, Debug)]
pub enum Bound {
    /// It is them.
    Yes,
    /// The directory does not believe it; with its own words, which tell more in Active Directory.
    Refused(String),
}

/// Why a request did not do what it was to do.
#[derive(Debug)]
pub enum Failure {
    /// The directory is not there, or does not answer.
    Broken(String),
    /// It answered.
    Answered {
        /// The result code.
        code: u32,
        /// Its own words.
        text: String,
    },
    /// The request makes no sense; it was not sent.
    Invalid(String),
}

impl Failure {
    /// Whether the directory answered with this code.
    pub fn is(&self, wanted: u32) -> bool {
        matches!(self, Self::Answered { code, .. } if *code == wanted)
    }
    /// Whether the connection is of no use any more.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
    /// For the caller; refusals are answered with `status`.
    pub fn explain(&self, doing: &str, status: u16) -> Error {
        match self {
            Self::Broken(why) => Error::Unavailable(format!("{doing}: {why}")),
            Self::Invalid(why) => Error::invalid(format!("{doing}: {why}")),
            Self::Answered { code, text } => {
                let text = text.trim_end_matches('\0');
                let message = format!("{doing}: LDAP Result Code {code} {:?}: {text}", name_of(*code));
                match *code {
                    code::BUSY | code::UNAVAILABLE => Error::Unavailable(message),
                    _ => Error::Refused { status, message },
                }
            }
        }
    }
}

/// What is searched for.
pub struct Search<'a> {
    /// Where.
    pub base: &'a str,
    /// How deep.
    pub scope: Scope,
    /// In RFC 4515's form, with values escaped.
    pub filter: &'a str,
    /// What is wanted of each entry.
    pub attributes: &'a [&'a str],
}

/// A connection.
pub struct Connection {
    ldap: ldap3::Ldap,
    driver: Driver,
    request_timeout: Duration,
    aliases: Aliases,
    page: i32,
    broken: bool,
}

/// Runs `asked` and the connection side by side. The library panics on answers that are no LDAP: that ends the
/// connection, not the task.
async fn drive<T>(
    driver: &mut Driver,
    timeout: Duration,
    asked: impl Future<Output = std::result::Result<T, LdapError>>,
) -> std::result::Result<T, Failure> {
    tokio::select! {
        biased;
        answer = AssertUnwindSafe(asked).catch_unwind() => match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(LdapError::FilterParsing)) => Err(Failure::Invalid("the filter cannot be parsed".to_owned())),
            Ok(Err(error)) => Err(Failure::Broken(error.to_string())),
            Err(_) => Err(Failure::Broken("the directory's answer cannot be read".to_owned())),
        },
        why = driver => Err(Failure::Broken(format!("the connection broke: {why}"))),
        () = tokio::time::sleep(timeout) => {
            Err(Failure::Broken(format!("the directory is too slow: {timeout:?} are over")))
        }
    }
}

fn answered(result: LdapResult) -> std::result::Result<(), Failure> {
    match result.rc {
        code::SUCCESS => Ok(()),
        code => Err(Failure::Answered { code, text: result.text }),
    }
}

impl Connection {
    /// To the first directory that answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none does, naming the last.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let tls = settings.tls()?;
        let mut last = Error::invalid("there is no url");
        for url in settings.urls() {
            let timeout = settings.connection_timeout;
            let wanted = LdapConnSettings::new().set_starttls(settings.starttls).set_config(tls.clone());
            let wanted = wanted.set_no_tls_verify(settings.insecure_tls);
            let opened = tokio::time::timeout(timeout, LdapConnAsync::with_settings(wanted, url)).await;
            let why = match opened {
                Ok(Ok((connection, ldap))) => return Ok(Self::new(connection, ldap, settings)),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {timeout:?}"),
            };
            last = Error::Unavailable(format!("failed to connect to {url}: {why}"));
        }
        Err(last)
    }

    fn new(connection: LdapConnAsync, ldap: ldap3::Ldap, settings: &Settings) -> Self {
        let driver = AssertUnwindSafe(connection.drive()).catch_unwind().map(|ended| match ended {
            Ok(Ok(())) => "it was closed".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the directory's answer cannot be read".to_owned(),
        });
        Self {
            ldap,
            driver: Box::pin(driver),
            request_timeout: settings.request_timeout,
            aliases: settings.aliases,
            page: settings.page,
            broken: false,
        }
    }

    /// Whether it is closed already, as far as this side has heard.
    pub fn is_closed(&mut self) -> bool {
        // A driver that has ended must not be asked again.
        self.broken = self.broken || (&mut self.driver).now_or_never().is_some();
        self.broken
    }

    fn noted<T>(&mut self, answer: std::result::Result<T, Failure>) -> std::result::Result<T, Failure> {
        self.broken = self.broken || answer.as_ref().is_err_and(Failure::is_broken);
        answer
    }

    /// Binds; nobody is bound without asking.
    ///
    /// # Errors
    /// When it is refused for another reason than name and password, or the connection breaks.
    pub async fn bind(&mut self, account: Account<'_>) -> std::result::Result<Bound, Failure> {
        let (dn, password) = match account {
            Account::Nobody => ("", ""),
            Account::Named { dn, password } => (dn, password),
        };
        let answer = drive(&mut self.driver, self.request_timeout, self.ldap.simple_bind(dn, password)).await;
        let result = self.noted(answer)?;
        match result.rc {
            code::SUCCESS => Ok(Bound::Yes),
            code::INVALID_CREDENTIALS => Ok(Bound::Refused(result.text)),
            _ => answered(result).map(|()| Bound::Yes),
        }
    }

    /// Everything that fits; an absent base has nothing.
    ///
    /// # Errors
    /// When it is refused, or the connection breaks.
    pub async fn search(&mut self, search: &Search<'_>) -> std::result::Result<Vec<SearchEntry>, Failure> {
        let mut adapters: Vec<Box<dyn Adapter<'_, _, _>>> = vec![Box::new(EntriesOnly::new())];
        if self.page > 0 && search.scope != Scope::Base {
            adapters.push(Box::new(PagedResults::new(self.page)));
        }
        let aliases = match self.aliases {
            Aliases::Never => DerefAliases::Never,
            Aliases::Finding => DerefAliases::Finding,
            Aliases::Searching => DerefAliases::Searching,
            Aliases::Always => DerefAliases::Always,
        };
        self.ldap.with_search_options(SearchOptions::new().deref(aliases));
        let attributes: Vec<String> = search.attributes.iter().map(|name| (*name).to_owned()).collect();
        let ldap = &mut self.ldap;
        let asked = async {
            let found =
                ldap.streaming_search_with(adapters, search.base, search.scope, search.filter, attributes).await;
            let mut found = found?;
            let mut entries = Vec::new();
            while let Some(entry) = found.next().await? {
                entries.push(SearchEntry::construct(entry));
                if entries.len() > MOST {
                    break;
                }
            }
            Ok((entries, found.finish().await))
        };
        let answer = drive(&mut self.driver, self.request_timeout, asked).await;
        let (entries, result) = self.noted(answer)?;
        if entries.len() > MOST {
            // The rest of the answer is still under way.
            self.broken = true;
            return Err(Failure::Answered { code: 4, text: format!("more than {MOST} entries") });
        }
        match result.rc {
            code::SUCCESS | code::NO_SUCH_OBJECT => Ok(entries),
            _ => answered(result).map(|()| entries),
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When it is refused, or the connection breaks.
    pub async fn add(
        &mut self,
        dn: &str,
        attributes: Vec<(Vec<u8>, HashSet<Vec<u8>>)>,
    ) -> std::result::Result<(), Failure> {
        let answer = drive(&mut self.driver, self.request_timeout, self.ldap.add(dn, attributes)).await;
        answered(self.noted(answer)?)
    }

    /// Changes an entry, whole or not at all.
    ///
    /// # Errors
    /// When it is refused, or the connection breaks.
    pub async fn modify(&mut self, dn: &str, changes: Vec<Mod<Vec<u8>>>) -> std::result::Result<(), Failure> {
        let answer = drive(&mut self.driver, self.request_timeout, self.ldap.modify(dn, changes)).await;
        answered(self.noted(answer)?)
    }

    /// Deletes an entry.
    ///
    /// # Errors
    /// When it is refused, or the connection breaks.
    pub async fn delete(&mut self, dn: &str) -> std::result::Result<(), Failure> {
        let answer = drive(&mut self.driver, self.request_timeout, self.ldap.delete(dn)).await;
        answered(self.noted(answer)?)
    }

    /// Changes a password by the operation of RFC 3062.
    ///
    /// # Errors
    /// When it is refused, or the connection breaks.
    pub async fn change_password(&mut self, change: PasswordModify<'_>) -> std::result::Result<(), Failure> {
        let answer = drive(&mut self.driver, self.request_timeout, self.ldap.extended(change)).await;
        answered(self.noted(answer)?.1)
    }
}
