//! A new password for the configured user, in two phases.
use crate::Engine;
use crate::broker::Broker;
use crate::config::{self, Config};
use crate::creds::password;
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Secret, Timestamp, Works};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Both passwords.
#[derive(Serialize, Deserialize)]
struct Change {
    #[serde(with = "lessor_engine::secret::at_rest")]
    old: Secret,
    #[serde(with = "lessor_engine::secret::at_rest")]
    new: Secret,
}

impl Engine {
    async fn with(&self, cx: &Context, rotation: &Rotation, password: Secret) -> Result<Box<dyn Broker>> {
        self.brokers.open(&Config { password, ..Config::load(cx).await? }, &rotation.target)
    }
}

#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let config = Config::load(cx).await?;
        let change = Change { new: password(cx, &config.password_policy).await?, old: config.password };
        let data = serde_json::to_value(change)?;
        Ok(Rotation { subject: subject.to_owned(), target: config.connection_uri, data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let change: Change = rotation.read()?;
        let name = Config::load(cx).await?.username;
        let broker = self.with(cx, rotation, change.old).await?;
        // A change of the password sets the tags anew: those that are there have to be sent again.
        let user = broker.user(&name).await?;
        let user = user.ok_or_else(|| Error::refused(format!("the broker has no user {name:?}")))?;
        broker.put_user(&user, &change.new).await?;
        Ok(rotation.data.clone())
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let change: Change = rotation.read()?;
        if self.with(cx, rotation, change.new).await?.is_let_in().await? {
            return Ok(());
        }
        Err(Error::Refused { status: 500, message: "the broker refuses the new password".to_owned() })
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let change: Change = rotation.read()?;
        let found: Option<(Config, _)> = cx.view.get_versioned(config::KEY).await?;
        let (config, version) = found.ok_or_else(|| Error::invalid("the configuration is gone"))?;
        let config = Config { password: change.new, ..config };
        Changes::new().expect(config::KEY, Some(version)).put(config::KEY, &config)
    }

    /// A broker keeps one password per user: the new one ended the old one.
    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let change: Change = rotation.read()?;
        let let_in = self.with(cx, rotation, change.new).await?.is_let_in().await?;
        Ok(if let_in { Works::New } else { Works::Old })
    }

    fn path(&self, _: &str) -> String {
        config::KEY.to_owned()
    }

    async fn next(&self, _: &Context, _: &str) -> Result<Option<Timestamp>> {
        Ok(None)
    }
}
