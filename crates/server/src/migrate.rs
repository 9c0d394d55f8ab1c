//! `operator migrate`: from the storage of one stanza into that of another.
use crate::config::{ConfigError, MigrateConfig};
use lessor_core::cluster::{BEAT, NODES};
use lessor_storage::{Kinds, Migrated, Storage, migrate};
use std::path::Path;

/// Nodes that are looked at.
const MOST: usize = 1000;

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Migration {
    /// Begins at this key.
    pub start: Option<String>,
    /// Only takes the mark of an unfinished migration away.
    pub reset: bool,
}

/// Why a migration did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A storage could not be opened.
    #[error("{which}: {source}")]
    Open {
        /// `storage_source` or `storage_destination`.
        which: &'static str,
        /// Why.
        source: lessor_storage::Error,
    },
    /// Reading or writing failed, or the two differ.
    #[error("{0}")]
    Migrate(#[from] lessor_storage::Error),
}

/// Moves everything by the file's two stanzas, while no server works on either.
///
/// # Errors
/// Why not everything is there. It can be repeated.
pub async fn migrate_storage(file: &Path, migration: &Migration, kinds: &Kinds) -> Result<Migrated, MigrateError> {
    // Drivers build on it. Only one that is there already makes this fail: the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = MigrateConfig::load(file, kinds)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let open = |which: &'static str| move |source| MigrateError::Open { which, source };
    let destination = kinds.open_for_migration(&config.destination).await.map_err(open("storage_destination"))?;
    let done = async {
        if migration.reset {
            lessor_storage::forget_migration(&*destination.storage).await?;
            return Ok(Migrated::default());
        }
        let source = kinds.open_for_migration(&config.source).await.map_err(open("storage_source"))?;
        for (which, opened) in [("storage_source", &source), ("storage_destination", &destination)] {
            refuse_in_use(&*opened.storage).await.map_err(open(which))?;
        }
        Ok(migrate(&*source.storage, &*destination.storage, migration.start.as_deref()).await?)
    };
    done.await
}

/// Nodes that share a storage say again and again that they live.
async fn refuse_in_use(storage: &dyn Storage) -> Result<(), lessor_storage::Error> {
    if !storage.is_shared() {
        return Ok(());
    }
    let before = storage.scan(NODES, None, MOST).await?;
    if before.is_empty() {
        return Ok(());
    }
    tokio::time::sleep(BEAT * 3).await;
    let moved = storage.scan(NODES, None, MOST).await?.into_iter().filter(|node| !before.contains(node)).count();
    if moved == 0 {
        return Ok(());
    }
    let text = format!("{moved} servers work on this storage: stop them first");
    Err(lessor_storage::Error::Unavailable(text))
}
