//! Policies in storage, and what is remembered of them: compiled tables by the names they were made of.
//!
//! Every write of a policy moves one key, the epoch. A request reads that key alone: as long as it has not moved, the
//! remembered tables are the policies in force, and whoever wrote another policy sees it at the next request.
use super::acl::{Acl, Source};
use super::builtin;
use super::entry::{Change, Entry};
use super::parse;
use crate::identity::Subject;
use crate::keys;
use lessor_engine::{Error, Result, Timestamp, View};
use lessor_storage::{Batch, Expect, Storage, Version};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub const EPOCH: &str = "core/policy-epoch";
/// How many sets of policies, and resolved tables of each, are remembered.
const REMEMBERED: usize = 4096;
/// How often a write begins anew because somebody else wrote the same policy.
const TRIES: usize = 16;

/// Names of policies are lower-case.
pub fn normal(name: &str) -> String {
    name.trim().to_lowercase()
}

/// All policies of all namespaces.
pub struct Policies {
    storage: Arc<dyn Storage>,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    epoch: Option<Version>,
    /// By namespace, then by names.
    sets: HashMap<String, HashMap<Vec<String>, Arc<Set>>>,
    count: usize,
}

/// Policies that tokens have together.
struct Set {
    sources: Vec<Source>,
    /// For callers that no template says anything for.
    plain: Arc<Acl>,
    /// By what the templates say, one after the other.
    resolved: Mutex<HashMap<Vec<Option<String>>, Arc<Acl>>>,
    /// The first of its rules or policies ends then.
    good_until: Option<Timestamp>,
}

