use std::collections::BTreeMap;
use std::path::PathBuf;

/// Prefixes of the variables, the first that is set wins.
const PREFIXES: [&str; 3] = ["LESSOR_", "BAO_", "VAULT_"];

/// The environment variables a command may look at.
#[derive(Clone, Default)]
pub struct Environment {
    vars: BTreeMap<String, String>,
}

impl Environment {
    /// Takes the process's environment; variables that are no Unicode are left out.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        Self { vars: std::env::vars_os().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect() }
    }

    /// An environment with just these variables.
    #[must_use]
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { vars: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }

    /// `LESSOR_<name>`, `BAO_<name>` or `VAULT_<name>`; an empty variable counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        PREFIXES.iter().find_map(|prefix| self.plain(&format!("{prefix}{name}")))
    }

    /// A variable by its full name.
    pub(crate) fn plain(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Full name of the variable [`Self::get`] would take its value from.
    pub(crate) fn source(&self, name: &str) -> Option<String> {
        let names = PREFIXES.iter().map(|prefix| format!("{prefix}{name}"));
        names.into_iter().find(|full| self.plain(full).is_some())
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
    }

    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.plain("HOME").map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessor_wins_over_bao_and_bao_over_vault() {
        let all = [("LESSOR_ADDR", "l"), ("BAO_ADDR", "b"), ("VAULT_ADDR", "v")];
        for (skip, want) in [(0, "l"), (1, "b"), (2, "v")] {
            let env = Environment::from_pairs(all[skip..].iter().copied());
            assert_eq!(env.get("ADDR"), Some(want));
        }
        let env = Environment::from_pairs([("LESSOR_ADDR", ""), ("VAULT_ADDR", "v")]);
        assert_eq!(env.source("ADDR").as_deref(), Some("VAULT_ADDR"));
    }
}
