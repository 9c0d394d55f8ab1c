//! Logins, and those with a signed request.
use crate::Aws;
use crate::admission::Who;
use crate::config::Config;
use crate::document::Proof;
use crate::ec2_login;
use crate::identity::{IamAlias, Identity};
use crate::machine::Place;
use crate::nonce::Nonce;
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
    /// Name of the role; without it the principal's own name, or the image that an instance was started from.
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
    /// The identity document of an instance in a signed message, as the metadata service hands it out.
    #[param(secret)]
    pkcs7: Secret,
    /// The identity document of an instance, in base64.
    identity: String,
    /// Its signature by RSA and SHA-256, in base64.
    #[param(secret)]
    signature: Secret,
    /// What only the instance knows. Left out at its first login, one is chosen and told as nonce in the metadata; empty, it
    /// never logs in again.
    #[param(secret)]
    nonce: Option<Secret>,
}

impl LoginParams {
    fn is_iam(&self) -> bool {
        let texts = [&self.iam_http_request_method, &self.iam_request_url];
        texts.iter().any(|text| !text.is_empty())
            || !self.iam_request_body.is_empty()
            || !self.iam_request_headers.0.is_null()
    }
    fn proof(&self) -> Result<Option<Proof<'_>>> {
        let (message, document) = (self.pkcs7.expose(), self.identity.as_str());
        let wrong = |text: &str| Err(Error::invalid(text));
        match (message, document, self.signature.expose()) {
            ("", "", "") => Ok(None),
            ("", "", _) | ("", _, "") => wrong("supplied some of the auth values for the ec2 auth type but not all"),
            ("", document, signature) => Ok(Some(Proof::Signature(document, signature))),
            (message, "", "") => Ok(Some(Proof::Pkcs7(message))),
            _ => wrong(
                "both pkcs7 and a tuple containing the instance identity document and its SHA256 RSA signature is supplied; \
                 provide only one",
            ),
        }
    }
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
    match (sent.proof()?, sent.is_iam()) {
        (Some(_), true) => Err(Error::invalid("supplied auth values for both ec2 and iam auth types")),
        (None, false) => Err(Error::invalid("didn't supply required authentication values")),
        (None, true) => iam(&aws, cx, &sent).await,
        (Some(proof), false) => {
            let nonce = Nonce::parse(sent.nonce.clone())?;
            ec2_login::login(&aws, &cx, &sent.role, proof, nonce).await
        }
    }
}

async fn iam(aws: &Aws, cx: Context, sent: &LoginParams) -> Result<Reply> {
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
