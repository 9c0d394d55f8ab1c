use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

/// What the program brings along that this crate does not depend on.
#[derive(Clone)]
pub struct Builtins {
    /// Runs the `server` command until it ends.
    pub server: ServerRunner,
}

/// Starts a server with parsed arguments; the error text is printed and ends the program with 1.
pub type ServerRunner = Arc<dyn Fn(ServerArgs) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Flags of the `server` command, with the environment already applied.
#[derive(Clone, Default)]
pub struct ServerArgs {
    /// Files or directories, in the order given.
    pub config_paths: Vec<PathBuf>,
    /// In-memory, unsealed, one root token.
    pub dev: bool,
    /// Root token of dev mode instead of a random one.
    pub dev_root_token_id: Option<String>,
    /// Listener of dev mode instead of 127.0.0.1:8200.
    pub dev_listen_address: Option<String>,
    /// Dev mode leaves the token file alone.
    pub dev_no_store_token: bool,
    /// Dev mode listens with a certificate of its own.
    pub dev_tls: bool,
    /// Where dev mode puts that certificate.
    pub dev_tls_cert_dir: Option<PathBuf>,
    /// Dev mode mounts KV version 1 at `secret/`.
    pub dev_kv_v1: bool,
    /// trace, debug, info, warn or error.
    pub log_level: Option<String>,
    /// standard or json.
    pub log_format: Option<String>,
    /// Log to this file as well.
    pub log_file: Option<PathBuf>,
    /// The file of the token helper, where dev mode stores its root token with [`crate::write_token_file`].
    pub token_path: Option<PathBuf>,
}
