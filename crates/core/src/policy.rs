//! Whether a token may do what it asks. Written policies come with a later version: until then `root` may do
//! everything, and every other token what the built-in `default` policy allows.
use crate::token::Token;
use lessor_engine::Operation;

/// The paths of Vault's `default` policy that exist here, with what it grants on them.
const DEFAULT: &[(&str, &[&str])] = &[
    ("auth/token/lookup-self", &["read"]),
    ("auth/token/renew-self", &["update"]),
    ("auth/token/revoke-self", &["update"]),
    ("sys/capabilities-self", &["update"]),
    ("sys/leases/lookup", &["update"]),
    ("sys/leases/renew", &["update"]),
    ("sys/renew", &["update"]),
    ("sys/wrapping/wrap", &["update"]),
    ("sys/wrapping/unwrap", &["update"]),
];

/// The capabilities of a token on a path, sorted; `["root"]`, or `["deny"]` for none.
pub fn capabilities(token: &Token, path: &str) -> Vec<&'static str> {
    if token.is_root() {
        return vec!["root"];
    }
    let has_default = token.policies.iter().any(|policy| policy == "default");
    if token.is_wrapping() {
        return if path == "sys/wrapping/unwrap" { vec!["update"] } else { vec!["deny"] };
    }
    let granted = DEFAULT.iter().find(|(allowed, _)| has_default && *allowed == path);
    granted.map_or_else(|| vec!["deny"], |(_, capabilities)| capabilities.to_vec())
}

/// Whether the token has the `sudo` capability on a path.
pub fn has_sudo(token: &Token, _path: &str) -> bool {
    token.is_root()
}

/// Whether the operation is allowed.
pub fn allows(token: &Token, operation: Operation, path: &str) -> bool {
    let granted = capabilities(token, path);
    granted.contains(&"root") || granted.contains(&operation.word())
}
