//! Where the records stand, and how a change of one path becomes one guarded commit.
//!
//! `config`, `meta/<path>` and `versions/<path>/<number>`: a read takes two gets, a write one commit. Nobody holds
//! a lock while a first attempt runs; those who lose a race queue up behind one another, so that each gets its
//! turn.
use super::record::{Config, Meta, VersionData, VersionMeta};
use crate::lists::Walk;
use crate::v1;
use lessor_engine::{Changes, Context, Error, Result};
use lessor_storage::Version;
use std::collections::{BTreeMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// Every lost race is somebody else's success: those who come fresh do not queue, and may be many. This only ends what
/// would never end.
const ATTEMPTS: usize = 10_000;
const QUEUES: usize = 64;

const CONFIG: &str = "config";

/// The engine of one mount.
pub(crate) struct Store {
    queues: Vec<Mutex<()>>,
    /// Whether version 1 left records here. Asked once: nothing writes them while this engine is mounted.
    has_plain: OnceCell<bool>,
}

/// What is known about a path.
pub(crate) struct Entry {
    pub(crate) meta: Meta,
    /// The version of the metadata record; `None` if there is none yet.
    guard: Option<Version>,
    /// A record of version 1 that stands for the first version.
    plain: Option<(VersionData, Version)>,
}

/// The attempts of one writer.
#[derive(Default)]
pub(crate) struct Turn<'a> {
    attempts: usize,
    queue: Option<MutexGuard<'a, ()>>,
}

pub(crate) fn meta_key(path: &str) -> String {
    format!("meta/{path}")
}

pub(crate) fn data_key(path: &str, version: u64) -> String {
    format!("versions/{path}/{version}")
}

impl Entry {
    /// An entry for a path that does not exist.
    pub(crate) fn new(cx: &Context) -> Self {
        Self { meta: Meta::new(cx.now()), guard: None, plain: None }
    }

    /// A commit that stores the metadata as it is now, if nobody changed it meanwhile.
    pub(crate) fn changes(&self, path: &str) -> Result<Changes> {
        let key = meta_key(path);
        let mut changes = Changes::new().expect(&key, self.guard).put(&key, &self.meta)?;
        if let Some((data, version)) = &self.plain {
            let plain = v1::key(path);
            changes = changes.expect(&plain, Some(*version)).delete(&plain).put(&data_key(path, 1), data)?;
        }
        Ok(changes)
    }

    /// A commit that removes everything about the path.
    pub(crate) fn removal(&self, path: &str) -> Changes {
        let key = meta_key(path);
        let mut changes = Changes::new().expect(&key, self.guard).delete(&key);
        for number in self.meta.versions.keys() {
            changes = changes.delete(&data_key(path, *number));
        }
        if let Some((_, version)) = &self.plain {
            let plain = v1::key(path);
            changes = changes.expect(&plain, Some(*version)).delete(&plain);
        }
        changes
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { queues: (0..QUEUES).map(|_| Mutex::new(())).collect(), has_plain: OnceCell::new() }
    }

    pub(crate) async fn config(&self, cx: &Context) -> Result<Config> {
        Ok(cx.view.get(CONFIG).await?.unwrap_or_default())
    }

    /// Changes the settings.
    pub(crate) async fn change_config(&self, cx: &Context, change: impl Fn(&mut Config)) -> Result<()> {
        let mut turn = Turn::default();
        loop {
            let found = cx.view.get_versioned::<Config>(CONFIG).await?;
            let (mut config, guard) = found.map_or((Config::default(), None), |(config, at)| (config, Some(at)));
            change(&mut config);
            let changes = Changes::new().expect(CONFIG, guard).put(CONFIG, &config)?;
            if self.commit(cx, CONFIG, changes, &mut turn).await? {
                return Ok(());
            }
        }
    }

    async fn has_plain(&self, cx: &Context) -> Result<bool> {
        let look = || async { Ok::<_, Error>(!cx.view.list(v1::PREFIX).await?.is_empty()) };
        self.has_plain.get_or_try_init(look).await.copied()
    }

    /// What is known about the path.
    pub(crate) async fn load(&self, cx: &Context, path: &str) -> Result<Option<Entry>> {
        if let Some((meta, version)) = cx.view.get_versioned::<Meta>(&meta_key(path)).await? {
            return Ok(Some(Entry { meta, guard: Some(version), plain: None }));
        }
        if !self.has_plain(cx).await? {
            return Ok(None);
        }
        let Some((plain, version)) = cx.view.get_versioned::<v1::Plain>(&v1::key(path)).await? else {
            return Ok(None);
        };
        let first = VersionMeta { created: plain.written, deletion: None, destroyed: false };
        let versions = BTreeMap::from([(1, first)]);
        let meta = Meta { current: 1, versions, ..Meta::new(plain.written) };
        Ok(Some(Entry { meta, guard: None, plain: Some((VersionData { data: plain.data }, version)) }))
    }

    /// The data of a version that the entry calls readable; `None` if it went away since the entry was loaded.
    pub(crate) async fn data(
        &self,
        cx: &Context,
        path: &str,
        entry: &Entry,
        version: u64,
    ) -> Result<Option<VersionData>> {
        match &entry.plain {
            Some((data, _)) => Ok(Some(data.clone())),
            None => cx.view.get(&data_key(path, version)).await,
        }
    }

    /// Names below a folder, those of version 1 included.
    pub(crate) async fn list(&self, cx: &Context, folder: &str) -> Result<Vec<String>> {
        let mut names = cx.view.list(&meta_key(folder)).await?;
        if self.has_plain(cx).await? {
            names.extend(cx.view.list(&v1::key(folder)).await?);
            names.sort_unstable();
            names.dedup();
        }
        Ok(names)
    }

    /// Everything below a folder, from there.
    pub(crate) async fn scan(&self, cx: &Context, folder: &str) -> Result<Vec<String>> {
        let mut walk = Walk::new();
        while let Some(below) = walk.next() {
            let names = self.list(cx, &format!("{folder}{below}")).await?;
            walk.note(&below, names);
        }
        Ok(walk.found)
    }

    /// Commits. `false` says that somebody else was faster: load again, decide again, and come back.
    pub(crate) async fn commit<'a>(
        &'a self,
        cx: &Context,
        path: &str,
        changes: Changes,
        turn: &mut Turn<'a>,
    ) -> Result<bool> {
        match cx.view.commit(changes).await {
            Ok(()) => Ok(true),
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) if turn.attempts < ATTEMPTS => {
                turn.attempts += 1;
                if turn.queue.is_none() {
                    let mut hasher = DefaultHasher::new();
                    path.hash(&mut hasher);
                    // The remainder is below QUEUES, so neither conversion loses anything.
                    let at = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or_default();
                    turn.queue = Some(self.queues[at].lock().await);
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
