//! `user_lockout`: after how many wrong logins an account is left alone for a while.
use std::collections::BTreeMap;
use std::time::Duration;

/// The lock-out of one kind of auth method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Failed logins in a row that lock the account.
    pub threshold: u64,
    /// How long the account stays locked.
    pub duration: Duration,
    /// How long after a failed login its count is forgotten.
    pub counter_reset: Duration,
    /// No account is ever locked.
    pub disabled: bool,
}

impl Default for Lockout {
    fn default() -> Self {
        let quarter = Duration::from_secs(15 * 60);
        Self { threshold: 5, duration: quarter, counter_reset: quarter, disabled: false }
    }
}

/// The lock-outs of every kind; a mount's own tuning goes before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockouts {
    /// Kinds without a stanza of their own.
    pub all: Lockout,
    /// `userpass`, `ldap`, `approle`.
    pub kinds: BTreeMap<String, Lockout>,
}

impl Lockouts {
    /// What holds for a kind of auth method.
    pub fn of(&self, kind: &str) -> &Lockout {
        self.kinds.get(kind).unwrap_or(&self.all)
    }
}
