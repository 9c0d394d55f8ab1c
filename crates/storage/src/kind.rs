//! How a program names its storage engines: each kind opens what a `storage` stanza describes.
use crate::{CachedStorage, EmbeddedStorage, Error, MemoryStorage, Result, Storage};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of stored records, encrypted as they are, kept in memory where one process is the only writer.
const CACHE: usize = 32 << 20;

/// A `storage` stanza: the label, and every value as its text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Stanza {
    /// `postgresql` in `storage "postgresql" { ... }`.
    pub kind: String,
    /// What stands between the braces.
    pub fields: BTreeMap<String, Zeroizing<String>>,
}

impl fmt::Debug for Stanza {
    /// Values may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stanza").field("kind", &self.kind).field("fields", &self.fields.keys()).finish()
    }
}

impl Stanza {
    /// A stanza without fields.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), fields: BTreeMap::new() }
    }
    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.insert(name.into(), Zeroizing::new(value.into()));
        self
    }
    /// The text of a field that is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|text| text.as_str()).filter(|text| !text.is_empty())
    }
    /// A field that is a whole number.
    ///
    /// # Errors
    /// When it is something else, for whoever wrote the file.
    pub fn number(&self, name: &str) -> Result<Option<usize>, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("{name} must be a whole number, not {text:?}"));
        self.text(name).map(parse).transpose()
    }
    /// A field that says yes or no.
    ///
    /// # Errors
    /// When it says something else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" => Ok(true),
            "false" | "0" | "f" => Ok(false),
            _ => Err(format!("{name} must be true or false, not {text:?}")),
        };
        self.text(name).map(parse).transpose()
    }
}

/// A storage that is open.
pub struct Opened {
    /// What core works on.
    pub storage: Arc<dyn Storage>,
    /// Shown as the storage type.
    pub name: &'static str,
}

/// One kind of storage engine.
#[async_trait]
pub trait StorageKind: Send + Sync {
    /// The labels it answers to, the first being the one it is called by.
    fn labels(&self) -> &'static [&'static str];
    /// The fields it reads; others are warned of.
    fn fields(&self) -> &'static [&'static str];
    /// Says what is wrong with the fields, without connecting to anything.
    ///
    /// # Errors
    /// A text that names the field.
    fn check(&self, stanza: &Stanza) -> Result<(), String>;
    /// Opens the storage, and makes or upgrades its schema. One that is not shared keeps other servers out.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what to do about it.
    async fn open(&self, stanza: &Stanza) -> Result<Opened>;
}

/// The kinds a program was built with.
#[derive(Clone)]
pub struct Kinds(Vec<Arc<dyn StorageKind>>);

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|kind| kind.labels()[0])).finish()
    }
}

impl Default for Kinds {
    /// Those of this crate.
    fn default() -> Self {
        Self(vec![Arc::new(Embedded), Arc::new(Memory)])
    }
}

impl Kinds {
    /// Adds a kind.
    #[must_use]
    pub fn with(mut self, kind: Arc<dyn StorageKind>) -> Self {
        self.0.push(kind);
        self
    }
    /// The kind of a label.
    ///
    /// # Errors
    /// When there is none: the text lists those there are.
    pub fn find(&self, label: &str) -> Result<&Arc<dyn StorageKind>, String> {
        self.0.iter().find(|kind| kind.labels().contains(&label)).ok_or_else(|| {
            let known: Vec<&str> = self.0.iter().map(|kind| kind.labels()[0]).collect();
            format!("unknown storage type {label}: use {}", known.join(", "))
        })
    }
    /// Says what is wrong with a stanza, without connecting to anything.
    ///
    /// # Errors
    /// A text for whoever wrote the file.
    pub fn check(&self, stanza: &Stanza) -> Result<(), String> {
        self.find(&stanza.kind)?.check(stanza).map_err(|fault| format!("storage \"{}\": {fault}", stanza.kind))
    }
    /// Opens a storage for a server.
    ///
    /// # Errors
    /// What the engine says, or that an unfinished migration lies there.
    pub async fn open(&self, stanza: &Stanza) -> Result<Opened> {
        let opened = self.open_for_migration(stanza).await?;
        if opened.storage.get(crate::migrate::MARKER).await?.is_some() {
            return Err(Error::Unavailable(
                "a migration into this storage has not been finished: run `operator migrate` again".to_owned(),
            ));
        }
        Ok(opened)
    }
    /// The same where an unfinished migration is what one is after.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn open_for_migration(&self, stanza: &Stanza) -> Result<Opened> {
        self.check(stanza).map_err(Error::Unavailable)?;
        self.find(&stanza.kind).map_err(Error::Unavailable)?.open(stanza).await
    }
}

/// One directory of this machine.
struct Embedded;

#[async_trait]
impl StorageKind for Embedded {
    fn labels(&self) -> &'static [&'static str] {
        // Vault's two kinds that keep everything on the machine's own disk.
        &["embedded", "file", "raft"]
    }
    fn fields(&self) -> &'static [&'static str] {
        &[
            "path",
            // Of raft, without a meaning here.
            "node_id",
            "performance_multiplier",
            "trailing_logs",
            "snapshot_threshold",
            "snapshot_interval",
            "max_entry_size",
            "max_transaction_size",
            "autopilot_reconcile_interval",
            "autopilot_update_interval",
            "retry_join_as_non_voter",
            "retry_join",
        ]
    }
    fn check(&self, stanza: &Stanza) -> Result<(), String> {
        stanza.text("path").map(drop).ok_or_else(|| "'path' must be set".to_owned())
    }
    async fn open(&self, stanza: &Stanza) -> Result<Opened> {
        let path = stanza.text("path").unwrap_or_default().to_owned();
        let opened = tokio::task::spawn_blocking(move || EmbeddedStorage::open(path)).await;
        let storage = opened.map_err(|error| Error::Unavailable(error.to_string()))??;
        Ok(Opened { storage: Arc::new(CachedStorage::new(Arc::new(storage), CACHE)), name: "embedded" })
    }
}

/// The memory of this process.
struct Memory;

#[async_trait]
impl StorageKind for Memory {
    fn labels(&self) -> &'static [&'static str] {
        &["inmem"]
    }
    fn fields(&self) -> &'static [&'static str] {
        &[]
    }
    fn check(&self, _: &Stanza) -> Result<(), String> {
        Ok(())
    }
    async fn open(&self, _: &Stanza) -> Result<Opened> {
        Ok(Opened { storage: Arc::new(MemoryStorage::new()), name: "inmem" })
    }
}
