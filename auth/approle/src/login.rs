//! The login itself, and what a renewal asks again.
use crate::Approle;
use crate::role::{self, Role};
use crate::secret_id::{SecretId, admits};
use async_trait::async_trait;
use lessor_engine::{
    Alias, AuthMethod, Context, Error, Fields, Login, Params, Renewed, Reply, Result, Secret, TokenSettings,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// The role's id.
    role_id: String,
    /// A secret id of the role.
    #[param(secret)]
    secret_id: Secret,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    role_name: String,
}

const WRONG: &str = "invalid role or secret ID";

pub(crate) async fn login(approle: Arc<Approle>, cx: Context, sent: LoginParams) -> Result<Reply> {
    if sent.role_id.is_empty() {
        return Err(Error::invalid("missing role_id"));
    }
    let Some((name, role)) = approle.role_by_id(&cx, &sent.role_id).await? else {
        return Err(Error::invalid(WRONG));
    };
    refuse_elsewhere(&role.secret_id_bound_cidrs, &cx, "role")?;
    let secret_id = if role.bind_secret_id { Some(prove(&approle, &cx, &role, &sent.secret_id).await?) } else { None };
    let token = settings(&role, secret_id.as_ref());
    refuse_token_elsewhere(&token, &cx)?;
    let mut metadata = secret_id.map_or_else(BTreeMap::new, |secret_id| secret_id.metadata);
    metadata.insert("role_name".to_owned(), name.clone());
    Ok(Reply::login(Login {
        alias: Some(Alias { name: role.role_id, metadata: metadata.clone() }),
        metadata,
        token,
        renewal: json!(Origin { role_name: name.clone() }),
        role: name,
        renewable: true,
        ..Login::default()
    }))
}

/// The name of the role that logs in.
pub(crate) async fn role(approle: Arc<Approle>, cx: Context, raw: Fields) -> Option<String> {
    let found = approle.role_by_id(&cx, raw.get("role_id")?.as_str()?).await;
    found.ok().flatten().map(|(name, _)| name)
}

async fn prove(approle: &Approle, cx: &Context, role: &Role, sent: &Secret) -> Result<SecretId> {
    if sent.is_empty() {
        return Err(Error::invalid("missing secret_id"));
    }
    let place = approle.place(cx, role, sent.expose()).await?;
    let check = |secret_id: &SecretId| {
        refuse_elsewhere(&secret_id.cidrs, cx, "secret ID")?;
        refuse_token_elsewhere(&settings(role, Some(secret_id)), cx)
    };
    approle.spend(cx, &place, check).await?.ok_or_else(|| Error::BadCredentials(WRONG.to_owned()))
}

fn settings(role: &Role, secret_id: Option<&SecretId>) -> TokenSettings {
    let mut settings = role.token.settings.clone();
    if let Some(secret_id) = secret_id.filter(|secret_id| !secret_id.token_cidrs.is_empty()) {
        settings.bound_cidrs.clone_from(&secret_id.token_cidrs);
    }
    settings
}

fn refuse_elsewhere(blocks: &[ipnet::IpNet], cx: &Context, of: &str) -> Result<()> {
    let address = cx.connection.address;
    if admits(blocks, address) {
        return Ok(());
    }
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    Err(Error::invalid(format!("source address {address:?} unauthorized by CIDR restrictions on the {of}")))
}

/// A token that could not be used from here would only waste a use of the secret id.
fn refuse_token_elsewhere(token: &TokenSettings, cx: &Context) -> Result<()> {
    if token.admits(cx.connection.address) {
        return Ok(());
    }
    Err(Error::Forbidden("permission denied".to_owned()))
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let role: Option<Role> = cx.view.get(&role::key(&origin.role_name)).await?;
        let role =
            role.ok_or_else(|| Error::invalid(format!("role {} does not exist during renewal", origin.role_name)))?;
        Ok(Renewed { token: role.token.settings, same_policies: false, groups: None })
    }
}
