//! Whether a token is one of the tenant's, made for this server, and what it says.
use crate::config::Config;
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http};
use lessor_signed_token::{Claims, Expected, KeySet, Unverified, check};
use serde::Deserialize;
use serde_json::Value;

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

async fn tenant(config: &Config) -> Result<(Discovery, KeySet)> {
    let failed = |why: &dyn std::fmt::Display| Error::Unavailable(format!("the tenant's keys cannot be read: {why}"));
    let http = Http::new("").map_err(|error| failed(&error))?;
    let url = format!("{}/{}/.well-known/openid-configuration", config.directory(), config.tenant_id);
    let answer = http.send(Ask::get(&url)).await.and_then(Answer::ok).map_err(|error| failed(&error))?;
    let discovery: Discovery = answer.json().map_err(|error| failed(&error))?;
    let answer = http.send(Ask::get(&discovery.jwks_uri)).await.and_then(Answer::ok).map_err(|error| failed(&error))?;
    let keys = KeySet::from_jwks(&answer.body).ok_or_else(|| failed(&"the answer is no key set"))?;
    Ok((discovery, keys))
}

/// Believes a token, or not.
///
/// # Errors
/// Why not.
pub(crate) async fn prove(config: &Config, jwt: &Secret, now: i64) -> Result<Proof> {
    let token = Unverified::parse(jwt.expose()).map_err(refused)?;
    let (discovery, keys) = tenant(config).await?;
    let claims = token.verify(&keys).map_err(refused)?;
    let audiences = [config.resource.clone()];
    let issuer = discovery.issuer.as_str();
    if issuer.is_empty() {
        return Err(Error::Unavailable("the tenant does not name its issuer".to_owned()));
    }
    check(&claims, "", &Expected { issuer, audiences: &audiences, ..Expected::default() }, now).map_err(refused)?;
    let subject = text(&claims, "sub").ok_or_else(|| refused("it has no subject (sub)"))?;
    let principal = text(&claims, "oid").ok_or_else(|| refused("it names no object (oid)"))?;
    let groups = claims.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups = groups.filter_map(Value::as_str).map(str::to_owned).collect();
    let place = text(&claims, "xms_az_rid").or_else(|| text(&claims, "xms_mirid"));
    Ok(Proof { subject, principal, groups, place })
}
