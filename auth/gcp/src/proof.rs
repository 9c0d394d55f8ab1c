//! Whose signature a login's token carries: Google's, or that of the service account it speaks of.
use crate::google::{Account, Google};
use crate::role::{Kind, Role};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result, Secret};
use lessor_signed_token::{Claims, Expected, KeySet, Unverified, audiences, check};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How Google names itself
/// (<https://cloud.google.com/compute/docs/instances/verifying-instance-identity>).
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Seconds that no token's end lies ahead by more.
const LONGEST: i64 = 3600;

/// What Google says of the instance that asked for the token, in its full form.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) project_id: String,
    pub(crate) project_number: u64,
    pub(crate) zone: String,
    pub(crate) instance_id: String,
    pub(crate) instance_name: String,
    pub(crate) instance_creation_timestamp: i64,
}

/// What is proven: the account, and the instance where Google named one.
pub(crate) struct Proof {
    pub(crate) account: Account,
    pub(crate) place: Option<Place>,
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("error validating token: {why}"))
}

/// The key of this id, if it is one of the account's.
async fn account_key(google: &Google<'_>, account: &str, id: &str) -> Result<KeySet> {
    let key = google.key(account, id).await?.filter(|key| !key.disabled);
    let key = key.ok_or_else(|| refused("it is signed with a key that is none of the account's"))?;
    let pem = STANDARD.decode(&key.public_key_data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let keys = pem.and_then(|pem| KeySet::from_pem(&[pem]));
    keys.ok_or_else(|| Error::Unavailable("the account's key cannot be read".to_owned()))
}

fn check_claims(claims: &Claims, role_name: &str, role: &Role, by_google: bool, now: i64) -> Result<()> {
    // Accounts commonly sign an end and no beginning; how far ahead it may lie is checked below.
    let expected = Expected { not_before: LONGEST, ..Expected::default() };
    check(claims, "", &expected, now).map_err(refused)?;
    let wanted = format!("vault/{role_name}");
    let ends = format!("/{wanted}");
    if !audiences(claims).map_err(refused)?.iter().any(|one| *one == wanted || one.ends_with(&ends)) {
        return Err(refused(format!("invalid audience (aud) claim: it has to be or to end with {wanted:?}")));
    }
    let end = claims.get("exp").and_then(Value::as_i64).ok_or_else(|| refused("it has no expiration time (exp)"))?;
    // Google's tokens always last an hour; the limit is for those who choose.
    let limit = i64::try_from(role.max_jwt_exp).unwrap_or(i64::MAX);
    if !by_google && end > now.saturating_add(limit) {
        let limit = role.max_jwt_exp;
        return Err(Error::invalid(format!("role requires that service account JWTs expire within {limit} seconds")));
    }
    Ok(())
}

/// The instance in the token; what an account signs itself says nothing of instances.
fn place(claims: &Claims, by_google: bool) -> Result<Option<Place>> {
    let named = claims.get("google").and_then(|google| google.get("compute_engine"));
    match named {
        None => Ok(None),
        Some(_) if !by_google => Err(refused("only Google itself speaks of instances")),
        Some(place) => Place::deserialize(place).map(Some).map_err(|_| refused("the instance in it cannot be read")),
    }
}

/// Believes a token for a role, or not. The role is named as the caller did.
///
/// # Errors
/// Why it is not believed.
pub(crate) async fn prove(google: &Google<'_>, name: &str, role: &Role, jwt: &Secret, now: i64) -> Result<Proof> {
    let token = Unverified::parse(jwt.expose()).map_err(refused)?;
    let said = token.claims_unverified().map_err(refused)?;
    let subject = said.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
    let subject = subject.ok_or_else(|| refused("it has no subject (sub)"))?;
    let id = token.key.as_deref().ok_or_else(|| refused("it does not say which key (kid) signed it"))?;
    // Google always names itself as the issuer; a token that only says so finds no key of Google's.
    let by_google = said.get("iss").and_then(Value::as_str).is_some_and(|issuer| ISSUERS.contains(&issuer));
    if role.kind == Kind::Gce && !by_google {
        return Err(refused("instances log in with a token that Google signed"));
    }
    let claims = if by_google {
        token.verify(&*google.keys(id).await?).map_err(refused)?
    } else {
        token.verify(&account_key(google, subject, id).await?).map_err(refused)?
    };
    check_claims(&claims, name, role, by_google, now)?;
    let place = place(&claims, by_google)?;
    let account = google.account(subject).await?;
    let account =
        account.ok_or_else(|| Error::invalid(format!("service account {subject:?} does not exist or is disabled")))?;
    if account.unique_id != subject && account.email != subject {
        return Err(refused("Google knows its subject by another name"));
    }
    Ok(Proof { account, place })
}
