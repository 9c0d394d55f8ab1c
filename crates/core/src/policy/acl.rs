//! The rules of a token's policies as one table. Built once, asked by every request without allocating.
use super::decision::{Ask, Decision, Granting};
use super::pattern::{Pattern, Priority, Segments};
use super::prefixes::Prefixes;
use super::template::Switches;
use super::{Capabilities, Capability, Permissions, Policy};
use crate::identity::Subject;
use lessor_engine::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// A policy on its way into a table.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: Arc<str>,
    /// The namespace it lies in: empty for the root, else with a trailing slash. Its rules are relative to it.
    pub namespace: Arc<str>,
    /// Its rules.
    pub policy: Arc<Policy>,
    /// What its templates may bring in.
    pub switches: Switches,
}

impl Source {
    /// A policy of the root namespace with nothing switched on.
    pub fn new(name: &str, policy: Policy) -> Self {
        Self { name: name.into(), namespace: "".into(), policy: Arc::new(policy), switches: Switches::default() }
    }
}

/// A pattern's rules of all policies together.
#[derive(Debug)]
struct Compiled {
    permissions: Permissions,
    granted: Vec<(Capabilities, Granting)>,
}

/// What a token may do.
#[derive(Debug)]
pub struct Acl {
    /// The namespace below which everything is allowed.
    root: Option<Granting>,
    exact: HashMap<String, Compiled>,
    prefixes: Prefixes<Compiled>,
    /// The most specific first.
    segments: Vec<(Segments, Compiled)>,
}

impl Acl {
    /// Builds the table. Rules whose template says nothing for `subject` and rules that expired are left out; a
    /// policy named `root` allows everything in its namespace and below.
    pub fn compile(sources: &[Source], subject: Option<&Subject>, now: Timestamp) -> Self {
        let granting = |source: &Source| Granting { name: source.name.clone(), namespace: source.namespace.clone() };
        let root = sources.iter().find(|source| &*source.name == "root").map(granting);
        let mut patterns: HashMap<Pattern, Compiled> = HashMap::new();
        for source in sources {
            for rule in source.policy.rules.iter().filter(|rule| rule.expires.is_none_or(|at| at > now)) {
                let Some(path) = rule.path.resolve(subject, source.switches) else { continue };
                let path = format!("{}{path}", source.namespace);
                if Pattern::check(&path).is_err() {
                    continue;
                }
                let compiled = match patterns.entry(Pattern::read(&path)) {
                    Entry::Vacant(place) => {
                        let permissions = rule.permissions.clone();
                        place.insert(Compiled { permissions, granted: Vec::new() })
                    }
                    Entry::Occupied(place) => {
                        let compiled = place.into_mut();
                        compiled.permissions.merge(&rule.permissions);
                        compiled
                    }
                };
                compiled.granted.push((rule.permissions.capabilities, granting(source)));
            }
        }
        let (mut exact, mut prefixes, mut segments) = (HashMap::new(), Vec::new(), Vec::new());
        for (pattern, compiled) in patterns {
            match pattern {
                Pattern::Exact(path) => drop(exact.insert(path, compiled)),
                Pattern::Prefix(prefix) => prefixes.push((prefix, compiled)),
                Pattern::Segments(pattern) => segments.push((pattern, compiled)),
            }
        }
        segments.sort_unstable_by(|(one, _), (other, _)| one.most_specific_first(other));
        Self { root, exact, prefixes: Prefixes::new(prefixes), segments }
    }

