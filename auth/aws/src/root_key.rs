//! A new key for whoever asks AWS, in two phases. AWS chooses the key, so a plan remembers which keys there were: whatever
//! else is found after a crash is half made, and is deleted.
use crate::Aws;
use crate::cloud::{Key, Session};
use crate::config::{Config, KEY};
use lessor_engine::{Changes, Context, Error, Reply, Result, Rotation, Timestamp, Works};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The subject of these rotations.
pub(crate) const ROOT: &str = "root";
/// How long a new key may take until AWS knows it everywhere; below the bound of a platform call.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone, Serialize, Deserialize)]
struct Change {
    user: String,
    /// Keys the user had before.
    before: Vec<String>,
    old: String,
    new: Option<Key>,
}

impl Change {
    fn new_key(&self) -> Result<&Key> {
        self.new.as_ref().ok_or_else(|| Error::Internal("there is no new key".to_owned()))
    }
}

fn changed_meanwhile() -> Error {
    Error::invalid("config/client was given another key meanwhile")
}

pub(crate) async fn rotate(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    let config: Option<Config> = cx.view.get(KEY).await?;
    let config = config.ok_or_else(|| Error::invalid("can't update client config because it's unset"))?;
    if config.access_key.is_empty() {
        return Err(Error::invalid("can't update access_key because it's unset"));
    }
    Ok(Reply::rotate(ROOT))
}

impl Aws {
    async fn accepted(&self, cx: &Context, key: &Key) -> Result<bool> {
        let config = Config { access_key: key.id.clone(), secret_key: key.secret.clone(), ..Config::load(cx).await? };
        Ok(self.cloud.own_as(cx, config).is_believed().await?)
    }

    async fn own(&self, cx: &Context) -> Result<Session> {
        Ok(self.cloud.own_as(cx, Config::load(cx).await?))
    }

    pub(crate) async fn plan_key(&self, cx: &Context) -> Result<Value> {
        let old = Config::load(cx).await?.access_key;
        if old.is_empty() {
            return Err(Error::invalid("no access_key is configured, so there is none to rotate"));
        }
        let session = self.own(cx).await?;
        let user = session.user_name().await?;
        let before = session.key_ids(&user).await?;
        if before.len() >= 2 {
            return Err(Error::invalid(format!(
                "the user {user} has two access keys, which is AWS's limit: delete the one that is not in use"
            )));
        }
        Ok(serde_json::to_value(Change { user, before, old, new: None })?)
    }

    pub(crate) async fn make_key(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let mut change: Change = rotation.read()?;
        change.new = Some(self.own(cx).await?.create_key(&change.user).await?);
        Ok(serde_json::to_value(change)?)
    }

    pub(crate) async fn try_key(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let change: Change = rotation.read()?;
        let until_accepted = async {
            while !self.accepted(cx, change.new_key()?).await? {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        let refused = || Error::refused(format!("AWS did not accept the new key within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, until_accepted).await.unwrap_or_else(|_| Err(refused()))
    }

    pub(crate) async fn keep_key(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let change: Change = rotation.read()?;
        let new = change.new_key()?.clone();
        let stored: Option<(Config, _)> = cx.view.get_versioned(KEY).await?;
        let stored = stored.filter(|(config, _)| config.access_key == change.old);
        let (mut config, version) = stored.ok_or_else(changed_meanwhile)?;
        (config.access_key, config.secret_key, config.last_rotation) = (new.id, new.secret, Some(cx.now()));
        Changes::new().expect(KEY, Some(version)).put(KEY, &config)
    }

    pub(crate) async fn delete_old_key(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let change: Change = rotation.read()?;
        Ok(self.own(cx).await?.delete_key(&change.user, &change.old).await?)
    }

    /// Which key works, with what is half made undone where it is the old one.
    pub(crate) async fn settle_key(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let change: Change = rotation.read()?;
        let is_current = Config::load(cx).await?.access_key == change.old;
        if let Some(new) = &change.new
            && is_current
            && self.accepted(cx, new).await?
        {
            return Ok(Works::New);
        }
        let session = self.own(cx).await?;
        let undone = async {
            for id in session.key_ids(&change.user).await? {
                if !change.before.contains(&id) {
                    session.delete_key(&change.user, &id).await?;
                }
            }
            Ok(())
        };
        match undone.await {
            // An operator's own key may be anybody's, and need not see this user's.
            Err(crate::cloud::CallError::Refused { .. }) if !is_current => Ok(Works::Old),
            done => done.map(|()| Works::Old).map_err(Error::from),
        }
    }

    pub(crate) fn new_key_id(rotation: &Rotation) -> Result<Option<Map<String, Value>>> {
        let change: Change = rotation.read()?;
        Ok(json!({ "access_key": change.new.map(|new| new.id) }).as_object().cloned())
    }

    pub(crate) async fn key_due(cx: &Context) -> Result<Option<Timestamp>> {
        let config: Option<Config> = cx.view.get(KEY).await?;
        let config = config.filter(|config| !config.disable_automated_rotation && !config.access_key.is_empty());
        Ok(config.and_then(|config| config.timing.next(config.last_rotation.unwrap_or(config.written), cx.now())))
    }
}
