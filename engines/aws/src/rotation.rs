//! New access keys, in two phases. AWS chooses the key, so a plan remembers which keys there were: whatever else is
//! found after a crash is half made, and is deleted.
use crate::Engine;
use crate::call::{Key, Session, gone_is_fine};
use crate::config::{Config, KEY};
use crate::static_roles::{self, StaticRole};
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Secret, Timestamp, Works};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a new key may take until AWS knows it everywhere; below the bound of a platform call.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Serialize, Deserialize)]
struct Change {
    username: String,
    /// Immutable; empty where it does not matter.
    user_id: String,
    /// Keys the user had before.
    before: Vec<String>,
    /// To be deleted first, so that there is room.
    make_room: Option<String>,
    old: String,
    new: Option<NewKey>,
}

#[derive(Clone, Serialize, Deserialize)]
struct NewKey {
    id: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    secret: Secret,
}

impl NewKey {
    fn key(&self) -> Key {
        Key { id: self.id.clone(), secret: self.secret.clone(), token: None }
    }
}

async fn static_role(cx: &Context, name: &str) -> Result<StaticRole> {
    let role: Option<StaticRole> = match cx.view.get(&static_roles::key(name)).await? {
        Some(role) => Some(role),
        None => cx.view.get(&static_roles::draft_key(name)).await?,
    };
    role.ok_or_else(|| Error::NotFound("no static role found for role name".to_owned()))
}

fn static_name(subject: &str) -> Option<&str> {
    subject.strip_prefix("static/")
}

impl Engine {
    async fn change(&self, cx: &Context, rotation: &Rotation) -> Result<(Arc<dyn Session>, Change)> {
        let session = match static_name(&rotation.subject) {
            Some(name) => self.manager(cx, &static_role(cx, name).await?).await?,
            None => self.root(cx).await?,
        };
        Ok((session, rotation.read()?))
    }

