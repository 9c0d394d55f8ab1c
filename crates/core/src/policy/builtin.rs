//! The policies that are there without anybody writing them.

/// Everything. It has no text.
pub(super) const ROOT: &str = "root";
/// What every token gets that does not refuse it; operators may rewrite it.
pub(super) const DEFAULT_NAME: &str = "default";
/// Belongs to wrapping tokens alone: not shown in lists, not assignable.
pub(super) const WRAPPING_NAME: &str = "response-wrapping";

/// The policies nobody may write.
pub(super) fn is_fixed(name: &str) -> bool {
    matches!(name, ROOT | WRAPPING_NAME)
}

/// The text of a policy that is in force without being stored.
pub(super) fn text(name: &str) -> Option<&'static str> {
    match name {
        ROOT => Some(""),
        DEFAULT_NAME => Some(DEFAULT),
        WRAPPING_NAME => Some(RESPONSE_WRAPPING),
        _ => None,
    }
}

/// The `default` policy, until somebody writes another one.
pub const DEFAULT: &str = r#"# What a token may do with itself.
path "auth/token/lookup-self" {
    capabilities = ["read"]
}
path "auth/token/renew-self" {
    capabilities = ["update"]
}
path "auth/token/revoke-self" {
    capabilities = ["update"]
}
path "cubbyhole/*" {
    capabilities = ["create", "read", "update", "delete", "list"]
}

# What it may do, and who it is.
path "sys/capabilities-self" {
    capabilities = ["update"]
}
path "sys/internal/ui/resultant-acl" {
    capabilities = ["read"]
}
path "identity/entity/id/{{identity.entity.id}}" {
    capabilities = ["read"]
}
path "identity/entity/name/{{identity.entity.name}}" {
    capabilities = ["read"]
}

# Leases whose ids it knows. Revoking them takes another policy.
path "sys/leases/lookup" {
    capabilities = ["update"]
}
path "sys/leases/renew" {
    capabilities = ["update"]
}
path "sys/renew" {
    capabilities = ["update"]
}

# Wrapped answers.
path "sys/wrapping/wrap" {
    capabilities = ["update"]
}
path "sys/wrapping/lookup" {
    capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
    capabilities = ["update"]
}

# Tools, and logging in elsewhere with what it is here.
path "sys/tools/hash" {
    capabilities = ["update"]
}
path "sys/tools/hash/*" {
    capabilities = ["update"]
}
path "sys/control-group/request" {
    capabilities = ["update"]
}
path "identity/oidc/provider/+/authorize" {
    capabilities = ["read", "update"]
}
"#;

/// The policy of wrapping tokens.
pub const RESPONSE_WRAPPING: &str = r#"path "cubbyhole/response" {
    capabilities = ["create", "read"]
}
path "sys/wrapping/unwrap" {
    capabilities = ["update"]
}
"#;
