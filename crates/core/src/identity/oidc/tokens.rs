//! Identity tokens: making them, telling whether one is good, and the public keys.
use super::roles::{self, Role};
use super::{issuer, keys, template};
use crate::identity::Open;
use crate::identity::paths::{Endpoints, namespace_id};
use crate::jwt::{ALGORITHMS, Parsed};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("oidc/token/{name}", "Makes a signed token about the caller's entity.", |path| path.read(token))
        .path("oidc/introspect", "Tells whether a token is good.", |path| path.write(introspect))
        .path("oidc/.well-known/keys", "The public keys.", |path| path.read(key_set).open())
        .path("oidc/.well-known/openid-configuration", "What a client needs to know.", |path| {
            path.read(discovery).open()
        })
}

#[derive(Params)]
struct Named {
    /// Name of the role.
    name: String,
}

async fn token(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let unknown = || Error::invalid(format!("role {:?} not found", named.name));
    let role = tx.get::<Role>(&roles::key(&named.name)).await?.ok_or_else(unknown)?;
    let key = open.usable_key(&cx.namespace, &role.key).await?;
    let key = key.ok_or_else(|| Error::invalid(format!("key {:?} not found", role.key)))?;
    if !key.allows(&role.client_id) {
        return Err(Error::invalid(format!(
            "the key {:?} does not list the client ID of the role {:?} as an allowed client ID",
            role.key, named.name
        )));
    }
    if cx.caller.entity_id.is_empty() {
        return Err(Error::invalid("no entity associated with the request's token"));
    }
    let subject = open.subject(&cx.namespace, &cx.caller.entity_id).await?;
    let subject = subject.ok_or_else(|| Error::Forbidden("permission denied".to_owned()))?;
    let now = cx.now();
    let mut claims = template::render(&role.template, &subject, now)?;
    claims.extend(Map::from_iter([
        ("iss".to_owned(), json!(issuer(&open.issuer_base(&mut tx).await?, &cx.namespace))),
        ("sub".to_owned(), json!(subject.id)),
        ("aud".to_owned(), json!(role.client_id)),
        ("iat".to_owned(), json!(now.as_second())),
        ("exp".to_owned(), json!(now.as_second() + i64::try_from(role.ttl).unwrap_or(i64::MAX / 2))),
        ("namespace".to_owned(), json!(namespace_id(&cx.namespace))),
    ]));
    let token = key.signing()?.sign(&claims)?;
    Ok(Reply::data(json!({ "client_id": role.client_id, "token": token, "ttl": role.ttl })))
}

#[derive(Params)]
struct Introspect {
    /// The token.
    #[param(secret)]
    token: lessor_engine::Secret,
    /// Its audience, checked where it is given.
    client_id: String,
}

async fn introspect(at: Arc<Endpoints>, cx: Context, asked: Introspect) -> Result<Reply> {
    let open = at.open()?;
    Ok(match examine(&open, &cx, asked.token.expose(), &asked.client_id).await? {
        Ok(()) => Reply::bare(200, json!({ "active": true })),
        Err(reason) => Reply::bare(200, json!({ "active": false, "error": reason })),
    })
}

/// The inner error is why the token is not good.
async fn examine(open: &Open, cx: &Context, token: &str, client: &str) -> Result<std::result::Result<(), String>> {
    let parsed = match Parsed::parse(token) {
        Ok(parsed) => parsed,
        Err(reason) => return Ok(Err(format!("error parsing token: {reason}"))),
    };
    let mut tx = open.begin(&cx.namespace);
    let now = cx.now();
    let mut signed = false;
    for name in tx.oidc_keys().await? {
        let Some(key) = tx.oidc_key(&name).await? else { continue };
        signed |= key
            .published(now)
            .into_iter()
            .any(|(id, algorithm, public)| id == parsed.key_id && parsed.signed_by(public, algorithm));
    }
    if !signed {
        return Ok(Err("unable to validate the token signature".to_owned()));
    }
    let claim = |name: &str| parsed.claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let invalid = |what: &str| Ok(Err(format!("error validating claims: validation failed, {what}")));
    if claim("iss") != issuer(&open.issuer_base(&mut tx).await?, &cx.namespace) {
        return invalid("invalid issuer claim (iss)");
    }
    if !client.is_empty() && claim("aud") != client {
        return invalid("invalid audience claim (aud)");
    }
    if parsed.claims.get("exp").and_then(Value::as_i64).is_none_or(|end| end <= now.as_second()) {
        return invalid("token is expired (exp)");
    }
    let entity = open.subject(&cx.namespace, claim("sub")).await?;
    Ok(entity.map(|_| ()).ok_or_else(|| "entity was not found or is disabled".to_owned()))
}

async fn key_set(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let roles = open.begin(&cx.namespace).all::<Role>("oidc/role/").await?;
    let names: BTreeSet<String> = roles.into_iter().map(|(_, role)| role.key).collect();
    let names: Vec<String> = names.into_iter().collect();
    Ok(Reply::bare(200, keys::key_set(&open, &cx.namespace, &names).await?))
}

async fn discovery(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let issuer = issuer(&open.issuer_base(&mut open.begin(&cx.namespace)).await?, &cx.namespace);
    Ok(Reply::bare(
        200,
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/keys"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ALGORITHMS,
        }),
    ))
}
