//! Accounts that are made for a lease, and loans of library accounts, on the contract core drives.
use crate::directory::{Action, Care, Depth, Directory, Filter, Query};
use crate::loans::{self, LoanPlan};
use crate::naming::{self, Place};
use crate::roles::{self, Role};
use crate::{Engine, recipes};
use async_trait::async_trait;
use lessor_engine::{
    Changes, Context, Credential, Dynamic, Error, Grant, MadeObject, Result, Secret, Terms, Timestamp,
};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

/// A mount has one directory.
pub(crate) const TARGET: &str = "directory";

/// What an intent keeps of an account; a lease keeps it without what only the creation needs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccountPlan {
    pub(crate) role: String,
    #[serde(with = "hidden", default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Secret>,
    /// Rendered, with the password in it.
    #[serde(with = "hidden", default, skip_serializing_if = "Option::is_none")]
    pub(crate) creation: Option<Secret>,
    #[serde(with = "hidden", default, skip_serializing_if = "Option::is_none")]
    pub(crate) rollback: Option<Secret>,
    /// Rendered when it was issued: the role may change or go.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) deletion: Secret,
    pub(crate) names: Vec<String>,
    /// Whether chance keeps others from bearing its name: what bears it is this account, half made.
    pub(crate) unique: bool,
    /// Whether the directory alone tells that the mount made it.
    pub(crate) told: bool,
    pub(crate) id: String,
}

/// [`Grant::data`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub(crate) enum Plan {
    Account(AccountPlan),
    Loan(LoanPlan),
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

/// That the mount made an account whose name does not tell so.
#[derive(Serialize, Deserialize)]
struct Made {
    id: String,
    username: String,
    dn: String,
}

fn made_key(username: &str) -> String {
    format!("made/{}", hex::encode(username.to_lowercase()))
}

/// Whether an account of that name was made here and is not gone yet.
pub(crate) async fn is_made(cx: &Context, username: &str) -> Result<bool> {
    Ok(cx.view.version(&made_key(username)).await?.is_some())
}

async fn role(cx: &Context, plan: &AccountPlan) -> Result<Role> {
    let role = cx.view.get(&roles::key(&plan.role)).await?;
    role.ok_or_else(|| Error::invalid(format!("could not find role: {:?}", plan.role)))
}

async fn entry_exists(directory: &dyn Directory, dn: &str) -> Result<bool> {
    let query = Query { base: dn, depth: Depth::Base, filter: Filter::Any, attributes: &["1.1"] };
    Ok(!directory.search(&query).await?.is_empty())
}