impl Set {
    fn new(sources: Vec<Source>, ends: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let rules = sources.iter().flat_map(|source| &source.policy.rules).filter_map(|rule| rule.expires);
        let good_until = rules.chain(ends).filter(|at| *at > now).min();
        let plain = Arc::new(Acl::compile(&sources, None, now));
        Self { sources, plain, resolved: Mutex::default(), good_until }
    }
    fn acl(&self, subject: Option<&Subject>, now: Timestamp) -> Arc<Acl> {
        let Some(subject) = subject else { return Arc::clone(&self.plain) };
        let said: Vec<Option<String>> = self
            .sources
            .iter()
            .flat_map(|source| source.policy.rules.iter().map(|rule| (&rule.path, source.switches)))
            .filter(|(path, _)| path.is_templated())
            .map(|(path, switches)| path.resolve(Some(subject), switches).map(std::borrow::Cow::into_owned))
            .collect();
        if said.iter().all(Option::is_none) {
            return Arc::clone(&self.plain);
        }
        if let Some(acl) = lock(&self.resolved).get(&said) {
            return Arc::clone(acl);
        }
        let acl = Arc::new(Acl::compile(&self.sources, Some(subject), now));
        let mut resolved = lock(&self.resolved);
        if resolved.len() >= REMEMBERED {
            resolved.clear();
        }
        resolved.insert(said, Arc::clone(&acl));
        acl
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remembered {
    fn get(&self, epoch: Option<Version>, namespace: &str, names: &[String], now: Timestamp) -> Option<Arc<Set>> {
        let set = self.sets.get(namespace)?.get(names).filter(|_| self.epoch == epoch)?;
        set.good_until.is_none_or(|at| at > now).then(|| Arc::clone(set))
    }
    fn put(&mut self, epoch: Option<Version>, namespace: &str, names: &[String], set: &Arc<Set>) {
        if self.epoch > epoch {
            return;
        }
        if self.epoch < epoch || self.count >= REMEMBERED {
            *self = Self { epoch, ..Self::default() };
        }
        let sets = self.sets.entry(namespace.to_owned()).or_default();
        self.count += usize::from(sets.insert(names.to_vec(), Arc::clone(set)).is_none());
    }
}

impl Policies {
    /// Behind the barrier.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, remembered: Mutex::default() }
    }
    /// Which policies are in force: whoever sees another epoch reads them anew.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn epoch(&self) -> Result<Option<Version>> {
        Ok(self.storage.version(EPOCH).await?)
    }
    /// Tells of policies that went with their namespace.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn changed(&self) -> Result<()> {
        Ok(self.storage.commit(Batch::new().put(EPOCH, Vec::new())).await?)
    }
    fn view(&self, namespace: &str) -> View {
        View::new(Arc::clone(&self.storage), prefix(namespace))
    }
    /// What a token with these policies of a namespace may do. Names nobody wrote a policy for grant nothing.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn acl(
        &self,
        namespace: &str,
        names: &[String],
        subject: Option<&Subject>,
        now: Timestamp,
    ) -> Result<Arc<Acl>> {
        let epoch = self.epoch().await?;
        self.acl_as_of(epoch, namespace, names, subject, now).await
    }
    /// The same for whoever read the epoch.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn acl_as_of(
        &self,
        epoch: Option<Version>,
        namespace: &str,
        names: &[String],
        subject: Option<&Subject>,
        now: Timestamp,
    ) -> Result<Arc<Acl>> {
        // The epoch was read first: a policy that is written after it moves it, so nothing stale is remembered.
        if let Some(set) = lock(&self.remembered).get(epoch, namespace, names, now) {
            return Ok(set.acl(subject, now));
        }
        let set = Arc::new(self.load(namespace, names, now).await?);
        lock(&self.remembered).put(epoch, namespace, names, &set);
        Ok(set.acl(subject, now))
    }
    async fn load(&self, namespace: &str, names: &[String], now: Timestamp) -> Result<Set> {
        let within: Arc<str> = namespace.into();
        let (mut sources, mut ends) = (Vec::new(), Vec::new());
        for name in names {
            let name = normal(name);
            let Some(entry) = self.read(namespace, &name, now).await? else { continue };
            // It was read before it was stored; should it not be readable any more, nobody is let in by half of it.
            let policy = parse(&entry.text).map_err(|error| Error::Internal(format!("policy {name:?}: {error}")))?;
            ends.extend(entry.expires);
            let (name, namespace) = (Arc::from(name), Arc::clone(&within));
            sources.push(Source { name, namespace, policy: Arc::new(policy), switches: entry.switches });
        }
        Ok(Set::new(sources, ends, now))
    }
    /// A policy, stored or built in. One whose time is over is not there.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn read(&self, namespace: &str, name: &str, now: Timestamp) -> Result<Option<Entry>> {
        Ok(self.stored(namespace, &normal(name)).await?.0.filter(|entry| entry.is_live(now)))
    }
    /// With what its record has to be for a write to count.
    async fn stored(&self, namespace: &str, name: &str) -> Result<(Option<Entry>, Expect)> {
        Ok(match self.view(namespace).get_versioned::<Entry>(name).await? {
            Some((entry, version)) => (Some(entry), Expect::Version(version)),
            None => (builtin::text(name).map(Entry::builtin), Expect::Absent),
        })
    }
    /// Whether there is such a policy.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn exists(&self, namespace: &str, name: &str, now: Timestamp) -> Result<bool> {
        Ok(self.read(namespace, name, now).await?.is_some())
    }
    /// The names that begin with `start`, sorted; all of them include `default`, and `root` in the root namespace.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn list(&self, namespace: &str, start: &str, now: Timestamp) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for name in self.view(namespace).keys("").await? {
            if name.starts_with(start) && self.exists(namespace, &name, now).await? {
                names.push(name);
            }
        }
        if builtin::DEFAULT_NAME.starts_with(start) {
            names.push(builtin::DEFAULT_NAME.to_owned());
        }
        if namespace.is_empty() && start.is_empty() {
            names.push(builtin::ROOT.to_owned());
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
    /// Writes a policy from scratch: what `change` does not say is the default.
    ///
    /// # Errors
    /// What is wrong with the text, or with the version it names.
    pub async fn put(&self, namespace: &str, name: &str, change: &Change, now: Timestamp) -> Result<()> {
        let afresh = |old: Option<Entry>| {
            let cas_required = old.as_ref().is_some_and(|old| old.cas_required);
            if cas_required && change.cas.is_none() {
                return Err(Error::invalid("check-and-set parameter required for this call"));
            }
            let version = old.map_or(0, |old| old.version);
            Entry::after(Some(&Entry { version, ..Entry::default() }), change, now)
        };
        self.write(namespace, name, now, afresh).await
    }
    /// Changes what `change` names.
    ///
    /// # Errors
    /// As [`Policies::put`], and when there is no such policy.
    pub async fn patch(&self, namespace: &str, name: &str, change: &Change, now: Timestamp) -> Result<()> {
        let changed = |old: Option<Entry>| {
            let old = old.ok_or_else(|| Error::invalid("policy not found"))?;
            // A patch is a change of what it read, so it is guarded whether or not it names a version.
            let cas = change.cas.or(i64::try_from(old.version).ok());
            Entry::after(Some(&old), &Change { cas, ..change.clone() }, now)
        };
        self.write(namespace, name, now, changed).await
    }
    async fn write(
        &self,
        namespace: &str,
        name: &str,
        now: Timestamp,
        next: impl Fn(Option<Entry>) -> Result<Entry>,
    ) -> Result<()> {
        let name = normal(name);
        if builtin::is_fixed(&name) {
            return Err(Error::invalid(format!("cannot update {name:?} policy")));
        }
        let key = format!("{}{name}", prefix(namespace));
        for _ in 0..TRIES {
            let (old, expect) = self.stored(namespace, &name).await?;
            let entry = next(old.filter(|old| old.is_live(now)))?;
            let batch = Batch::new().expect(&key, expect).put(&key, serde_json::to_vec(&entry)?);
            match self.storage.commit(batch.put(EPOCH, Vec::new())).await {
                Err(lessor_storage::Error::Conflict { .. }) => {}
                done => return Ok(done?),
            }
        }
        Err(Error::Internal(format!("policy {name:?} is being written by others: try again")))
    }
    /// Removes a policy; unknown is success.
    ///
    /// # Errors
    /// When the policy has to stay.
    pub async fn delete(&self, namespace: &str, name: &str) -> Result<()> {
        let name = normal(name);
        if builtin::is_fixed(&name) {
            return Err(Error::invalid(format!("cannot delete {name:?} policy")));
        }
        if name == builtin::DEFAULT_NAME {
            return Err(Error::invalid("cannot delete default policy"));
        }
        let batch = Batch::new().delete(format!("{}{name}", prefix(namespace))).put(EPOCH, Vec::new());
        Ok(self.storage.commit(batch).await?)
    }
}

fn prefix(namespace: &str) -> String {
    format!("{}core/policy/", keys::namespace(namespace))
}

#[cfg(test)]
mod tests;
