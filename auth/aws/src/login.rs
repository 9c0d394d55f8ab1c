//! The login itself, and what a renewal asks again.
use crate::Aws;
use crate::config::Config;
use crate::identity::{IamAlias, Identity};
use crate::principal::Principal;
use crate::request::Signed;
use crate::roles::{Role, key};
use crate::sts;
use async_trait::async_trait;
use lessor_engine::{Alias, Any, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the role; without it the principal's own name.
    role: String,
    /// How the request was signed: POST or GET.
    iam_http_request_method: String,
    /// The address it was signed for, in base64.
    iam_request_url: String,
    /// Its body, in base64.
    #[param(secret)]
    iam_request_body: Secret,
    /// Its headers, as an object or as one in JSON and base64.
    #[param(secret)]
    iam_request_headers: Any,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    role: String,
    role_id: String,
    account: String,
    arn: String,
}

pub(crate) async fn login(_: Arc<Aws>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    let (url, body) = (&sent.iam_request_url, &sent.iam_request_body);
    let signed = Signed::parse(&config, &sent.iam_http_request_method, url, body, &sent.iam_request_headers.0)?;
    let caller = sts::ask(&config, signed).await?;
    let principal = Principal::caller(&caller.arn);
    let principal =
        principal.ok_or_else(|| Error::invalid(format!("{:?} is neither a user nor a role", caller.arn)))?;
    let name = if sent.role.is_empty() { principal.name.to_lowercase() } else { sent.role.to_lowercase() };
    let role: Option<Role> = cx.view.get(&key(&name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("entry for role {name} not found")))?;
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let canonical = principal.canonical();
    // That of a user has its path, that of a session has not.
    let named = if principal.session.is_some() { canonical.clone() } else { caller.arn.clone() };
    if !role.admits(&caller.account, &named) {
        let text = format!("IAM Principal {:?} does not belong to the role {name:?}", caller.arn);
        return Err(Error::invalid(text));
    }
    let unique_id = caller.user_id.split(':').next().unwrap_or_default().to_owned();
    let identity = Identity::load(&cx).await?;
    let alias = match identity.iam_alias {
        IamAlias::RoleId => role.id.clone(),
        IamAlias::UniqueId => unique_id.clone(),
        IamAlias::CanonicalArn => canonical.clone(),
        IamAlias::FullArn => caller.arn.clone(),
    };
    let (mut metadata, of_alias) = identity.iam_metadata.of([
        ("account_id", &caller.account),
        ("auth_type", "iam"),
        ("canonical_arn", &canonical),
        ("client_arn", &caller.arn),
        ("client_user_id", &unique_id),
    ]);
    metadata.insert("role_id".to_owned(), role.id.clone());
    let origin = Origin { role: name.clone(), role_id: role.id, account: caller.account, arn: named };
    Ok(Reply::login(Login {
        display_name: principal.name,
        alias: Some(Alias { name: alias, metadata: of_alias }),
        groups: Vec::new(),
        metadata,
        token: role.token.settings,
        renewal: json!(origin),
        renewable: true,
        role: name,
    }))
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let role: Option<Role> = cx.view.get(&key(&origin.role)).await?;
        let gone = || Error::invalid(format!("role {} does not exist during renewal", origin.role));
        let role = role.filter(|role| role.id == origin.role_id).ok_or_else(gone)?;
        if !role.admits(&origin.account, &origin.arn) {
            return Err(Error::invalid(format!("IAM Principal {:?} does not belong to the role any more", origin.arn)));
        }
        Ok(Renewed { token: role.token.settings, same_policies: false, groups: None })
    }
}
