//! Accounts that live as long as a lease.
use crate::Engine;
use crate::creds::{GRACE, terms};
use crate::naming;
use crate::plugin::{GoneUser, NewUser};
use crate::roles::{Role, key};
use async_trait::async_trait;
use lessor_engine::{Context, Credential, Dynamic, Error, Grant, MadeObject, Result, Secret, Terms, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

/// What an intent keeps of an account; a lease keeps it without the password.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) role: String,
    #[serde(with = "hidden", default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Secret>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) creation_statements: Vec<String>,
    /// A snapshot, for when the role is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) revocation_statements: Vec<String>,
    pub(crate) expires: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
    pub(crate) unique: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scram_iterations: Option<u32>,
}

/// Behind the barrier only.
mod hidden {
    use lessor_engine::{Secret, secret::at_rest};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => at_rest::serialize(secret, to),
            None => to.serialize_none(),
        }
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        at_rest::deserialize(from).map(Some)
    }
}

async fn role(cx: &Context, plan: &Plan) -> Result<Option<Role>> {
    cx.view.get(&key(&plan.role)).await
}

async fn needed_role(cx: &Context, plan: &Plan) -> Result<Role> {
    role(cx, plan)
        .await?
        .ok_or_else(|| Error::invalid(format!("error during renew: could not find role with name {:?}", plan.role)))
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let plan: Plan = grant.read()?;
        let password = plan.password.clone().ok_or_else(|| Error::Internal("the plan has no password".into()))?;
        let (_, connection) = self.connection(cx, &grant.target).await?;
        let user = NewUser {
            username: &grant.name,
            password: &password,
            statements: &plan.creation_statements,
            expires: plan.expires,
            marker: plan.marker.as_deref(),
            scram_iterations: plan.scram_iterations,
            unique: plan.unique,
        };
        connection.new_user(&user).await?;
        let data = Map::from_iter([
            ("username".to_owned(), json!(grant.name)),
            ("password".to_owned(), json!(password.expose())),
        ]);
        let kept = Plan { password: None, creation_statements: Vec::new(), ..plan };
        Ok(Credential { grant_data: Some(serde_json::to_value(kept)?), ..Credential::new(data) })
    }

    async fn terms(&self, cx: &Context, grant: &Grant) -> Result<Terms> {
        Ok(terms(&needed_role(cx, &grant.read()?).await?))
    }

    async fn renew(&self, cx: &Context, grant: &Grant, until: Timestamp) -> Result<()> {
        let role = needed_role(cx, &grant.read()?).await?;
        let (_, connection) = self.connection(cx, &grant.target).await?;
        connection.renew_user(&grant.name, &role.renew_statements, until + GRACE).await
    }

    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let plan: Plan = grant.read()?;
        // The role's present statements come first: a wrong one is mended there, and the next attempt takes it.
        let statements = match role(cx, &plan).await? {
            Some(role) => role.revocation_statements,
            None => plan.revocation_statements,
        };
        let (_, connection) = self.connection(cx, &grant.target).await?;
        let user = GoneUser {
            username: &grant.name,
            statements: &statements,
            marker: plan.marker.as_deref(),
            unique: plan.unique,
        };
        connection.delete_user(&user).await
    }

    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let mine = &cx.mount.uuid;
        let marker = naming::marker(mine);
        let mut objects = Vec::new();
        for target in cx.view.list("config/").await? {
            let (_, connection) = self.connection(cx, &target).await?;
            for account in connection.list_users().await? {
                if naming::is_of(mine, &account.username) || account.marker.as_deref() == Some(&marker) {
                    objects.push(MadeObject { target: target.clone(), name: account.username });
                }
            }
        }
        Ok(objects)
    }

    async fn grant_for(&self, cx: &Context, object: &MadeObject) -> Result<Grant> {
        let told = naming::is_of(&cx.mount.uuid, &object.name);
        let plan = Plan {
            role: String::new(),
            password: None,
            creation_statements: Vec::new(),
            revocation_statements: Vec::new(),
            expires: cx.now(),
            marker: (!told).then(|| naming::marker(&cx.mount.uuid)),
            unique: told,
            scram_iterations: None,
        };
        Ok(Grant {
            target: object.target.clone(),
            name: object.name.clone(),
            data: serde_json::to_value(plan)?,
            revocable: true,
        })
    }

    async fn probe(&self, cx: &Context, target: &str) -> Result<()> {
        self.connection(cx, target).await?.1.probe().await
    }
}
