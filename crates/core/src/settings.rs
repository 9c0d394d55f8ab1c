//! What an operator decides before the start.
mod lockout;
mod telemetry;

pub use lockout::Lockouts;
pub use telemetry::TelemetryConfig;

use crate::audit::Declared;
use crate::logs::Logs;
use crate::metrics::Figures;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Fixed for the life of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lease TTL where nobody names one.
    pub default_ttl: Duration,
    /// Upper bound of every lease.
    pub max_ttl: Duration,
    /// Starts with revocation switched off, for a restored backup; `sys/leases/resume` switches it on.
    pub paused: bool,
    /// Shown by `sys/health` and `sys/seal-status`.
    pub cluster_name: String,
    /// Where clients reach this server (`api_addr`): scheme, host and port.
    pub api_addr: String,
    /// The storage's name for `sys/seal-status`.
    pub storage_type: String,
    /// Lessor's version.
    pub version: String,
    /// Revocations of one target that run at the same time.
    pub concurrency: usize,
    /// Bound of one call to a platform.
    pub platform_timeout: Duration,
    /// Serves `sys/raw`.
    pub raw_storage_endpoint: bool,
    /// Serves `sys/internal/inspect`.
    pub introspection_endpoint: bool,
    /// Serves the web UI.
    pub ui: bool,
    /// `user_lockout`.
    pub lockouts: Lockouts,
    /// Audit devices that the configuration file declares, at the start.
    pub audit: Vec<Declared>,
    /// `telemetry`.
    pub telemetry: TelemetryConfig,
    /// Where figures are kept; `None` keeps none.
    pub figures: Option<Arc<dyn Figures>>,
    /// More of the configuration, without secrets, for `sys/config/state/sanitized`: `listeners`, `api_addr` and the like.
    pub shown: Map<String, Value>,
    /// Whoever writes the log; `None` where its levels are fixed.
    pub logs: Option<Arc<dyn Logs>>,
    /// Whether holders of key shares need no token for `sys/rekey/*` and `sys/rekey-recovery-key/*`.
    pub open_rekey: bool,
    /// Whether holders of key shares need no token for `sys/generate-root/*`.
    pub open_generate_root: bool,
}

/// 768 hours, Vault's default and maximum.
pub const SYSTEM_TTL: Duration = Duration::from_secs(768 * 3600);

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_ttl: SYSTEM_TTL,
            max_ttl: SYSTEM_TTL,
            paused: false,
            cluster_name: "lessor".to_owned(),
            api_addr: "http://127.0.0.1:8200".to_owned(),
            storage_type: "inmem".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            concurrency: 16,
            platform_timeout: Duration::from_secs(90),
            raw_storage_endpoint: false,
            introspection_endpoint: false,
            ui: false,
            lockouts: Lockouts::default(),
            audit: Vec::new(),
            telemetry: TelemetryConfig::default(),
            figures: None,
            shown: Map::new(),
            logs: None,
            open_rekey: false,
            open_generate_root: false,
        }
    }
}
