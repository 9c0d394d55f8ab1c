//! `role/<name>/secret-id…`: making, looking up and destroying secret ids.
use crate::role::{self, Role};
use crate::roles::{At, uses};
use crate::secret_id::{SecretId, within};
use crate::{Approle, hash, is_conflict, secret_id, tidy};
use base64::{Engine, prelude::BASE64_STANDARD};
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, Seconds, Secret};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
struct New {
    /// Name of the role, in lower case.
    role_name: String,
    #[param(flatten)]
    wanted: Wanted,
}

#[derive(Params)]
struct Custom {
    /// Name of the role, in lower case.
    role_name: String,
    /// The secret id to take.
    #[param(secret)]
    secret_id: Secret,
    #[param(flatten)]
    wanted: Wanted,
}

#[derive(Params)]
struct Wanted {
    /// A JSON object of texts that the tokens carry, as a string.
    metadata: String,
    /// Address blocks that may log in with it, within the role's.
    cidr_list: CommaList,
    /// Address blocks of its tokens, within the role's.
    token_bound_cidrs: CommaList,
    /// Logins with it, at most the role's secret_id_num_uses.
    num_uses: Option<i64>,
    /// Its lifetime, at most the role's secret_id_ttl.
    ttl: Option<Seconds>,
}

#[derive(Params)]
struct BySecretId {
    /// Name of the role, in lower case.
    role_name: String,
    /// The secret id.
    #[param(secret)]
    secret_id: Secret,
}

#[derive(Params)]
struct ByAccessor {
    /// Name of the role, in lower case.
    role_name: String,
    /// The accessor of the secret id.
    secret_id_accessor: String,
}

pub(crate) fn add(paths: Paths<Approle>) -> Paths<Approle> {
    paths
        .path("role/{role_name}/secret-id", "Makes a secret id, or lists the accessors.", |path| {
            path.write(make).list(list)
        })
        .path("role/{role_name}/custom-secret-id", "Takes a secret id of the caller's choice.", |path| path.write(take))
        .path("role/{role_name}/secret-id/lookup", "Tells about a secret id.", |path| path.write(lookup))
        .path("role/{role_name}/secret-id/destroy", "Ends a secret id.", |path| path.write(destroy).delete(destroy))
        .path("role/{role_name}/secret-id-accessor/lookup", "Tells about a secret id by its accessor.", |path| {
            path.write(lookup_accessor)
        })
        .path("role/{role_name}/secret-id-accessor/destroy", "Ends a secret id by its accessor.", |path| {
            path.write(destroy_accessor).delete(destroy_accessor)
        })
}

async fn list(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    let (role, _) = approle.role_versioned(&cx, &role::name(&at.role_name)?).await?;
    Ok(Reply::list(cx.view.list(&secret_id::accessors(&role.id)).await?))
}

async fn make(approle: Arc<Approle>, cx: Context, sent: New) -> Result<Reply> {
    let name = role::name(&sent.role_name)?;
    made(&approle, &cx, &name, &Secret::new(hash::uuid()?), &sent.wanted).await
}

async fn take(approle: Arc<Approle>, cx: Context, sent: Custom) -> Result<Reply> {
    let name = role::name(&sent.role_name)?;
    if sent.secret_id.is_empty() {
        return Err(Error::invalid("missing secret_id"));
    }
    made(&approle, &cx, &name, &sent.secret_id, &sent.wanted).await
}

async fn made(approle: &Approle, cx: &Context, name: &str, text: &Secret, wanted: &Wanted) -> Result<Reply> {
    tidy::sweep_now_and_then(approle, cx).await;
    loop {
        let (role, version) = approle.role_versioned(cx, name).await?;
        if !role.bind_secret_id {
            return Err(Error::invalid("bind_secret_id is not set on the role"));
        }
        let new = planned(cx, &role, wanted)?;
        let place = approle.place(cx, &role, text.expose()).await?;
        if approle.find(cx, &place).await?.is_some() {
            return Err(Error::invalid("failed to store secret_id: SecretID is already registered"));
        }
        // One that is over and not yet cleared away would be in the way.
        approle.end(cx, &place).await?;
        match approle.keep(cx, (name, version), &place, &new).await {
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error),
            Ok(()) => {
                let mut reply = Reply::data(json!({
                    "secret_id": text.expose(),
                    "secret_id_accessor": new.accessor,
                    "secret_id_num_uses": new.num_uses,
                    "secret_id_ttl": new.ttl,
                }));
                reply.wrapped_accessor = Some(new.accessor);
                return Ok(reply);
            }
        }
    }
}

