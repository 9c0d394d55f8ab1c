//! Logins with a signed request.
use crate::Aws;
use crate::admission::Who;
use crate::config::Config;
use crate::identity::{IamAlias, Identity};
use crate::principal::Principal;
use crate::request::Signed;
use crate::role::{AuthType, Role};
use crate::sts;
use lessor_engine::{Alias, Any, Context, Error, Login, Params, Renewed, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;
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
pub(crate) struct Origin {
    role: String,
    role_id: String,
    #[serde(flatten)]
    who: Who,
}

pub(crate) async fn login(aws: Arc<Aws>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    let (url, body) = (&sent.iam_request_url, &sent.iam_request_body);
    let signed = Signed::parse(&config, &sent.iam_http_request_method, url, body, &sent.iam_request_headers.0)?;
    let caller = sts::ask(&config, signed).await?;
    let principal = Principal::caller(&caller.arn);
    let principal =
        principal.ok_or_else(|| Error::invalid(format!("{:?} is neither a user nor a role", caller.arn)))?;
    let name = if sent.role.is_empty() { principal.name.to_lowercase() } else { sent.role.to_lowercase() };
    let role = Role::of_login(&cx, &name, AuthType::Iam).await?;
    let canonical = principal.canonical();
    let who = Who {
        account: caller.account,
        arn: if principal.session.is_some() { canonical.clone() } else { caller.arn.clone() },
        unique_id: caller.user_id.split(':').next().unwrap_or_default().to_owned(),
    };
    if !aws.admits(&cx, &role, &who).await? {
        let text = format!("IAM Principal {:?} does not belong to the role {name:?}", caller.arn);
        return Err(Error::invalid(text));
    }
    let identity = Identity::load(&cx).await?;
    let alias = match identity.iam_alias {
        IamAlias::RoleId => role.id.clone(),
        IamAlias::UniqueId => who.unique_id.clone(),
        IamAlias::CanonicalArn => canonical.clone(),
        IamAlias::FullArn => caller.arn.clone(),
    };
    let (mut metadata, of_alias) = identity.iam_metadata.of([
        ("account_id", &who.account),
        ("auth_type", "iam"),
        ("canonical_arn", &canonical),
        ("client_arn", &caller.arn),
        ("client_user_id", &who.unique_id),
    ]);
    metadata.insert("role_id".to_owned(), role.id.clone());
    let origin = Origin { role: name.clone(), role_id: role.id, who };
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

impl Origin {
    /// What a renewal asks again.
    pub(crate) async fn renew(&self, aws: &Aws, cx: &Context) -> Result<Renewed> {
        let role = Role::of_renewal(cx, &self.role, &self.role_id).await?;
        if !aws.admits(cx, &role, &self.who).await? {
            let arn = &self.who.arn;
            return Err(Error::invalid(format!("IAM Principal {arn:?} does not belong to the role any more")));
        }
        Ok(Renewed { token: role.token.settings, same_policies: false, groups: None })
    }
}
