//! Logins with a token that is sent, and what a renewal asks again.
use crate::Jwt;
use crate::config::Config;
use crate::custom::AtHand;
use crate::identity::{check_bound, identity};
use crate::role::{Role, RoleType, key};
use async_trait::async_trait;
use lessor_engine::{Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret};
use lessor_signed_token::{Claims, Expected, Unverified, audiences, claims};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the role; without it the mount's default role.
    role: String,
    /// The signed token.
    #[param(secret)]
    jwt: Secret,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    role: String,
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("error validating token: {error}"))
}

pub(crate) async fn login(jwt: Arc<Jwt>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    let name = config.role_name(&sent.role)?;
    if sent.jwt.is_empty() {
        return Err(Error::invalid("missing token"));
    }
    let role = Role::load(&cx, &name).await?;
    if role.role_type == RoleType::Oidc {
        return Err(Error::invalid("role with oidc role_type is not allowed"));
    }
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let signature = |fault| refused(format!("error verifying token signature: {fault}"));
    let token = Unverified::parse(sent.jwt.expose()).map_err(signature)?;
    let provider = jwt.providers.get(&cx, &config, token.key.as_deref()).await?;
    let claims = token.verify(&provider.keys).map_err(signature)?;
    // What a provider says its name is binds its tokens, unless another name is configured.
    let issuer = provider.discovery.as_ref().map(|discovery| discovery.issuer.as_str());
    let issuer = issuer.filter(|_| config.bound_issuer.is_empty()).unwrap_or(&config.bound_issuer);
    let expected = Expected { issuer, algorithms: &config.algorithms, ..expected(&role) };
    claims::check(&claims, &token.name, &expected, cx.now().as_second()).map_err(refused)?;
    if role.audiences().is_empty() && !audiences(&claims).map_err(refused)?.is_empty() {
        return Err(Error::invalid("audience claim found in JWT but no audiences bound to the role"));
    }
    let mut claims = claims;
    if let Some(custom) = &config.custom {
        let at = AtHand { jwt: &jwt, cx: &cx, http: &provider.http, issuer, access_token: None };
        custom.complete(&at, &role, &mut claims).await?;
    }
    let_in(&role, &Proof { claims, metadata: BTreeMap::new() })
}

/// What the role alone expects.
pub(crate) fn expected(role: &Role) -> Expected<'_> {
    Expected {
        subject: &role.bound_subject,
        audiences: role.audiences(),
        clock_skew: role.clock_skew_leeway,
        expiration: role.expiration_leeway,
        not_before: role.not_before_leeway,
        ..Expected::default()
    }
}

/// Somebody's claims, believed, and what the token's metadata has beside them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Proof {
    pub(crate) claims: Claims,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The last step of both ways: the claims are true; are they those of somebody whom the role lets in?
pub(crate) fn let_in(role: &Role, proof: &Proof) -> Result<Reply> {
    let claims = &proof.claims;
    let who = identity(role, claims)?;
    check_bound(role, claims)?;
    let mut metadata = who.metadata.clone();
    metadata.extend(proof.metadata.clone());
    Ok(Reply::login(Login {
        display_name: who.name.clone(),
        alias: Some(Alias { name: who.name, metadata: who.metadata }),
        groups: who.groups,
        metadata,
        token: role.settings(claims)?,
        renewal: json!(Origin { role: role.name.clone() }),
        role: role.name.clone(),
        renewable: true,
    }))
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let role: Option<Role> = cx.view.get(&key(&origin.role)).await?;
        let gone = || Error::invalid(format!("role {} does not exist during renewal", origin.role));
        let token = role.ok_or_else(gone)?.token.settings;
        Ok(Renewed { token, same_policies: false, groups: None })
    }
}
