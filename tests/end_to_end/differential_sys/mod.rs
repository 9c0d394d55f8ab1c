//! `sys/`, `auth/token/` and `cubbyhole/` beside the peer, request by request.
mod mounts;
mod operators;
mod tokens;

use crate::differential_engines::Both;

/// Ids, times and versions.
const CHANCE: [&str; 24] = [
    "namespace_id",
    "accessor",
    "client_token",
    "creation_time",
    "creation_ttl",
    "expire_time",
    "explicit_max_ttl",
    "id",
    "issue_time",
    "last_renewal",
    "last_renewal_time",
    "migration_id",
    "random_bytes",
    "reload_id",
    "running_plugin_version",
    "token",
    "unlock_key",
    "uuid",
    "version",
    "creation_path_id",
    "commit_date",
    "build_date",
    "entity_id",
    "timestamp_installed",
];

/// What only Vault has, or only the peer.
const IGNORED: [&str; 23] = [
    "token_bound_cidrs",
    "token_num_uses",
    "token_strictly_bind_ip",
    "absolute_rate_limit_exempt_paths",
    "allowed_managed_keys",
    "backend_type",
    "declarative",
    "delegated_auth_accessors",
    "deprecation_status",
    "external_entropy_access",
    "identity_token_key",
    "namespace_path",
    "oci",
    "openapi",
    "plugin_version",
    "running_plugin_version",
    "running_sha256",
    "wrapped_accessor",
    "disable_all_namespace_caches",
    "last_renewal_time",
    "mfa_requirement",
    "echo_duration_ms",
    "clock_skew_ms",
];

async fn both() -> Both {
    let mut both = Both::start().await;
    both.without(&CHANCE, &IGNORED);
    both.hide("OpenBao's", "Vault's");
    both
}
