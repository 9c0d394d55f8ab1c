//! One quota: what it limits, and which requests it is for.
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What a quota limits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Requests of one client to one node.
    RateLimit {
        /// Requests per interval.
        rate: f64,
        /// Seconds; at least 1.
        interval: u64,
        /// Seconds for which a client that went over the limit is refused altogether; 0 for no longer than the interval.
        block_interval: u64,
    },
    /// Leases that stand at the same time.
    LeaseCount {
        /// The most of them.
        max_leases: u64,
    },
}

impl Kind {
    /// The word of the API.
    pub fn word(&self) -> &'static str {
        match self {
            Self::RateLimit { .. } => "rate-limit",
            Self::LeaseCount { .. } => "lease-count",
        }
    }
}

/// One quota.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Its name; unique within its kind.
    pub name: String,
    /// What it limits.
    pub kind: Kind,
    /// The namespace, empty for the root, else with a trailing slash.
    pub namespace: String,
    /// The mount within the namespace, with a trailing slash; empty for all of them.
    pub mount: String,
    /// What follows the mount, perhaps with a `*` at the end; empty for everything.
    pub suffix: String,
    /// Only logins by this role; empty for all.
    pub role: String,
    /// Whether namespaces below are meant too.
    pub inheritable: bool,
}

/// Where a request goes, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The namespace, empty for the root, else with a trailing slash.
    pub namespace: &'a str,
    /// The path within the namespace.
    pub path: &'a str,
    /// The role of a login.
    pub role: Option<&'a str>,
}

/// How closely a rule fits; the greatest wins.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The namespace or one above it, by the length of its path.
    Namespace(usize),
    Mount,
    Role,
    /// By the length of what stands before the `*`.
    Glob(usize),
    Path,
}

impl Rule {
    /// Namespace, mount and suffix, as the API shows them.
    pub fn path(&self) -> String {
        format!("{}{}{}", self.namespace, self.mount, self.suffix)
    }
    /// Whether `other` is for exactly the same requests.
    pub fn same_place(&self, other: &Self) -> bool {
        self.kind.word() == other.kind.word() && self.path() == other.path() && self.role == other.role
    }
    fn fit(&self, place: &Place<'_>) -> Option<Fit> {
        if self.mount.is_empty() {
            let own = place.namespace == self.namespace;
            let below = self.inheritable && place.namespace.starts_with(&self.namespace);
            return (own || below).then_some(Fit::Namespace(self.namespace.len()));
        }
        if place.namespace != self.namespace {
            return None;
        }
        let mount = self.mount.trim_end_matches('/');
        let rest = place.path.strip_prefix(mount)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        if !self.role.is_empty() {
            return (place.role == Some(self.role.as_str())).then_some(Fit::Role);
        }
        match (self.suffix.as_str(), self.suffix.strip_suffix('*')) {
            ("", _) => Some(Fit::Mount),
            (_, Some(start)) => rest.starts_with(start).then_some(Fit::Glob(start.len())),
            (suffix, None) => (rest.trim_end_matches('/') == suffix).then_some(Fit::Path),
        }
    }
    /// The rule of `rules` that decides about a request: the one that fits most closely.
    pub fn deciding<'a>(rules: impl Iterator<Item = &'a Self>, place: &Place<'_>) -> Option<&'a Self> {
        let fitting = rules.filter_map(|rule| Some((rule.fit(place)?, rule)));
        fitting.max_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal)).map(|(_, rule)| rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, namespace: &str, mount: &str, suffix: &str, role: &str) -> Rule {
        Rule {
            name: name.to_owned(),
            kind: Kind::LeaseCount { max_leases: 1 },
            namespace: namespace.to_owned(),
            mount: mount.to_owned(),
            suffix: suffix.to_owned(),
            role: role.to_owned(),
            inheritable: mount.is_empty(),
        }
    }

    #[test]
    fn the_closest_rule_decides() {
        let rules = [
            rule("global", "", "", "", ""),
            rule("team", "team/", "", "", ""),
            rule("mount", "", "auth/approle/", "", ""),
            rule("role", "", "auth/approle/", "", "app"),
            rule("glob", "", "auth/approle/", "role/*", ""),
            rule("path", "", "auth/approle/", "role/app", ""),
        ];
        let decides = |namespace, path, role| {
            let place = Place { namespace, path, role };
            Rule::deciding(rules.iter(), &place).map(|rule| rule.name.as_str())
        };
        assert_eq!(decides("", "kv/a", None), Some("global"));
        assert_eq!(decides("team/", "kv/a", None), Some("team"));
        assert_eq!(decides("team/deep/", "auth/approle/login", None), Some("team"));
        assert_eq!(decides("other/", "kv/a", None), Some("global"));
        assert_eq!(decides("", "auth/approle/login", Some("other")), Some("mount"));
        assert_eq!(decides("", "auth/approle/login", Some("app")), Some("role"));
        assert_eq!(decides("", "auth/approle/role/other", None), Some("glob"));
        assert_eq!(decides("", "auth/approle/role/app", None), Some("path"));
        assert_eq!(decides("", "auth/approler/login", None), Some("global"));
    }
}
