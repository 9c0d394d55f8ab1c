//! Logins with a signed request.
use crate::Aws;
use crate::admission::Who;
use crate::config::Config;
use crate::identity::{IamAlias, Identity};
use crate::machine::Place;
use crate::principal::Principal;
use crate::request::Signed;
use crate::role::{AuthType, EC2_INSTANCE, Role};
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
    #[serde(default)]
    inferred: Option<Inferred>,
}

/// The instance whose session logged in.
#[derive(Serialize, Deserialize)]
struct Inferred {
    id: String,
    region: String,
}

impl Aws {
    /// The instance that a role infers from the name of a session.
    async fn inferred(&self, cx: &Context, role: &Role, who: &Who, session: Option<&str>) -> Result<Option<Inferred>> {
        let Some(region) = &role.inferred_region else { return Ok(None) };
        let id = session.ok_or_else(|| Error::invalid(format!("{:?} is no session of an instance", who.arn)))?;
        let place = Place { account: &who.account, region, id };
        let instance = self.running(cx, place).await?;
        self.check(cx, &role.bounds, place, &instance).await?;
        Ok(Some(Inferred { id: instance.id, region: region.clone() }))
    }
}

pub(crate) async fn login(aws: Arc<Aws>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    let (url, body) = (&sent.iam_request_url, &sent.iam_request_body);
    let signed = Signed::parse(&config, &sent.iam_http_request_method, url, body, &sent.iam_request_headers.0)?;
    let caller = sts::ask(&aws.http()?, &config, signed).await?;
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
    let inferred = aws.inferred(&cx, &role, &who, principal.session.as_deref()).await?;
    let (inferred_id, inferred_region) = inferred.as_ref().map_or(("", ""), |found| (&found.id, &found.region));
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
        ("inferred_aws_region", inferred_region),
        ("inferred_entity_id", inferred_id),
        ("inferred_entity_type", if inferred.is_some() { EC2_INSTANCE } else { "" }),
    ]);
    metadata.insert("role_id".to_owned(), role.id.clone());
    let origin = Origin { role: name.clone(), role_id: role.id, who, inferred };
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
        if role.inferred_region.is_some() {
            let none = || Error::invalid("the login inferred no instance: log in again");
            let Inferred { id, region } = self.inferred.as_ref().ok_or_else(none)?;
            aws.running(cx, Place { account: &self.who.account, region, id }).await?;
        }
        Ok(Renewed { token: role.token.settings, same_policies: false, groups: None })
    }
}
