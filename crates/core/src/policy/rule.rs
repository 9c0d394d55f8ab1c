//! A policy, as far as it does not depend on who asks.
use super::{Capabilities, Parameters, PathTemplate};
use lessor_engine::Timestamp;
use std::time::Duration;

/// A policy's rules, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// One per `path` block.
    pub rules: Vec<Rule>,
}

/// One `path` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Relative to the policy's namespace.
    pub path: PathTemplate,
    /// What it grants.
    pub permissions: Permissions,
    /// From then on the rule does not count (OpenBao).
    pub expires: Option<Timestamp>,
}

/// What a rule grants, and under which conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    /// The operations.
    pub capabilities: Capabilities,
    /// Where it is not empty: the only parameters, and the only values of them, a request may carry.
    pub allowed: Parameters,
    /// Parameters, and values of them, a request must not carry.
    pub denied: Parameters,
    /// Parameters a request must carry.
    pub required: Vec<String>,
    /// The answer has to be wrapped, for at least so long.
    pub min_wrapping: Option<Duration>,
    /// The answer has to be wrapped, for at most so long.
    pub max_wrapping: Option<Duration>,
    /// The longest page a list may ask for (OpenBao).
    pub pagination_limit: Option<u64>,
    /// The path that a listed key stands for: keys whose path is out of reach are left out of the answer (OpenBao).
    pub keys_filter: Option<String>,
    /// Somebody else would have to agree (Vault Enterprise): nobody can here, so nothing passes.
    pub control_group: bool,
}

impl Permissions {
    /// Adds what another policy says of the same pattern. A `deny` on either side wins over everything.
    pub fn merge(&mut self, other: &Self) {
        if self.capabilities.is_denied() {
            return;
        }
        if other.capabilities.is_denied() {
            *self = Self { capabilities: Capabilities::DENY, ..Self::default() };
            return;
        }
        self.capabilities = self.capabilities.union(other.capabilities);
        self.allowed.merge(&other.allowed);
        self.denied.merge(&other.denied);
        for name in &other.required {
            if !self.required.contains(name) {
                self.required.push(name.clone());
            }
        }
        self.min_wrapping = lower(self.min_wrapping, other.min_wrapping);
        self.max_wrapping = lower(self.max_wrapping, other.max_wrapping);
        self.pagination_limit = lower(self.pagination_limit, other.pagination_limit);
        if self.keys_filter.is_none() {
            self.keys_filter.clone_from(&other.keys_filter);
        }
        self.control_group |= other.control_group;
    }
}

fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
