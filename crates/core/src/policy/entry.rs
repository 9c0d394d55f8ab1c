//! What is kept of a policy, and what a write may change of it.
use super::template::Switches;
use lessor_engine::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A policy as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its text, HCL or JSON.
    pub text: String,
    /// Counts the writes.
    pub version: u64,
    /// Whether a write has to name the version it replaces.
    pub cas_required: bool,
    /// The last write; `None` for a built-in policy.
    pub modified: Option<Timestamp>,
    /// From then on it is as if it were not there.
    pub expires: Option<Timestamp>,
    /// What its templates may bring in.
    pub switches: Switches,
}

/// A write. `None` keeps what a patch finds, and means the default to a put.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The text; empty is refused.
    pub text: Option<String>,
    /// The version that is to be replaced; -1 for none.
    pub cas: Option<i64>,
    /// Whether later writes have to name a version.
    pub cas_required: Option<bool>,
    /// The end of it.
    pub expires: Option<Timestamp>,
    /// Whether templates may bring in `*` and `+`.
    pub wildcards: Option<bool>,
    /// Whether templates may bring in `/`.
    pub slashes: Option<bool>,
}

impl Entry {
    /// A policy that is in force without being stored.
    pub(super) fn builtin(text: &str) -> Self {
        Self { text: text.to_owned(), version: u64::from(!text.is_empty()), ..Self::default() }
    }
    /// Whether it still counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|at| at > now)
    }
    /// As answers show it; `text` is the name of the field that holds the text.
    pub fn shown(&self, name: &str, text: &str) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in [
            ("name", json!(name)),
            (text, json!(self.text)),
            ("version", json!(self.version)),
            ("cas_required", json!(self.cas_required)),
            ("allow_wildcards_in_identity_templates", json!(self.switches.wildcards)),
            ("allow_slashes_in_identity_templates", json!(self.switches.slashes)),
        ] {
            shown.insert(name.to_owned(), value);
        }
        if let Some(at) = self.expires {
            shown.insert("expiration".to_owned(), json!(at));
        }
        if let Some(at) = self.modified {
            shown.insert("modified".to_owned(), json!(at));
        }
        shown
    }
    /// What the entry is after a write to `old`.
    ///
    /// # Errors
    /// When the text is no policy, or the version is not the one the writer knows.
    pub(super) fn after(old: Option<&Self>, change: &Change, now: Timestamp) -> Result<Self> {
        let text = change.text.as_deref().or(old.map(|old| old.text.as_str())).unwrap_or_default();
        if text.is_empty() {
            return Err(Error::invalid("'policy' parameter not supplied or empty"));
        }
        super::parse(text)?;
        if change.expires.is_some_and(|at| at <= now) {
            return Err(Error::invalid("refusing to update policy as expiration time has already elapsed"));
        }
        let old = old.cloned().unwrap_or_default();
        old.check(change)?;
        Ok(Self {
            text: text.to_owned(),
            version: old.version + 1,
            cas_required: change.cas_required.unwrap_or(old.cas_required),
            modified: Some(now),
            expires: change.expires.or(old.expires),
            switches: Switches {
                wildcards: change.wildcards.unwrap_or(old.switches.wildcards),
                slashes: change.slashes.unwrap_or(old.switches.slashes),
            },
        })
    }
    fn check(&self, change: &Change) -> Result<()> {
        let text = match change.cas {
            None if self.cas_required || change.cas_required == Some(true) => {
                "check-and-set parameter required for this call".to_owned()
            }
            Some(-1) if self.version > 0 => "check-and-set parameter set to -1 on existing entry".to_owned(),
            Some(cas) if cas != -1 && u64::try_from(cas) != Ok(self.version) => {
                format!("check-and-set parameter {cas} did not match the current version {}", self.version)
            }
            _ => return Ok(()),
        };
        Err(Error::invalid(text))
    }
}
