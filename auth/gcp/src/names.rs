//! What names an alias, and what is kept with it.
use lessor_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an alias is named after.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum AliasName {
    /// The role: everybody of a role is one entity.
    #[default]
    #[serde(rename = "role_id")]
    Role,
    /// Of a service account: the id that Google never uses again.
    #[serde(rename = "unique_id")]
    Account,
    /// Of an instance.
    #[serde(rename = "instance_id")]
    Instance,
}

impl AliasName {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Role => "role_id",
            Self::Account => "unique_id",
            Self::Instance => "instance_id",
        }
    }
    /// The alias of parameter `field`, whose own word is that of `other`.
    pub(crate) fn parse(field: &str, other: Self, word: &str) -> Result<Self> {
        let all = [Self::Role, other];
        let wrong = || {
            let words = all.map(Self::word).join(", ");
            Error::invalid(format!("invalid {field} {word:?}: must be one of {words}"))
        };
        if word.is_empty() {
            return Ok(Self::Role);
        }
        all.into_iter().find(|alias| alias.word() == word).ok_or_else(wrong)
    }
}

/// Everything that is known of a service account's login.
pub(crate) const IAM: &[&str] = &["project_id", "role", "service_account_id", "service_account_email"];
/// Everything that is known of an instance's login.
pub(crate) const GCE: &[&str] = &[
    "instance_creation_timestamp",
    "instance_id",
    "instance_name",
    "project_id",
    "project_number",
    "role",
    "service_account_id",
    "service_account_email",
    "zone",
];

/// What is kept with an alias.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kept(Option<Vec<String>>);

impl Kept {
    /// Reads a list of names out of `all`; `default` alone stands for all of them.
    pub(crate) fn parse(field: &str, all: &[&str], names: &[String]) -> Result<Self> {
        if names == ["default"] {
            return Ok(Self(None));
        }
        if let Some(wrong) = names.iter().find(|name| !all.contains(&name.as_str())) {
            let text = format!("{field}: {wrong:?} is not available, use \"default\" or some of {}", all.join(", "));
            return Err(Error::invalid(text));
        }
        Ok(Self(Some(names.to_vec())))
    }
    pub(crate) fn show(&self, all: &[&str]) -> Vec<String> {
        self.0.clone().unwrap_or_else(|| all.iter().map(|name| (*name).to_owned()).collect())
    }
    pub(crate) fn of(&self, metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let wanted = |name: &String| self.0.as_ref().is_none_or(|names| names.contains(name));
        metadata.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
