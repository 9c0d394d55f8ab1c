//! One question to an [`Acl`], and its answer.
use super::{Acl, Capability, Permissions};
use lessor_engine::{Fields, Operation};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// With the namespace in front.
    pub path: &'a str,
    /// What.
    pub operation: Operation,
    /// Body or query.
    pub fields: &'a Fields,
    /// How long the answer is to stay wrapped; `None` for not at all.
    pub wrap_ttl: Option<Duration>,
    /// Whether the path asks for `sudo` besides.
    pub sudo: bool,
}

/// A policy that granted something; audit shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granting {
    /// The policy.
    pub name: Arc<str>,
    /// The namespace it lies in.
    pub namespace: Arc<str>,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// By which policies; empty where it may not.
    pub granting: Vec<Granting>,
    /// The id of their namespace, for audit.
    pub namespace_id: String,
    /// What the list has to be asked for as its `limit`.
    pub limit: Option<u64>,
    /// The rule's filter of listed keys, with the table that they are checked against.
    pub keys: Option<(Arc<Acl>, String)>,
}

impl Permissions {
    /// Whether the request keeps to the rule.
    pub(super) fn admit(&self, ask: &Ask<'_>) -> bool {
        self.capabilities.grants()
            && self.capabilities.has(Capability::from(ask.operation))
            && (!ask.sudo || self.capabilities.has(Capability::Sudo))
            && !self.control_group
            && self.admit_wrapping(ask.wrap_ttl)
            && self.admit_parameters(ask)
    }
    fn admit_wrapping(&self, ttl: Option<Duration>) -> bool {
        let (min, max) = (self.min_wrapping, self.max_wrapping);
        if min.is_none() && max.is_none() {
            return true;
        }
        // Two policies together may leave nothing between their bounds.
        ttl.is_some_and(|ttl| min.is_none_or(|min| ttl >= min) && max.is_none_or(|max| ttl <= max))
    }
    fn admit_parameters(&self, ask: &Ask<'_>) -> bool {
        match ask.operation {
            Operation::Delete => true,
            Operation::List | Operation::Scan => self.limit(ask.fields).is_ok(),
            Operation::Read | Operation::Create | Operation::Update | Operation::Patch => {
                self.required.iter().all(|name| ask.fields.contains_key(name))
                    && !self.denied.deny(ask.fields)
                    && self.allowed.allow(ask.fields)
            }
        }
    }
    /// What a list's `limit` becomes; `None` leaves it as it is.
    pub(super) fn limit(&self, fields: &Fields) -> Result<Option<u64>, ()> {
        let given = fields.get("limit");
        let most = given.and_then(Value::as_str) == Some("max");
        let Some(bound) = self.pagination_limit else { return Ok(most.then_some(0)) };
        match given {
            None if self.required.iter().any(|name| name == "limit") => Err(()),
            None => Ok(Some(bound)),
            Some(_) if most => Ok(Some(bound)),
            Some(Value::Number(number)) => within(number.as_u64(), bound),
            Some(Value::String(text)) => within(text.parse().ok(), bound),
            Some(_) => Err(()),
        }
    }
}

fn within(given: Option<u64>, bound: u64) -> Result<Option<u64>, ()> {
    match given {
        Some(0) => Ok(Some(bound)),
        Some(given) if given <= bound => Ok(None),
        _ => Err(()),
    }
}
