//! The session of a mount's root credential, kept until the configuration changes.
use crate::Engine;
use crate::call::{Cloud, Key, Session, Settings};
use crate::config::{Config, KEY};
use lessor_engine::{Context, Result};
use lessor_storage::Version;
use std::sync::{Arc, Mutex, PoisonError};

type Kept = (Option<Version>, Arc<dyn Session>);

/// Makes sessions, and keeps the root's.
pub(crate) struct Sessions {
    cloud: Arc<dyn Cloud>,
    root: Mutex<Option<Kept>>,
}

impl Sessions {
    pub(crate) fn new(cloud: Arc<dyn Cloud>) -> Self {
        Self { cloud, root: Mutex::default() }
    }
    /// A session with these settings.
    pub(crate) fn open(&self, settings: &Settings) -> Arc<dyn Session> {
        self.cloud.session(settings)
    }
}

impl Engine {
    /// The root's session; a mount without configuration uses what the server's surroundings offer.
    pub(crate) async fn root(&self, cx: &Context) -> Result<Arc<dyn Session>> {
        let (config, version) = match cx.view.get_versioned::<Config>(KEY).await? {
            Some((config, version)) => (config, Some(version)),
            None => (Config::default(), None),
        };
        let mut kept = self.sessions.root.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, session)) = kept.as_ref().filter(|(of, _)| *of == version) {
            let _ = of;
            return Ok(Arc::clone(session));
        }
        let session = self.sessions.open(&config.settings(cx));
        *kept = Some((version, Arc::clone(&session)));
        Ok(session)
    }
    /// A session with another key and the mount's other settings.
    pub(crate) async fn as_key(&self, cx: &Context, key: Key) -> Result<Arc<dyn Session>> {
        let config: Config = cx.view.get(KEY).await?.unwrap_or_default();
        Ok(self.sessions.open(&Settings { key: Some(key), through: None, ..config.settings(cx) }))
    }
}
