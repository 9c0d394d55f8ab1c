//! What is said of whoever logged in, in `auth.metadata` and with the alias.
use lessor_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names and values.
pub(crate) type Metadata = BTreeMap<String, String>;

/// What an alias is given where nobody says otherwise: these change rarely, and an alias is often shared by a whole role.
const USUAL: [&str; 2] = ["account_id", "auth_type"];

/// Everything that can be said of an IAM principal.
pub(crate) const IAM: [&str; 8] = [
    "account_id",
    "auth_type",
    "canonical_arn",
    "client_arn",
    "client_user_id",
    "inferred_aws_region",
    "inferred_entity_id",
    "inferred_entity_type",
];
/// Everything that can be said of an instance.
pub(crate) const EC2: [&str; 5] = ["account_id", "ami_id", "auth_type", "instance_id", "region"];

/// Which of it an operator wants; `None` where they never said.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Shown(Option<Vec<String>>);

impl Shown {
    /// Reads names out of `all`.
    pub(crate) fn parse(field: &str, all: &[&str], names: &[String]) -> Result<Self> {
        if names == ["default"] {
            return Ok(Self(None));
        }
        if let Some(wrong) = names.iter().find(|name| !all.contains(&name.as_str())) {
            let all = all.join(", ");
            return Err(Error::invalid(format!(
                "{field}: {wrong:?} is not available, use default alone or some of {all}"
            )));
        }
        Ok(Self(Some(names.to_vec())))
    }
    /// As read back.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.clone().unwrap_or_else(|| USUAL.map(str::to_owned).to_vec())
    }
    /// What the token says and what the alias is given, out of what is known. Without an operator's word the token says
    /// everything.
    pub(crate) fn of<const N: usize>(&self, known: [(&str, &str); N]) -> (Metadata, Metadata) {
        let known = known.into_iter().filter(|(_, value)| !value.is_empty());
        let known: Metadata = known.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let names = self.names();
        let mut alias = known.clone();
        alias.retain(|name, _| names.contains(name));
        (if self.0.is_some() { alias.clone() } else { known }, alias)
    }
}
