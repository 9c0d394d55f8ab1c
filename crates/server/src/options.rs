//! What the command line says.
use std::path::PathBuf;

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
    /// trace, debug, info, warn or error.
    pub log_level: Option<String>,
    /// `json`, or anything else for lines of text.
    pub log_format: Option<String>,
}
