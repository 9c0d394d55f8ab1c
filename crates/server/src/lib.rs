//! The HTTP API over [`lessor_core`]: listeners, configuration files, logs, dev mode.
//!
//! [`run`] is a whole server. Below it, `listen.rs` accepts connections, `connection.rs` serves one, and
//! `api.rs` answers one request; `envelope.rs` reads the [`lessor_core::request::Request`] in it, [`read_request`] without a
//! connection.
mod answer;
mod api;
mod banner;
mod body;
mod config;
mod connection;
mod cors;
mod dev;
mod dev_tls;
mod edge;
mod envelope;
mod forwarded;
mod gate;
mod headers;
mod json;
mod listen;
mod log_file;
mod log_followers;
mod log_levels;
mod logging;
mod migrate;
mod options;
mod pace;
mod parameters;
mod path;
mod pid_file;
mod pieces;
mod proxy_protocol;
mod redact;
mod request_log;
mod run;
mod signals;
mod telemetry;
mod tls;
mod traces;

pub use config::*;
pub use envelope::read_request;
pub use lessor_core::mount::Factories;
pub use migrate::{MigrateError, Migration, migrate_storage};
pub use options::Options;
pub use run::{Running, ServerError, run, start};