impl AccountPlan {
    /// Notes that the account is this grant's. One whose name was not drawn must not be somebody else's.
    async fn claim(&self, cx: &Context, directory: &dyn Directory, username: &str) -> Result<()> {
        let made = self.creation.as_ref().map(|text| recipes::records("creation_ldif", text)).transpose()?;
        let added = made.into_iter().flatten().find(|record| matches!(record.action, Action::Add(_)));
        let dn = added.map(|record| record.dn).unwrap_or_default();
        let taken = || Error::refused(format!("there is an account {username:?} already"));
        if !self.unique && !dn.is_empty() && entry_exists(directory, &dn).await? {
            return Err(taken());
        }
        let made = Made { id: self.id.clone(), username: username.to_owned(), dn };
        let key = made_key(username);
        match cx.view.commit(Changes::new().expect(&key, None).put(&key, &made)?).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {
                let known: Option<Made> = cx.view.get(&key).await?;
                if known.is_some_and(|known| known.id == self.id) { Ok(()) } else { Err(taken()) }
            }
            done => done,
        }
    }
    /// Whether there is anything of this grant's to remove.
    async fn is_claimed(&self, cx: &Context, username: &str) -> Result<bool> {
        if self.told {
            return Ok(true);
        }
        let known: Option<Made> = cx.view.get(&made_key(username)).await?;
        // Without a claim the creation was never begun, and whatever bears the name is somebody else's.
        Ok(known.is_some_and(|known| known.id == self.id))
    }
    async fn create(&self, cx: &Context, directory: &dyn Directory, grant: &Grant) -> Result<Credential> {
        let missing = || Error::Internal("the plan of an account has no password".to_owned());
        let password = self.password.as_ref().ok_or_else(missing)?;
        let creation = self.creation.as_ref().ok_or_else(missing)?;
        if !self.told {
            self.claim(cx, directory, &grant.name).await?;
        }
        let care = if self.unique { Care::Repeat } else { Care::Strict };
        directory.apply(&recipes::records("creation_ldif", creation)?, care).await?;
        let data = Map::from_iter([
            ("username".to_owned(), json!(grant.name)),
            ("password".to_owned(), json!(password.expose())),
            ("distinguished_names".to_owned(), json!(self.names)),
        ]);
        let kept = Self { password: None, creation: None, rollback: None, ..self.clone() };
        let kept = serde_json::to_value(Plan::Account(kept))?;
        Ok(Credential { grant_data: Some(kept), ..Credential::new(data) })
    }
    async fn revoke(&self, cx: &Context, directory: &dyn Directory, username: &str) -> Result<()> {
        if !self.is_claimed(cx, username).await? {
            return Ok(());
        }
        let deletion = recipes::records("deletion_ldif", &self.deletion)?;
        match &self.rollback {
            // Only a creation that was not finished has one left.
            Some(rollback) => {
                directory.apply(&recipes::records("rollback_ldif", rollback)?, Care::Removal).await?;
                if self.is_left(directory).await? {
                    directory.apply(&deletion, Care::Removal).await?;
                }
            }
            None => directory.apply(&deletion, Care::Removal).await?,
        }
        if self.told { Ok(()) } else { cx.view.delete(&made_key(username)).await }
    }
    /// Whether an entry that the creation adds is there.
    async fn is_left(&self, directory: &dyn Directory) -> Result<bool> {
        let Some(creation) = &self.creation else { return Ok(true) };
        for record in recipes::records("creation_ldif", creation)? {
            if matches!(record.action, Action::Add(_)) && entry_exists(directory, &record.dn).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn places(cx: &Context) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for name in cx.view.list("place/").await? {
        places.extend(cx.view.get::<Place>(&format!("place/{name}")).await?);
    }
    Ok(places)
}

async fn claims(cx: &Context) -> Result<Vec<Made>> {
    let mut claims = Vec::new();
    for name in cx.view.list("made/").await? {
        let found: Option<(Made, Version)> = cx.view.get_versioned(&format!("made/{name}")).await?;
        claims.extend(found.map(|(made, _)| made));
    }
    Ok(claims)
}

fn object(name: &str) -> MadeObject {
    MadeObject { target: TARGET.to_owned(), name: name.to_owned() }
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        match grant.read()? {
            Plan::Account(plan) => {
                let (_, directory) = self.directory(cx).await?;
                plan.create(cx, directory.as_ref(), grant).await
            }
            Plan::Loan(plan) => loans::create(cx, &plan, &grant.name).await,
        }
    }

    async fn terms(&self, cx: &Context, grant: &Grant) -> Result<Terms> {
        match grant.read()? {
            Plan::Account(plan) => Ok(role(cx, &plan).await?.terms()),
            Plan::Loan(plan) => loans::terms(cx, &plan).await,
        }
    }

    async fn renew(&self, cx: &Context, grant: &Grant, _: Timestamp) -> Result<()> {
        match grant.read()? {
            Plan::Account(plan) => role(cx, &plan).await.map(drop),
            Plan::Loan(plan) => loans::renew(cx, &plan, &grant.name).await,
        }
    }

    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        match grant.read()? {
            Plan::Account(plan) => {
                let (_, directory) = self.directory(cx).await?;
                plan.revoke(cx, directory.as_ref(), &grant.name).await
            }
            Plan::Loan(plan) => loans::revoke(self, cx, &plan, &grant.name).await,
        }
    }

    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let mut objects: Vec<MadeObject> = loans::held(cx).await?.iter().map(|loan| object(&loan.id)).collect();
        let (places, claims) = (places(cx).await?, claims(cx).await?);
        if places.is_empty() && claims.is_empty() {
            return Ok(objects);
        }
        let (_, directory) = self.directory(cx).await?;
        for place in places {
            let attribute = place.attribute().to_lowercase();
            let query = Query {
                base: &place.parent,
                depth: Depth::Children,
                filter: Filter::Any,
                attributes: &[place.attribute()],
            };
            for entry in directory.search(&query).await? {
                let values = entry.attributes.get(&attribute).map(Vec::as_slice).unwrap_or_default();
                let name = values.iter().filter_map(|value| place.name_in(value));
                objects.extend(name.filter(|name| naming::is_of(&cx.mount.uuid, name)).map(object));
            }
        }
        for made in claims {
            if made.dn.is_empty() || entry_exists(directory.as_ref(), &made.dn).await? {
                objects.push(object(&made.username));
            }
        }
        objects.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        objects.dedup_by(|one, other| one.name == other.name);
        Ok(objects)
    }

    async fn grant_for(&self, cx: &Context, object: &MadeObject) -> Result<Grant> {
        let grant = |data| Grant { target: TARGET.to_owned(), name: object.name.clone(), data, revocable: true };
        if let Some(loan) = loans::held(cx).await?.into_iter().find(|loan| loan.id == object.name) {
            return Ok(grant(serde_json::to_value(Plan::Loan(loan.plan()))?));
        }
        let made: Option<Made> = cx.view.get(&made_key(&object.name)).await?;
        let dn = match &made {
            Some(made) => made.dn.clone(),
            None => {
                let (_, directory) = self.directory(cx).await?;
                let mut dn = String::new();
                for place in places(cx).await? {
                    let at = place.dn(&object.name);
                    if entry_exists(directory.as_ref(), &at).await? {
                        dn = at;
                    }
                }
                dn
            }
        };
        let plan = AccountPlan {
            role: String::new(),
            password: None,
            creation: None,
            rollback: None,
            deletion: Secret::new(format!("dn:: {}\nchangetype: delete\n", base64_of(&dn))),
            names: vec![dn],
            unique: false,
            told: made.is_none(),
            id: made.map(|made| made.id).unwrap_or_default(),
        };
        Ok(grant(serde_json::to_value(Plan::Account(plan))?))
    }

    async fn probe(&self, cx: &Context, _: &str) -> Result<()> {
        let (_, directory) = self.directory(cx).await?;
        let query = Query { base: "", depth: Depth::Base, filter: Filter::Any, attributes: &["1.1"] };
        directory.search(&query).await.map(drop)
    }
}

fn base64_of(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}
