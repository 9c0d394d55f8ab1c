//! The variables of this server's environment, as far as clouds have given them a meaning.
use std::collections::BTreeMap;

/// The process's own variables, or those of a test.
#[derive(Clone, Debug, Default)]
pub struct Surroundings(Option<BTreeMap<String, String>>);

impl Surroundings {
    /// These and no others.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(Some(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()))
    }
    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }
}
