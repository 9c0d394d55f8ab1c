//! The contract an auth method is written against: a login handler says who somebody is ([`Login`]), core makes
//! the token, and asks the method again whenever that token is renewed.
use crate::{Context, Result};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

mod token_params;
mod token_role;

pub use token_params::{TokenKind, TokenParams, TokenSettings, parse_cidrs, policy_names, show_cidr};
pub use token_role::{OldNames, TokenRole};

/// What the platform calls somebody; names the identity entity together with the mount's accessor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Unique within the mount (a user name, a role id, a `sub`).
    pub name: String,
    /// Kept with the alias, for policy templates.
    pub metadata: BTreeMap<String, String>,
}

/// Somebody who proved who they are: a login handler answers with it ([`crate::Reply::login`]).
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Behind the mount's name in the token's display name: `bob` becomes `userpass-bob`.
    pub display_name: String,
    /// `None` for a login that makes no identity entity.
    pub alias: Option<Alias>,
    /// Names of external groups of the platform they are a member of.
    pub groups: Vec<String>,
    /// Shown in `auth.metadata` and audited with every request of the token.
    pub metadata: BTreeMap<String, String>,
    /// How the token is to be, policies included.
    pub token: TokenSettings,
    /// What [`AuthMethod::renew`] needs to find the role or user again. Stored through the barrier, never shown.
    pub renewal: Value,
    /// Whether the token can be renewed.
    pub renewable: bool,
    /// The role it was let in by, for the quotas; empty where the method knows of none.
    pub role: String,
}

/// What a method says when a token it once let in is renewed.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// The role's settings as they are now: TTL, maximum and period count.
    pub token: TokenSettings,
    /// Whether the renewal fails when `token.policies` are not those of the login any more.
    pub same_policies: bool,
    /// The platform's groups as they are now; `None` where the method does not look again.
    pub groups: Option<Vec<String>>,
}

/// What the methods share beside their paths.
#[async_trait]
pub trait AuthMethod: Send + Sync {
    /// Reads the role or user again. `renewal` is [`Login::renewal`].
    ///
    /// # Errors
    /// When the role or user is gone, or may not renew any more: then the token is not renewed.
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed>;
}