fn planned(cx: &Context, role: &Role, wanted: &Wanted) -> Result<SecretId> {
    let limit = role.secret_id_num_uses;
    let num_uses = wanted.num_uses.map_or(Ok(limit), |sent| uses(sent, "num_uses"))?;
    if limit > 0 && (num_uses == 0 || num_uses > limit) {
        return Err(Error::invalid("num_uses cannot be higher than the role's secret_id_num_uses"));
    }
    let longest = role.secret_id_ttl;
    let ttl = wanted.ttl.map_or(longest, |sent| sent.0);
    if longest > 0 && (ttl == 0 || ttl > longest) {
        return Err(Error::invalid("ttl cannot be longer than the role's secret_id_ttl"));
    }
    let ttl = ttl.min(cx.mount.max_ttl.as_secs());
    let cidrs = role::blocks(&wanted.cidr_list, "CIDR blocks")?;
    within(&role.secret_id_bound_cidrs, &cidrs)?;
    let token_cidrs = role::blocks(&wanted.token_bound_cidrs, "token CIDR blocks")?;
    within(&role.token.settings.bound_cidrs, &token_cidrs)?;
    let now = cx.now();
    Ok(SecretId {
        accessor: hash::uuid()?,
        num_uses,
        ttl,
        created: now,
        updated: now,
        expires: (ttl > 0).then(|| now + std::time::Duration::from_secs(ttl)),
        metadata: metadata(&wanted.metadata)?,
        cidrs,
        token_cidrs,
    })
}

/// A JSON object of texts, the same in base64, or `k=v,k=v`.
fn metadata(text: &str) -> Result<BTreeMap<String, String>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    if let Ok(map) = serde_json::from_str(text) {
        return Ok(map);
    }
    if let Ok(bytes) = BASE64_STANDARD.decode(text)
        && let Ok(map) = serde_json::from_slice(&bytes)
    {
        return Ok(map);
    }
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').filter(|_| !pair.contains(['{', '}']))?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    let map: Option<_> = text.split(',').map(pair).collect();
    map.ok_or_else(|| {
        Error::invalid(
            "failed to parse metadata: failed to parse the input: invalid <key,value> format: \
             use a JSON object of strings",
        )
    })
}

async fn lookup(approle: Arc<Approle>, cx: Context, sent: BySecretId) -> Result<Reply> {
    let (role, place) = by_secret_id(&approle, &cx, &sent).await?;
    drop(role);
    let found = approle.find(&cx, &place).await?;
    Ok(found.map_or_else(Reply::empty, |found| Reply::data(found.show())))
}

async fn destroy(approle: Arc<Approle>, cx: Context, sent: BySecretId) -> Result<Reply> {
    let (_, place) = by_secret_id(&approle, &cx, &sent).await?;
    approle.end(&cx, &place).await?;
    Ok(Reply::empty())
}

async fn by_secret_id(approle: &Approle, cx: &Context, sent: &BySecretId) -> Result<(Role, secret_id::Place)> {
    if sent.secret_id.is_empty() {
        return Err(Error::invalid("missing secret_id"));
    }
    let (role, _) = approle.role_versioned(cx, &role::name(&sent.role_name)?).await?;
    let place = approle.place(cx, &role, sent.secret_id.expose()).await?;
    Ok((role, place))
}

async fn lookup_accessor(approle: Arc<Approle>, cx: Context, sent: ByAccessor) -> Result<Reply> {
    let place = by_accessor(&approle, &cx, &sent).await?;
    let found = approle.find(&cx, &place).await?.ok_or_else(|| unknown_accessor(&sent.secret_id_accessor))?;
    Ok(Reply::data(found.show()))
}

async fn destroy_accessor(approle: Arc<Approle>, cx: Context, sent: ByAccessor) -> Result<Reply> {
    let place = by_accessor(&approle, &cx, &sent).await?;
    approle.end(&cx, &place).await?;
    Ok(Reply::empty())
}

async fn by_accessor(approle: &Approle, cx: &Context, sent: &ByAccessor) -> Result<secret_id::Place> {
    if sent.secret_id_accessor.is_empty() {
        return Err(Error::invalid("missing secret_id_accessor"));
    }
    let (role, _) = approle.role_versioned(cx, &role::name(&sent.role_name)?).await?;
    let place = approle.place_of_accessor(cx, &role, &sent.secret_id_accessor).await?;
    place.ok_or_else(|| unknown_accessor(&sent.secret_id_accessor))
}

fn unknown_accessor(accessor: &str) -> Error {
    Error::NotFound(format!("failed to find accessor entry for secret_id_accessor: {accessor:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_json_or_base64_of_it_or_pairs() {
        let expected = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
        for text in ["{\"team\":\"web\"}", "eyJ0ZWFtIjoid2ViIn0=", "team=web"] {
            assert_eq!(metadata(text).unwrap(), expected, "{text}");
        }
        assert!(metadata("{}").unwrap().is_empty() && metadata("").unwrap().is_empty());
        assert!(metadata("nope").is_err() && metadata("{\"a\":{}}").is_err());
    }
}