    /// The namespace below which everything is allowed.
    pub fn root(&self) -> Option<&str> {
        self.root.as_ref().map(|root| &*root.namespace)
    }
    fn is_root_for(&self, path: &str) -> bool {
        self.root().is_some_and(|namespace| path.starts_with(namespace))
    }
    fn with_wildcards(&self, path: &str) -> Option<&Compiled> {
        let prefix = self.prefixes.longest(path);
        let bar = prefix.map(|(prefix, _)| Priority::of_prefix(prefix));
        let better = |pattern: &Segments| bar.as_ref().is_none_or(|bar| pattern.priority() > *bar);
        let mut better = self.segments.iter().take_while(|(pattern, _)| better(pattern));
        let found = better.find(|(pattern, _)| pattern.matches(path)).map(|(_, compiled)| compiled);
        found.or(prefix.map(|(_, compiled)| compiled))
    }
    /// The one rule that counts for a path. Lists, and questions about capabilities, also find what is written without
    /// the slash at the end.
    fn find(&self, path: &str, list: bool) -> Option<&Compiled> {
        let path = path.trim_start_matches('/');
        let bare = path.strip_suffix('/').filter(|_| list);
        self.exact
            .get(path)
            .or_else(|| self.exact.get(bare?))
            .or_else(|| self.with_wildcards(path))
            .or_else(|| self.with_wildcards(bare?))
    }
    /// Answers a request.
    pub fn decide(self: &Arc<Self>, ask: &Ask<'_>) -> Decision {
        if self.is_root_for(ask.path) {
            return Decision { allowed: true, granting: self.root.iter().cloned().collect(), ..Decision::default() };
        }
        let list = ask.operation.is_list();
        let Some(found) = self.find(ask.path, list) else { return Decision::default() };
        if !found.permissions.admit(ask) {
            return Decision::default();
        }
        let wanted = Capability::from(ask.operation);
        let granted = found.granted.iter().filter(|(capabilities, _)| capabilities.has(wanted));
        let filter = found.permissions.keys_filter.as_ref().filter(|_| list);
        Decision {
            allowed: true,
            granting: granted.map(|(_, granting)| granting.clone()).collect(),
            limit: if list { found.permissions.limit(ask.fields).ok().flatten() } else { None },
            keys: filter.map(|filter| (Arc::clone(self), filter.clone())),
            ..Decision::default()
        }
    }
    /// The capabilities on a path (namespace included): sorted, `["root"]`, or `["deny"]` for none.
    pub fn capabilities(&self, path: &str) -> Vec<&'static str> {
        if self.is_root_for(path) {
            return vec!["root"];
        }
        self.granted(path).words()
    }
    fn granted(&self, path: &str) -> Capabilities {
        self.find(path, true).map_or(Capabilities::NONE, |found| found.permissions.capabilities)
    }
    /// Whether the path may be used where `sudo` is asked for.
    pub fn allows_sudo(&self, path: &str) -> bool {
        self.is_root_for(path) || self.granted(path).has(Capability::Sudo)
    }
    /// Whether anything at all is granted at `folder` (a mount or namespace, with its slash) or below.
    pub fn reaches_below(&self, folder: &str) -> bool {
        let grants = |compiled: &Compiled| compiled.permissions.capabilities.grants();
        self.is_root_for(folder)
            || self.granted(folder).grants()
            || self.exact.iter().any(|(path, compiled)| path.starts_with(folder) && grants(compiled))
            || self.prefixes.iter().any(|(prefix, compiled)| prefix.starts_with(folder) && grants(compiled))
            || self.segments.iter().any(|(pattern, compiled)| pattern.reaches_below(folder) && grants(compiled))
    }
    /// Exact rules by path, for people.
    pub fn exact(&self) -> impl Iterator<Item = (String, &Permissions)> {
        self.exact.iter().map(|(path, compiled)| (path.clone(), &compiled.permissions))
    }
    /// Rules with wildcards, for people: prefixes without their star, the others as they were written.
    pub fn globs(&self) -> impl Iterator<Item = (String, &Permissions)> {
        let prefixes = self.prefixes.iter().map(|(prefix, compiled)| (prefix.to_owned(), &compiled.permissions));
        prefixes.chain(self.segments.iter().map(|(pattern, compiled)| (pattern.written(), &compiled.permissions)))
    }
}