    async fn accepted(&self, cx: &Context, key: &NewKey) -> Result<bool> {
        let session = self.as_key(cx, key.key()).await?;
        match session.caller_identity().await {
            Ok(_) => Ok(true),
            Err(crate::call::CallError::Refused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn plan_root(&self, cx: &Context) -> Result<Change> {
        let config: Config = cx.view.get(KEY).await?.unwrap_or_default();
        if config.access_key.is_empty() {
            return Err(Error::invalid("no root key is configured, so there is none to rotate"));
        }
        let session = self.root(cx).await?;
        let user = session.get_user(None).await?;
        let keys = session.list_keys(&user.name).await?;
        if keys.len() >= 2 {
            return Err(Error::invalid(format!(
                "the user {} has two access keys, which is AWS's limit: delete the one that is not in use",
                user.name
            )));
        }
        Ok(Change {
            username: user.name,
            user_id: user.id,
            before: keys.into_iter().map(|key| key.id).collect(),
            make_room: None,
            old: config.access_key,
            new: None,
        })
    }

    async fn plan_static(&self, cx: &Context, name: &str) -> Result<Change> {
        let role = static_role(cx, name).await?;
        let manager = self.manager(cx, &role).await?;
        let user = manager.get_user(Some(&role.username)).await?;
        if user.id != role.id {
            return Err(Error::refused(format!(
                "the IAM user {} was deleted and made again: it is not touched; write the role anew",
                role.username
            )));
        }
        let mut keys = manager.list_keys(&role.username).await?;
        keys.sort_by_key(|key| key.created);
        let make_room = (keys.len() >= 2).then(|| keys[0].id.clone());
        Ok(Change {
            username: role.username.clone(),
            user_id: role.id.clone(),
            before: keys.into_iter().map(|key| key.id).collect(),
            make_room,
            old: static_roles::present(&role).map(|key| key.id).unwrap_or_default(),
            new: None,
        })
    }
}

#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let change = match static_name(subject) {
            Some(name) => self.plan_static(cx, name).await?,
            None => self.plan_root(cx).await?,
        };
        let data = serde_json::to_value(change)?;
        Ok(Rotation { subject: subject.to_owned(), target: crate::creds::ACCOUNT.to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let (session, mut change) = self.change(cx, rotation).await?;
        if let Some(id) = &change.make_room {
            gone_is_fine(session.delete_key(&change.username, id).await)?;
        }
        let Key { id, secret, .. } = session.create_key(&change.username).await?;
        change.new = Some(NewKey { id, secret });
        Ok(serde_json::to_value(change)?)
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let change: Change = rotation.read()?;
        let new = change.new.ok_or_else(|| Error::Internal("there is no new key to verify".into()))?;
        let until_accepted = async {
            while !self.accepted(cx, &new).await? {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(())
        };
        let refused = || Error::refused(format!("AWS did not accept the new key within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, until_accepted).await.unwrap_or_else(|_| Err(refused()))
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let change: Change = rotation.read()?;
        let new = change.new.ok_or_else(|| Error::Internal("there is no new key to keep".into()))?;
        match static_name(&rotation.subject) {
            Some(name) => {
                let mut role = static_role(cx, name).await?;
                (role.access_key, role.secret_key, role.last_rotation) = (new.id, new.secret, cx.now());
                Ok(Changes::new().put(&static_roles::key(name), &role)?.delete(&static_roles::draft_key(name)))
            }
            None => {
                let stored: Option<(Config, _)> = cx.view.get_versioned(KEY).await?;
                let (mut config, version) =
                    stored.ok_or_else(|| Error::invalid("config/root was deleted meanwhile"))?;
                (config.access_key, config.secret_key, config.last_rotation) = (new.id, new.secret, Some(cx.now()));
                Changes::new().expect(KEY, Some(version)).put(KEY, &config)
            }
        }
    }

    /// A root's old key is deleted; that of a static role goes on for one more period, as its users expect.
    async fn retire(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let (session, change) = self.change(cx, rotation).await?;
        if static_name(&rotation.subject).is_none() {
            gone_is_fine(session.delete_key(&change.username, &change.old).await)?;
        }
        Ok(())
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let (session, change) = self.change(cx, rotation).await?;
        if let Some(new) = &change.new
            && self.accepted(cx, new).await?
        {
            return Ok(Works::New);
        }
        for key in session.list_keys(&change.username).await? {
            if !change.before.contains(&key.id) {
                gone_is_fine(session.delete_key(&change.username, &key.id).await)?;
            }
        }
        Ok(Works::Old)
    }

    async fn answer(&self, cx: &Context, rotation: &Rotation) -> Result<Option<Map<String, Value>>> {
        let data = match static_name(&rotation.subject) {
            Some(name) => static_role(cx, name).await?.show(),
            None => json!({ "access_key": rotation.read::<Change>()?.new.map(|new| new.id) }),
        };
        Ok(data.as_object().cloned())
    }

    async fn policy(&self, cx: &Context, subject: &str) -> Result<String> {
        if static_name(subject).is_some() {
            return Ok(String::new());
        }
        let config: Option<Config> = cx.view.get(KEY).await?;
        Ok(config.map(|config| config.rotation_policy).unwrap_or_default())
    }

    fn path(&self, subject: &str) -> String {
        static_name(subject).map_or_else(|| KEY.to_owned(), |name| format!("static-roles/{name}"))
    }

    async fn next(&self, cx: &Context, subject: &str) -> Result<Option<Timestamp>> {
        if let Some(name) = static_name(subject) {
            let role: Option<StaticRole> = cx.view.get(&static_roles::key(name)).await?;
            return Ok(role.map(|role| role.next()));
        }
        let config: Option<Config> = cx.view.get(KEY).await?;
        Ok(config
            .filter(|config| !config.disable_automated_rotation)
            .and_then(|config| config.timing.next(config.last_rotation.unwrap_or(config.written), cx.now())))
    }
}
