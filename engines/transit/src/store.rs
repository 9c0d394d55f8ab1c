//! The keys of a mount: read through a cache, and changed by guarded commits so that no change is ever lost.
//!
//! `keys/<name>` holds a key with all its versions, `wrapping-key` the one that imports are wrapped with,
//! `config/cache` and `config/keys` the settings.
use crate::kind::Kind;
use crate::record::{Key, KeyVersion};
use crate::settings;
use lessor_engine::{Changes, Context, Error, Result, Timestamp};
use lessor_storage::Version;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) const KEYS: &str = "keys/";
const WRAPPING_KEY: &str = "wrapping-key";

/// Every lost race is somebody else's success; this only ends what would never end.
const ATTEMPTS: usize = 1000;
/// Keys held in memory where no size is configured.
const DEFAULT_CACHE: usize = 1024;

/// The engine of one mount.
#[derive(Default)]
pub(crate) struct Keyring {
    /// Keys as they were last read, with the version of their record: a key is parsed once, not once a request.
    cache: Mutex<HashMap<String, (Version, Arc<Key>)>>,
}

fn record(name: &str) -> String {
    format!("{KEYS}{name}")
}

impl Keyring {
    /// The key of this name.
    pub(crate) async fn find(&self, cx: &Context, name: &str) -> Result<Option<Arc<Key>>> {
        self.read(cx, &record(name)).await
    }

    /// Whether there is a key of this name.
    pub(crate) async fn exists(&self, cx: &Context, name: &str) -> Result<bool> {
        Ok(cx.view.version(&record(name)).await?.is_some())
    }

    /// The key of this name, or an error with this text.
    pub(crate) async fn need(&self, cx: &Context, name: &str, missing: &str) -> Result<Arc<Key>> {
        self.find(cx, name).await?.ok_or_else(|| Error::invalid(missing))
    }

    async fn read(&self, cx: &Context, at: &str) -> Result<Option<Arc<Key>>> {
        let Some(version) = cx.view.version(at).await? else {
            self.cached().remove(at);
            return Ok(None);
        };
        if let Some((_, key)) = self.cached().get(at).filter(|(cached, _)| *cached == version) {
            return Ok(Some(Arc::clone(key)));
        }
        let Some((key, version)) = cx.view.get_versioned::<Key>(at).await? else { return Ok(None) };
        let key = Arc::new(key);
        let limit = match settings::cache_size(cx).await? {
            0 => DEFAULT_CACHE,
            size => size,
        };
        let mut cache = self.cached();
        while cache.len() >= limit && !cache.contains_key(at) {
            let Some(any) = cache.keys().next().cloned() else { break };
            cache.remove(&any);
        }
        cache.insert(at.to_owned(), (version, Arc::clone(&key)));
        Ok(Some(key))
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Version, Arc<Key>)>> {
        // Whoever panicked left a whole map behind: every change is one call.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a new key. `false` says that there is one of that name.
    pub(crate) async fn create(&self, cx: &Context, key: &Key) -> Result<bool> {
        let at = record(&key.name);
        match cx.view.commit(Changes::new().expect(&at, None).put(&at, key)?).await {
            Ok(()) => Ok(true),
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a key, whatever was there.
    pub(crate) async fn replace(&self, cx: &Context, key: &Key) -> Result<()> {
        cx.view.put(&record(&key.name), key).await
    }

    /// Changes a key; `edit` runs again on what another writer left. `None`: there is no such key.
    pub(crate) async fn change(
        &self,
        cx: &Context,
        name: &str,
        mut edit: impl FnMut(&mut Key) -> Result<()> + Send,
    ) -> Result<Option<Key>> {
        let at = record(name);
        let mut attempts = 0;
        loop {
            let Some((mut key, version)) = cx.view.get_versioned::<Key>(&at).await? else { return Ok(None) };
            edit(&mut key)?;
            match cx.view.commit(Changes::new().expect(&at, Some(version)).put(&at, &key)?).await {
                Ok(()) => return Ok(Some(key)),
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a key, if `allowed` says so. `false`: there is no such key.
    pub(crate) async fn remove(
        &self,
        cx: &Context,
        name: &str,
        allowed: impl Fn(&Key) -> Result<()> + Send,
    ) -> Result<bool> {
        let at = record(name);
        let mut attempts = 0;
        loop {
            let Some((key, version)) = cx.view.get_versioned::<Key>(&at).await? else { return Ok(false) };
            allowed(&key)?;
            match cx.view.commit(Changes::new().expect(&at, Some(version)).delete(&at)).await {
                Ok(()) => {
                    self.cached().remove(&at);
                    return Ok(true);
                }
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The key that imports are wrapped with, made the first time it is asked for.
    pub(crate) async fn wrapping_key(&self, cx: &Context) -> Result<Arc<Key>> {
        if let Some(key) = self.read(cx, WRAPPING_KEY).await? {
            return Ok(key);
        }
        let mut key = Key::new(WRAPPING_KEY, Kind::Rsa4096);
        key.push(generate(Kind::Rsa4096, 0, cx.now()).await?);
        match cx.view.commit(Changes::new().expect(WRAPPING_KEY, None).put(WRAPPING_KEY, &key)?).await {
            // Of two that raced, one key stays.
            Ok(()) | Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
        let made = self.read(cx, WRAPPING_KEY).await?;
        made.ok_or_else(|| Error::Internal("the wrapping key is gone".to_owned()))
    }

    /// The changes that add a version to a key, if nobody changed it meanwhile. `None`: there is no such key.
    pub(crate) async fn rotation(&self, cx: &Context, name: &str, version: KeyVersion) -> Result<Option<Changes>> {
        let at = record(name);
        let Some((mut key, guard)) = cx.view.get_versioned::<Key>(&at).await? else { return Ok(None) };
        key.imported = false;
        key.push(version);
        Ok(Some(Changes::new().expect(&at, Some(guard)).put(&at, &key)?))
    }
}

/// A fresh version; those that take long are made beside the runtime.
///
/// # Errors
/// When the system has no randomness.
pub(crate) async fn generate(kind: Kind, key_size: usize, now: Timestamp) -> Result<KeyVersion> {
    beside(kind.is_slow(), move || KeyVersion::generate(kind, key_size, now)).await
}

/// Runs work outside the runtime's threads where it is slow.
///
/// # Errors
/// What the work says.
pub(crate) async fn beside<T: Send + 'static>(
    slow: bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if !slow {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Internal("the work with the key broke off".to_owned()))?
}
