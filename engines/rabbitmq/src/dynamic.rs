//! Users that live as long as a lease. Each bears a tag that names the mount and the one issue it was made by, so that
//! nobody else's user is ever overwritten or deleted, whatever a template generates.
use crate::Engine;
use crate::broker::{Broker, User};
use crate::config::Config;
use crate::lease;
use crate::roles::Role;
use async_trait::async_trait;
use lessor_engine::{Context, Credential, Dynamic, Error, Grant, MadeObject, Result, Secret, Terms, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

/// What an intent keeps of a user; a lease keeps the marker and the name of the role.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Empty where nobody knows by which it was made.
    #[serde(default)]
    pub(crate) role_name: String,
    #[serde(default)]
    pub(crate) role: Role,
    #[serde(with = "lessor_engine::secret::at_rest", default, skip_serializing_if = "Secret::is_empty")]
    pub(crate) password: Secret,
    /// The tag of this user and no other.
    pub(crate) marker: String,
}

/// What the markers of a mount begin with.
fn markers(cx: &Context) -> String {
    format!("lessor.{}.", cx.mount.uuid)
}

impl Engine {
    /// The broker that a credential was made on, which need not be the one configured now.
    async fn broker(&self, cx: &Context, uri: &str) -> Result<Box<dyn Broker>> {
        self.brokers.open(&Config::load(cx).await?, uri)
    }
}

async fn build(broker: &dyn Broker, name: &str, plan: &Plan) -> Result<()> {
    let mut tags: Vec<String> = plan.role.tags.split(',').map(str::to_owned).filter(|tag| !tag.is_empty()).collect();
    tags.push(plan.marker.clone());
    broker.put_user(&User { name: name.to_owned(), tags }, &plan.password).await?;
    for (vhost, permissions) in &plan.role.vhosts {
        broker.permit(vhost, name, permissions).await?;
    }
    for (vhost, exchanges) in &plan.role.vhost_topics {
        for (exchange, permissions) in exchanges {
            broker.permit_topic(vhost, exchange, name, permissions).await?;
        }
    }
    Ok(())
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let plan: Plan = grant.read()?;
        let broker = self.broker(cx, &grant.target).await?;
        let found = broker.user(&grant.name).await?;
        if found.is_some_and(|user| !user.tags.contains(&plan.marker)) {
            return Err(Error::invalid(format!(
                "the broker has a user {:?} already: the username template needs (uuid) or (random 20)",
                grant.name
            )));
        }
        build(broker.as_ref(), &grant.name, &plan).await?;
        let data = Map::from_iter([
            ("username".to_owned(), json!(grant.name)),
            ("password".to_owned(), json!(plan.password.expose())),
        ]);
        let kept = Plan { role: Role::default(), password: Secret::default(), ..plan };
        Ok(Credential { grant_data: Some(serde_json::to_value(kept)?), ..Credential::new(data) })
    }

    async fn terms(&self, cx: &Context, grant: &Grant) -> Result<Terms> {
        lease::terms(cx, &grant.read::<Plan>()?.role_name).await
    }

    /// A broker's users have no end of their own.
    async fn renew(&self, _: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let plan: Plan = grant.read()?;
        let broker = self.broker(cx, &grant.target).await?;
        match broker.user(&grant.name).await? {
            Some(user) if user.tags.contains(&plan.marker) => broker.delete_user(&grant.name).await,
            _ => Ok(()),
        }
    }

    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let (config, mine) = (Config::load(cx).await?, markers(cx));
        let users = self.brokers.open(&config, &config.connection_uri)?.users().await?;
        let made = users.into_iter().filter(|user| user.tags.iter().any(|tag| tag.starts_with(&mine)));
        Ok(made.map(|user| MadeObject { target: config.connection_uri.clone(), name: user.name }).collect())
    }

    async fn grant_for(&self, cx: &Context, object: &MadeObject) -> Result<Grant> {
        let user = self.broker(cx, &object.target).await?.user(&object.name).await?;
        let mine = markers(cx);
        let marker = user.and_then(|user| user.tags.into_iter().find(|tag| tag.starts_with(&mine)));
        let plan = Plan {
            role_name: String::new(),
            role: Role::default(),
            password: Secret::default(),
            marker: marker.unwrap_or(mine),
        };
        Ok(Grant {
            target: object.target.clone(),
            name: object.name.clone(),
            data: serde_json::to_value(plan)?,
            revocable: true,
        })
    }

    async fn probe(&self, cx: &Context, target: &str) -> Result<()> {
        self.broker(cx, target).await?.is_let_in().await.map(drop)
    }
}
