//! Whether a token is one of the tenant's, made for this server, and what it says.
use crate::Azure;
use crate::config::Config;
use lessor_engine::{Error, Result, Secret, Timestamp};
use lessor_platform_http::{Answer, Ask};
use lessor_signed_token::{Claims, Expected, KeySet, Unverified, check};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// What the tenant says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// What is proven (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>).
pub(crate) struct Proof {
    pub(crate) subject: String,
    /// Object id of the principal.
    pub(crate) principal: String,
    pub(crate) groups: Vec<String>,
    /// Id of the machine the token was made on, where it says.
    pub(crate) place: Option<String>,
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("error validating token: {why}"))
}

fn text(claims: &Claims, name: &str) -> Option<String> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The tenant, as far as its tokens go.
pub(crate) struct Tenant {
    issuer: String,
    keys: KeySet,
}

/// The tenant, fetched again when this key is not among its.
async fn tenant(azure: &Azure, config: &Config, id: Option<&str>, now: Timestamp) -> Result<Arc<Tenant>> {
    let failed = |why: &dyn std::fmt::Display| Error::Unavailable(format!("the tenant's keys cannot be read: {why}"));
    let url = format!("{}/{}/.well-known/openid-configuration", config.directory(), config.tenant_id);
    let http = azure.http(config).await?;
    let fetch = async {
        let get = async |url: &str| {
            let answer = http.send(Ask::get(url)).await.and_then(Answer::ok);
            answer.map_err(|error| failed(&error))
        };
        let discovery: Discovery = get(&url).await?.json().map_err(|error| failed(&error))?;
        if discovery.issuer.is_empty() {
            return Err(failed(&"it does not name its issuer"));
        }
        let answer = get(&discovery.jwks_uri).await?;
        let keys = KeySet::from_jwks(&answer.body).ok_or_else(|| failed(&"the answer is no key set"))?;
        Ok((Tenant { issuer: discovery.issuer, keys }, answer.fresh))
    };
    azure.tenant.get(&url, now, |tenant| id.is_none_or(|id| tenant.keys.knows(id)), fetch).await
}

/// Believes a token, or not.
///
/// # Errors
/// Why not.
pub(crate) async fn prove(azure: &Azure, config: &Config, jwt: &Secret, now: Timestamp) -> Result<Proof> {
    let token = Unverified::parse(jwt.expose()).map_err(refused)?;
    let tenant = tenant(azure, config, token.key.as_deref(), now).await?;
    let claims = token.verify(&tenant.keys).map_err(refused)?;
    let (audiences, issuer) = ([config.resource.clone()], tenant.issuer.as_str());
    let expected = Expected { issuer, audiences: &audiences, ..Expected::default() };
    check(&claims, &token.name, &expected, now.as_second()).map_err(refused)?;
    let subject = text(&claims, "sub").ok_or_else(|| refused("it has no subject (sub)"))?;
    let principal = text(&claims, "oid").ok_or_else(|| refused("it names no object (oid)"))?;
    let groups = claims.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups = groups.filter_map(Value::as_str).map(str::to_owned).collect();
    let place = text(&claims, "xms_az_rid").or_else(|| text(&claims, "xms_mirid"));
    Ok(Proof { subject, principal, groups, place })
}
