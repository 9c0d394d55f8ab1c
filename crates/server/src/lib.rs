//! The HTTP API over [`lessor_core`]: listeners, configuration files, dev mode.
mod api;
mod config;
mod dev;
mod options;
mod parameters;
mod run;
mod signals;

pub use api::router;
pub use config::{Config, ConfigError, Listener, Seal, StorageConfig};
pub use lessor_core::mount::Factories;
pub use options::Options;
pub use run::{ServerError, run};
