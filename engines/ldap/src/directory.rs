//! What the engine asks of a directory; the real one is in `client.rs`, the one in memory in `sim.rs`.
use crate::config::Config;
use async_trait::async_trait;
pub use lessor_directory::Login;
use lessor_engine::{Result, Secret, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How deep a search goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// The entry itself.
    Base,
    /// The entries directly below.
    Children,
    /// The entry and everything below.
    Subtree,
}

/// Which entries fit.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// All.
    Any,
    /// Those whose attribute has this value. Escaping is the directory's business.
    Is(&'a str, &'a str),
}

/// A search.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Where.
    pub base: &'a str,
    /// How deep.
    pub depth: Depth,
    /// What.
    pub filter: Filter<'a>,
    /// What is wanted of it.
    pub attributes: &'a [&'a str],
}

/// An entry that was found.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its distinguished name, in the directory's own spelling.
    pub dn: String,
    /// Values by attribute in lower case.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// A value; it may be a password.
pub type Value = Zeroizing<Vec<u8>>;

/// One part of a modification.
#[derive(Clone)]
pub enum Change {
    /// Adds values.
    Add(String, Vec<Value>),
    /// Takes these values away, or all of them.
    Delete(String, Vec<Value>),
    /// Puts these in the place of all others.
    Replace(String, Vec<Value>),
}

/// What happens to an entry.
#[derive(Clone)]
pub enum Action {
    /// It is made, with these attributes.
    Add(Vec<(String, Vec<Value>)>),
    /// It is changed.
    Modify(Vec<Change>),
    /// It is deleted.
    Delete,
    /// The account changes its own password, by the operation of RFC 3062.
    ChangePassword {
        /// The present one.
        old: Secret,
        /// The next one.
        new: Secret,
    },
}

/// One request that changes something.
#[derive(Clone)]
pub struct Record {
    /// The entry.
    pub dn: String,
    /// What happens to it.
    pub action: Action,
}

/// How the directory's refusals are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Care {
    /// The first one ends it.
    Strict,
    /// The same, but what is as it should be already was done by us before.
    Repeat,
    /// All are tried; what is gone already is success. The first other refusal is reported at the end.
    Removal,
}

/// One configured directory: connections that open themselves when needed.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Everything that fits; an absent base has nothing.
    async fn search(&self, query: &Query<'_>) -> Result<Vec<Entry>>;
    /// Changes, in order, on one connection.
    async fn apply(&self, records: &[Record], care: Care) -> Result<()>;
    /// One change, logged in as somebody else.
    async fn apply_as(&self, name: &str, password: &Secret, record: &Record) -> Result<()>;
    /// Tries a login on a connection of its own.
    async fn login(&self, name: &str, password: &Secret) -> Result<Login>;
    /// The bind password that new connections try first from now on.
    fn adopt(&self, password: &Secret);
}

/// Makes [`Directory`]s.
pub trait Opener: Send + Sync {
    /// Takes the configuration without touching the network.
    ///
    /// # Errors
    /// When it makes no sense.
    fn open(&self, config: &Config, now: Timestamp) -> Result<Arc<dyn Directory>>;
}
