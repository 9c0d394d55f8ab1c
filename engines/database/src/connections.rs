//! The open connections of a mount, one pool for each stored version of a configuration.
use crate::Engine;
use crate::config::Config;
use crate::plugin::{Connection, Plugin};
use lessor_engine::{Context, Error, Result};
use lessor_storage::Version;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
struct Open {
    version: Version,
    connection: Arc<dyn Connection>,
}

/// Opened on first use; a configuration that was written meanwhile, here or by another node, is opened anew.
#[derive(Default)]
pub(crate) struct Connections {
    open: Mutex<HashMap<String, Open>>,
}

impl Connections {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Forgets a pool; what runs on it ends first.
    pub(crate) fn close(&self, name: &str) {
        self.map().remove(name);
    }
}

impl Engine {
    /// The plugin of that name.
    pub(crate) fn plugin(&self, name: &str) -> Result<&Arc<dyn Plugin>> {
        if name.is_empty() {
            return Err(Error::invalid("empty plugin name"));
        }
        let found = self.plugins.iter().find(|plugin| plugin.name() == name);
        found.ok_or_else(|| Error::invalid(format!("plugin not found in the catalog: {name}")))
    }
    /// The configuration of that name with its connection.
    pub(crate) async fn connection(&self, cx: &Context, name: &str) -> Result<(Config, Arc<dyn Connection>)> {
        let (config, version) = Config::load(cx, name).await?;
        if let Some(open) = self.connections.map().get(name).filter(|open| open.version == version) {
            return Ok((config, Arc::clone(&open.connection)));
        }
        let connection = self.plugin(&config.plugin_name)?.open(&config.details).map_err(opening)?;
        let open = Open { version, connection: Arc::clone(&connection) };
        self.connections.map().insert(name.to_owned(), open);
        Ok((config, connection))
    }
}

/// What cannot be opened, in the field's words.
pub(crate) fn opening(error: Error) -> Error {
    match error {
        Error::Unavailable(text) => Error::Unavailable(format!("error creating database object: {text}")),
        Error::Invalid(text) | Error::Refused { message: text, .. } => {
            Error::invalid(format!("error creating database object: {text}"))
        }
        other => other,
    }
}
