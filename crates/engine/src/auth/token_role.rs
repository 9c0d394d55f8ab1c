//! The token part of a role or user, with the parameters' older names that Vault's clients still send.
use super::{TokenParams, TokenSettings, show_cidr};
use crate::{CommaList, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What was sent under older names. A method declares those it takes and leaves the others `None`.
#[derive(Clone, Default)]
pub struct OldNames {
    /// `policies`, now `token_policies`.
    pub policies: Option<CommaList>,
    /// `ttl`, now `token_ttl`.
    pub ttl: Option<Seconds>,
    /// `max_ttl`, now `token_max_ttl`.
    pub max_ttl: Option<Seconds>,
    /// `period`, now `token_period`.
    pub period: Option<Seconds>,
    /// `bound_cidrs`, now `token_bound_cidrs`.
    pub bound_cidrs: Option<CommaList>,
}

/// Settings, and which of them were last written under their older name: a read shows those under both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenRole {
    /// The settings themselves.
    #[serde(flatten)]
    pub settings: TokenSettings,
    old: Old,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Old {
    policies: bool,
    ttl: bool,
    max_ttl: bool,
    period: bool,
    bound_cidrs: bool,
}

/// Where both names were sent the new one counts; the old one is only shown where it was sent.
fn merge<T>(new: &mut Option<T>, old: Option<T>, shown: &mut bool) {
    if new.is_some() || old.is_some() {
        *shown = old.is_some();
    }
    if new.is_none() {
        *new = old;
    }
}

impl TokenRole {
    /// Takes over what was sent under either name and checks the whole; what is left out keeps its value.
    ///
    /// # Errors
    /// As [`TokenSettings::apply`]; then nothing has changed.
    pub fn apply(&mut self, mut sent: TokenParams, old: OldNames) -> Result<()> {
        let mut next = self.clone();
        merge(&mut sent.token_policies, old.policies, &mut next.old.policies);
        merge(&mut sent.token_ttl, old.ttl, &mut next.old.ttl);
        merge(&mut sent.token_max_ttl, old.max_ttl, &mut next.old.max_ttl);
        merge(&mut sent.token_period, old.period, &mut next.old.period);
        merge(&mut sent.token_bound_cidrs, old.bound_cidrs, &mut next.old.bound_cidrs);
        next.settings.apply(sent)?;
        *self = next;
        Ok(())
    }
    /// The `token_*` part of a read, and the older names where they were used for something.
    pub fn show(&self) -> Map<String, Value> {
        let mut shown = self.settings.show();
        let settings = &self.settings;
        let mut add = |used: bool, name: &str, value: Value| {
            if used {
                shown.insert(name.to_owned(), value);
            }
        };
        add(self.old.policies && !settings.policies.is_empty(), "policies", json!(settings.policies));
        add(self.old.ttl && settings.ttl > 0, "ttl", json!(settings.ttl));
        add(self.old.max_ttl && settings.max_ttl > 0, "max_ttl", json!(settings.max_ttl));
        add(self.old.period && settings.period > 0, "period", json!(settings.period));
        let cidrs: Vec<String> = settings.bound_cidrs.iter().map(show_cidr).collect();
        add(self.old.bound_cidrs && !cidrs.is_empty(), "bound_cidrs", json!(cidrs));
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str) -> Option<CommaList> {
        Some(CommaList(vec![name.to_owned()]))
    }

    #[test]
    fn an_old_name_writes_the_new_one_and_is_shown_until_the_new_one_is_written() {
        let mut role = TokenRole::default();
        role.apply(TokenParams::default(), OldNames { policies: list("a"), ..OldNames::default() }).unwrap();
        assert_eq!((&role.show()["policies"], &role.show()["token_policies"]), (&json!(["a"]), &json!(["a"])));
        role.apply(TokenParams { token_ttl: Some(Seconds(5)), ..TokenParams::default() }, OldNames::default()).unwrap();
        assert!(role.show().contains_key("policies"));
        role.apply(TokenParams { token_policies: list("b"), ..TokenParams::default() }, OldNames::default()).unwrap();
        assert!(!role.show().contains_key("policies"));
        assert_eq!(role.settings.policies, ["b"]);
    }

    #[test]
    fn a_refused_write_changes_nothing() {
        let mut role = TokenRole::default();
        let old = OldNames { ttl: Some(Seconds(10)), max_ttl: Some(Seconds(5)), ..OldNames::default() };
        assert!(role.apply(TokenParams::default(), old).is_err());
        assert_eq!(role, TokenRole::default());
    }
}
