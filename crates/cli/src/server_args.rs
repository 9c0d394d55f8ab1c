use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// What the program brings along that this crate does not depend on.
#[derive(Clone)]
pub struct Builtins {
    /// Runs the `server` command until it ends.
    pub server: ServerRunner,
    /// Reads configuration files without starting anything.
    pub check_config: ConfigCheck,
    /// Moves records from one storage into another.
    pub migrate: Migrator,
}

/// Reads configuration files as the server would; the error text names the file and the fault.
pub type ConfigCheck = Arc<dyn Fn(&[PathBuf]) -> Result<ConfigReport, String> + Send + Sync>;

/// Moves records; the text says what was done, or why not.
pub type Migrator = Arc<dyn Fn(MigrateArgs) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Flags of `operator migrate`.
#[derive(Clone, Debug, Default)]
pub struct MigrateArgs {
    /// The file with `storage_source` and `storage_destination`.
    pub config: PathBuf,
    /// Begins at this key.
    pub start: Option<String>,
    /// Only takes the mark of an unfinished migration away.
    pub reset: bool,
}

/// What configuration files say, as far as it can be checked from outside.
#[derive(Clone, Debug, Default)]
pub struct ConfigReport {
    /// Settings nobody reads.
    pub warnings: Vec<String>,
    /// Address of each listener, with its certificate chain and key unless TLS is disabled.
    pub listeners: Vec<(String, Option<(PathBuf, PathBuf)>)>,
    /// Directory of the embedded storage.
    pub storage: Option<PathBuf>,
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
    /// Names and addresses that certificate is also for.
    pub dev_tls_san: Vec<String>,
    /// Dev mode mounts KV version 1 at `secret/`.
    pub dev_kv_v1: bool,
    /// trace, debug, info, warn or error.
    pub log_level: Option<String>,
    /// standard or json.
    pub log_format: Option<String>,
    /// Log to this file as well.
    pub log_file: Option<PathBuf>,
    /// Begin a new log file at this size in bytes; 0 is no limit.
    pub log_rotate_bytes: Option<u64>,
    /// Begin a new log file after this time.
    pub log_rotate_duration: Option<Duration>,
    /// How many old log files are kept: 0 all, below 0 none.
    pub log_rotate_max_files: Option<i64>,
    /// Start only to repair a storage that cannot be unsealed.
    pub recovery: bool,
    /// End the process when the core shuts down.
    pub exit_on_core_shutdown: bool,
    /// Further switches of dev mode, for tests of servers.
    pub dev_hidden: DevHidden,
    /// The file of the token helper, where dev mode stores its root token with [`crate::write_token_file`].
    pub token_path: Option<PathBuf>,
}

/// Switches of dev mode that no help text shows; they exist for tests of servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DevHidden {
    /// Register every program in this directory as a plugin.
    pub plugin_dir: Option<PathBuf>,
    /// Start those plugins at once.
    pub plugin_init: bool,
    /// Storage in memory that can be shared by nodes.
    pub ha: bool,
    /// KV at `secret/` gives out leases.
    pub leased_kv: bool,
    /// Delay of every storage operation.
    pub latency: Duration,
    /// Percentage by which that delay varies.
    pub latency_jitter: i64,
    /// An automatic seal with a key in memory.
    pub auto_seal: bool,
    /// Leave the server uninitialized.
    pub skip_init: bool,
    /// Three nodes in one process.
    pub three_node: bool,
    /// Write addresses and keys of the started server here, as JSON.
    pub cluster_json: Option<PathBuf>,
}
