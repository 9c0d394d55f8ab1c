//! The file of `operator migrate`: `storage_source` and `storage_destination`.
use super::{ConfigError, Fault, Places, StorageSetup};
use lessor_hcl::Body;
use lessor_storage::{Kinds, Stanza};
use std::path::Path;

/// From where, and where to.
pub struct MigrateConfig {
    /// Is only read.
    pub source: Stanza,
    /// Has to be empty.
    pub destination: Stanza,
    /// What is wrong but keeps nobody from moving.
    pub warnings: Vec<String>,
}

impl MigrateConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(file: &Path, kinds: &Kinds) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|source| ConfigError::Read { path: file.to_owned(), source })?;
        let body = lessor_hcl::parse(&text).map_err(|source| ConfigError::Syntax { path: file.to_owned(), source })?;
        let mut places = Places::new(file);
        // The address of a raft storage has no meaning here.
        places.unknown(&body, &["storage_source", "storage_destination", "cluster_addr"]);
        let stanza = |name| {
            let setup = only(&body, name, &places).map_err(|fault| fault.of(file))?;
            let warnings = setup.check(kinds)?;
            Ok::<_, ConfigError>((setup.stanza, warnings))
        };
        let (source, more) = stanza("storage_source")?;
        let (destination, others) = stanza("storage_destination")?;
        if source == destination {
            return Err(ConfigError::Missing("storage_source and storage_destination are the same storage"));
        }
        let warnings = places.warnings.into_iter().chain(more).chain(others).collect();
        Ok(Self { source, destination, warnings })
    }
}

fn only(body: &Body, name: &str, places: &Places<'_>) -> Result<StorageSetup, Fault> {
    match body.blocks(name, 1)?.as_slice() {
        [block] => StorageSetup::read(block, places),
        _ => Err(Fault::Value(format!("exactly one {name} is needed: {name} \"embedded\" {{ path = \"...\" }}"))),
    }
}
