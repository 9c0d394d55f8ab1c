//! The login itself, and what a renewal asks again.
use crate::Gcp;
use crate::account;
use crate::config::Config;
use crate::google::{Account, Google};
use crate::instance;
use crate::names::AliasName;
use crate::proof::{Place, prove};
use crate::role::{Kind, Role};
use async_trait::async_trait;
use lessor_engine::{Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the role.
    role: String,
    /// Token that the service account, or Google for an instance, signed for this role.
    #[param(secret)]
    jwt: Secret,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    role: String,
    role_id: String,
    account: String,
    place: Option<Place>,
}

/// Whether Google still knows whoever it is, within the role's bounds.
async fn admit(google: &Google<'_>, role: &Role, account: &Account, place: Option<&Place>) -> Result<()> {
    match (role.kind, place) {
        (Kind::Iam, place) => account::admit(role, account, place.is_some()),
        (Kind::Gce, Some(place)) => instance::admit(google, role, account, place).await,
        (Kind::Gce, None) => Err(Error::invalid("the token names no instance: ask for it with format=full")),
    }
}

fn metadata(name: &str, kind: Kind, account: &Account, place: Option<&Place>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([
        ("project_id".to_owned(), account.project_id.clone()),
        ("role".to_owned(), name.to_owned()),
        ("service_account_id".to_owned(), account.unique_id.clone()),
        ("service_account_email".to_owned(), account.email.clone()),
    ]);
    if let (Kind::Gce, Some(place)) = (kind, place) {
        metadata.extend(
            [
                ("project_id", place.project_id.clone()),
                ("project_number", place.project_number.to_string()),
                ("zone", place.zone.clone()),
                ("instance_id", place.instance_id.clone()),
                ("instance_name", place.instance_name.clone()),
                ("instance_creation_timestamp", place.instance_creation_timestamp.to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
    }
    metadata
}

pub(crate) async fn login(gcp: Arc<Gcp>, cx: Context, sent: LoginParams) -> Result<Reply> {
    if sent.role.is_empty() {
        return Err(Error::invalid("role is required"));
    }
    if sent.jwt.is_empty() {
        return Err(Error::invalid("jwt is required"));
    }
    let name = sent.role.to_lowercase();
    let role = Role::load(&cx, &name).await?;
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let config = Config::load(&cx).await?;
    let google = Google::open(&gcp, &cx, &config).await?;
    let proof = prove(&google, &sent.role, &role, &sent.jwt, cx.now().as_second()).await?;
    let (account, place) = (proof.account, proof.place);
    admit(&google, &role, &account, place.as_ref()).await?;
    let project =
        place.as_ref().filter(|_| role.kind == Kind::Gce).map_or(&account.project_id, |place| &place.project_id);
    let groups = if role.group_aliases { google.groups(project).await? } else { Vec::new() };
    let metadata = metadata(&name, role.kind, &account, place.as_ref());
    let (alias, kept) = match role.kind {
        Kind::Iam => (config.iam_alias, &config.iam_metadata),
        Kind::Gce => (config.gce_alias, &config.gce_metadata),
    };
    let instance = place.clone().unwrap_or_default();
    let alias = match alias {
        AliasName::Role => role.id.clone(),
        AliasName::Account => account.unique_id.clone(),
        AliasName::Instance => instance.instance_id,
    };
    let display_name = if role.kind == Kind::Iam { account.email } else { instance.instance_name };
    let origin = Origin { role: name.clone(), role_id: role.id, account: account.unique_id, place };
    Ok(Reply::login(Login {
        display_name,
        alias: Some(Alias { name: alias, metadata: kept.of(&metadata) }),
        groups,
        metadata,
        token: role.token.settings,
        renewal: json!(origin),
        renewable: true,
        role: name,
    }))
}

pub(crate) struct Renewal(pub(crate) Arc<Gcp>);

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let gone = || Error::invalid(format!("role {} does not exist during renewal", origin.role));
        let role = Role::load(cx, &origin.role).await.map_err(|error| match error {
            Error::Invalid(_) => gone(),
            other => other,
        })?;
        if role.id != origin.role_id {
            return Err(gone());
        }
        let config = Config::load(cx).await?;
        let google = Google::open(&self.0, cx, &config).await?;
        let account = google.account(&origin.account).await?;
        let account = account.ok_or_else(|| Error::invalid("the service account does not exist any more"))?;
        admit(&google, &role, &account, origin.place.as_ref()).await?;
        Ok(Renewed { token: role.token.settings, same_policies: false, groups: None })
    }
}
