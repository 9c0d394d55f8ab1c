//! What the command line says.
use lessor_storage::Kinds;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `lessor server`, the environment already applied.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Configuration files or directories, in their order.
    pub config_paths: Vec<PathBuf>,
    /// In memory, unsealed, one root token.
    pub dev: bool,
    /// Dev mode's root token, instead of a random one.
    pub dev_root_token: Option<String>,
    /// Dev mode's listener, instead of `127.0.0.1:8200`.
    pub dev_address: Option<String>,
    /// Dev mode mounts KV version 1 at `secret/`.
    pub dev_kv_v1: bool,
    /// Dev mode listens with TLS and a certificate that it makes.
    pub dev_tls: bool,
    /// Where that certificate goes, instead of a private directory that ends with the server.
    pub dev_tls_cert_dir: Option<PathBuf>,
    /// Names and addresses that certificate is also for.
    pub dev_tls_san: Vec<String>,
    /// trace, debug, info, warn or error.
    pub log_level: Option<String>,
    /// `json`, or anything else for lines of text.
    pub log_format: Option<String>,
    /// Logs go to this file as well.
    pub log_file: Option<PathBuf>,
    /// Bytes after which a new log file is begun.
    pub log_rotate_bytes: Option<u64>,
    /// Time after which a new log file is begun.
    pub log_rotate_duration: Option<Duration>,
    /// Old log files that are kept: 0 is all of them, -1 is none.
    pub log_rotate_max_files: Option<i64>,
    /// The storage engines this program was built with.
    pub storages: Kinds,
}
