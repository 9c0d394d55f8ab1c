//! Warnings about a file, each with its place.
use lessor_hcl::{Body, Item};
use std::path::Path;

/// Every key at the top of a file that is accepted.
pub(super) const KNOWN: &[&str] = &[
    "storage",
    "backend",
    "listener",
    "seal",
    "default_lease_ttl",
    "max_lease_ttl",
    "default_max_request_duration",
    "cluster_name",
    "api_addr",
    "log_level",
    "log_format",
    "log_file",
    "log_rotate_duration",
    "log_rotate_bytes",
    "log_rotate_max_files",
    "log_requests_level",
    "pid_file",
    "enable_response_header_hostname",
    "raw_storage_endpoint",
    "introspection_endpoint",
    "ui",
    "telemetry",
    "user_lockout",
    "audit",
    "start_paused",
    // Of Vault and OpenBao, without a meaning here.
    "administrative_namespace_path",
    "allow_audit_log_prefixing",
    "allow_unauthenticated_workflows",
    "cache_size",
    "cluster_addr",
    "detect_deadlocks",
    "disable_cache",
    "disable_clustering",
    "disable_mlock",
    "disable_performance_standby",
    "disable_sealwrap",
    "disable_sentinel_trace",
    "disable_standby_reads",
    "enable_multiseal",
    "enable_post_unseal_trace",
    "enable_response_header_raft_node_id",
    "enable_unauthenticated_access",
    "entropy",
    "experiments",
    "ha_backend",
    "ha_storage",
    "imprecise_lease_role_tracking",
    "initialize",
    "kms_library",
    "license_path",
    "plugin",
    "plugin_auto_download",
    "plugin_auto_register",
    "plugin_directory",
    "plugin_download_behavior",
    "plugin_file_permissions",
    "plugin_file_uid",
    "plugin_tmpdir",
    "post_unseal_trace_directory",
    "remove_irrevocable_lease_after",
    "reporting",
    "service_registration",
    "unsafe_allow_api_audit_creation",
];

/// Accepted keys whose absence somebody may notice.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("initialize", "initialise with `lessor operator init`"),
    ("service_registration", "register the node's address at your registry"),
    ("ha_storage", "the nodes of a cluster share `storage`"),
    ("ha_backend", "the nodes of a cluster share `storage`"),
];

/// Collects the warnings of one file.
pub(super) struct Places<'a> {
    file: &'a Path,
    pub(super) warnings: Vec<String>,
}

impl<'a> Places<'a> {
    pub(super) fn new(file: &'a Path) -> Self {
        Self { file, warnings: Vec::new() }
    }
    pub(super) fn warn(&mut self, item: &Item, text: &str) {
        self.warnings.push(self.at(item, text));
    }
    pub(super) fn file(&self) -> &Path {
        self.file
    }
    fn at(&self, item: &Item, text: &str) -> String {
        let (file, span) = (self.file.display(), item.span());
        format!("{text} at {file}:{}:{}", span.line, span.column)
    }
    /// The warning for a field that nobody reads.
    pub(super) fn unsupported_text(&self, item: &Item) -> String {
        self.at(item, &format!("unknown or unsupported field {} found in configuration", item.name()))
    }
    pub(super) fn unsupported(&mut self, item: &Item) {
        self.warnings.push(self.unsupported_text(item));
    }
    pub(super) fn unknown(&mut self, body: &Body, known: &[&str]) {
        for item in body.unknown(known) {
            self.unsupported(item);
        }
        for item in &body.items {
            if let Some((name, hint)) = WITHOUT_EFFECT.iter().find(|(name, _)| *name == item.name()) {
                self.warn(item, &format!("{name} has no effect here: {hint};"));
            }
        }
    }
    pub(super) fn duplicates(&mut self, body: &Body) {
        for item in body.duplicates() {
            self.warn(item, &format!("{} is set more than once, the last one counts;", item.name()));
        }
    }
}
