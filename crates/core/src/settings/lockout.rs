//! `user_lockout`: after how many wrong logins an account is left alone for a while.
use crate::lockout::LockoutConfig;
use std::collections::BTreeMap;

/// The lock-outs of every kind of auth method; a mount's own tuning goes before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockouts {
    /// Kinds without a stanza of their own.
    pub all: LockoutConfig,
    /// `userpass`, `ldap`, `approle`.
    pub kinds: BTreeMap<String, LockoutConfig>,
}

impl Lockouts {
    /// What holds for a kind of auth method.
    pub fn of(&self, kind: &str) -> &LockoutConfig {
        self.kinds.get(kind).unwrap_or(&self.all)
    }
}
