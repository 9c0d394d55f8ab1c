//! The token endpoint and what an access token opens (OpenID Connect Core, 3.1.3 and 5.3). An access token is sealed with
//! a key of the namespace: it needs no storage, and it is no token of the API.
use super::authorize::{Challenge, Code, code_key};
use super::clients::Client;
use super::{oauth_error, template};
use crate::barrier::{Key, decrypt, encrypt};
use crate::identity::Open;
use crate::identity::paths::{Endpoints, namespace_id};
use crate::identity::subject::Subject;
use crate::identity::tx::Tx;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lessor_engine::{Context, Params, Paths, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths.path("oidc/provider/{name}/token", "Exchanges a code for tokens.", |path| path.write(token).open()).path(
        "oidc/provider/{name}/userinfo",
        "Claims about the owner of an access token.",
        |path| path.read(userinfo).write(userinfo).open(),
    )
}

const ACCESS_KEY: &str = "oidc/access-key";

/// What is sealed in an access token.
#[derive(Serialize, Deserialize)]
struct Access {
    provider: String,
    client_id: String,
    entity_id: String,
    scopes: Vec<String>,
    expires: i64,
}

#[derive(Params)]
struct Ask {
    /// Name of the provider.
    name: String,
    /// `authorization_code` or `client_credentials`.
    grant_type: String,
    /// The code.
    #[param(secret)]
    code: Secret,
    /// As it was when the code was asked for.
    redirect_uri: String,
    /// The client, where it is not named by the Authorization header.
    client_id: String,
    /// Its secret, where it is not in the Authorization header.
    #[param(secret)]
    client_secret: Secret,
    /// Proof key.
    #[param(secret)]
    code_verifier: Secret,
    /// For `client_credentials`: `openid`.
    scope: String,
}

fn header<'a>(cx: &'a Context, name: &str) -> Option<&'a str> {
    cx.connection.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Client id and secret of HTTP's basic authentication.
fn basic(cx: &Context) -> Option<(String, Secret)> {
    let encoded = header(cx, "authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), Secret::new(secret)))
}

async fn token(at: Arc<Endpoints>, cx: Context, ask: Ask) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(provider) = tx.oidc_provider(&ask.name).await? else { return Ok(Reply::missing()) };
    let (id, secret) = basic(&cx).unwrap_or_else(|| (ask.client_id.clone(), ask.client_secret.clone()));
    if id.is_empty() {
        return Ok(oauth_error(400, "invalid_request", "client_id parameter is required"));
    }
    let right = |client: &Client| {
        client.public || verify_slices_are_equal(client.secret.expose().as_bytes(), secret.expose().as_bytes()).is_ok()
    };
    let Some(client) = tx.oidc_client(&id).await?.filter(right) else {
        return Ok(oauth_error(401, "invalid_client", "client failed to authenticate"));
    };
    if !provider.allows(&client.client_id) {
        return Ok(oauth_error(400, "invalid_client", "client is not authorized to use the provider"));
    }
    match ask.grant_type.as_str() {
        "authorization_code" => by_code(&open, &cx, tx, &client, &ask).await,
        "client_credentials" if client.client_credentials => by_secret(&open, &cx, tx, &client, &ask).await,
        _ => Ok(oauth_error(400, "unsupported_grant_type", "unsupported grant_type or parameter is empty value")),
    }
}

async fn by_code(open: &Open, cx: &Context, mut tx: Tx, client: &Client, ask: &Ask) -> Result<Reply> {
    if ask.code.is_empty() {
        return Ok(oauth_error(400, "invalid_request", "code parameter is required"));
    }
    let invalid = |text: &str| Ok(oauth_error(400, "invalid_grant", text));
    let key = code_key(ask.code.expose());
    let spent = "authorization grant is invalid or expired";
    let Some(code) = tx.get::<Code>(&key).await? else { return invalid(spent) };
    // Whatever happens next, the code is spent; of two exchanges at the same time one finds it gone.
    let mut once = open.begin(&cx.namespace);
    once.get::<Code>(&key).await?;
    once.delete(&key);
    if !once.commit(&mut 0).await? || code.expires <= cx.now() {
        return invalid(spent);
    }
    if code.client_id != client.client_id || code.provider != ask.name {
        return invalid("code is bound to a different client or provider");
    }
    if ask.redirect_uri != code.redirect_uri {
        return invalid("redirect_uri does not match the redirect_uri used in the authorization request");
    }
    match (&code.challenge, ask.code_verifier.is_empty()) {
        (Some(_), true) => {
            return Ok(oauth_error(400, "invalid_request", "expected code_verifier for token exchange"));
        }
        (None, false) => return Ok(oauth_error(400, "invalid_request", "unexpected code_verifier for token exchange")),
        (Some(challenge), false) if !proves(challenge, ask.code_verifier.expose()) => {
            return invalid("invalid code_verifier for token exchange");
        }
        _ => {}
    }
    let Some(subject) = open.subject(&cx.namespace, &code.entity_id).await? else {
        return invalid("identity entity associated with the request not found or disabled");
    };
    if !tx.assigned(client, &subject).await? {
        return invalid("identity entity not authorized by client assignment");
    }
    let Some(key) = open.usable_key(&cx.namespace, &client.key).await?.filter(|key| key.allows(&client.client_id))
    else {
        return Ok(oauth_error(400, "invalid_client", "client is not authorized to use its key"));
    };
    let signing = key.signing()?;
    let now = cx.now().as_second();
    let access = Access {
        provider: code.provider.clone(),
        client_id: client.client_id.clone(),
        entity_id: subject.id.clone(),
        scopes: code.scopes.clone(),
        expires: now + seconds(client.access_token_ttl),
    };
    let access_token = seal(open, &cx.namespace, &access).await?;
    let Some(mut claims) = scope_claims(&mut tx, &code.scopes, &subject, cx).await? else {
        return Ok(oauth_error(400, "invalid_request", "scopes set the same claim"));
    };
    claims.extend(common(open, &mut tx, client, &ask.name, &subject.id, now).await?);
    claims.insert("at_hash".to_owned(), json!(signing.algorithm.half_hash(&access_token)));
    claims.insert("c_hash".to_owned(), json!(signing.algorithm.half_hash(ask.code.expose())));
    if !code.nonce.is_empty() {
        claims.insert("nonce".to_owned(), json!(code.nonce));
    }
    if code.auth_time > 0 {
        claims.insert("auth_time".to_owned(), json!(code.auth_time));
    }
    let id_token = signing.sign(&claims)?;
    Ok(Reply::bare(
        200,
        json!({
            "access_token": access_token, "expires_in": client.access_token_ttl, "id_token": id_token,
            "token_type": "Bearer",
        }),
    ))
}

async fn by_secret(open: &Open, cx: &Context, mut tx: Tx, client: &Client, ask: &Ask) -> Result<Reply> {
    if client.public {
        return Ok(oauth_error(400, "unauthorized_client", "a public client has no credentials"));
    }
    if !ask.scope.split(' ').any(|scope| scope == "openid") {
        return Ok(oauth_error(400, "invalid_request", "scope parameter must contain the \"openid\" value"));
    }
    let Some(key) = open.usable_key(&cx.namespace, &client.key).await?.filter(|key| key.allows(&client.client_id))
    else {
        return Ok(oauth_error(400, "invalid_client", "client is not authorized to use its key"));
    };
    let now = cx.now().as_second();
    let mut claims = common(open, &mut tx, client, &ask.name, &client.client_id, now).await?;
    claims.insert("jti".to_owned(), json!(crate::mount::entry::uuid()));
    let token = key.signing()?.sign(&claims)?;
    Ok(Reply::bare(200, json!({ "access_token": token, "expires_in": client.id_token_ttl, "token_type": "Bearer" })))
}

fn seconds(ttl: u64) -> i64 {
    i64::try_from(ttl).unwrap_or(i64::MAX / 2)
}

async fn common(
    open: &Open,
    tx: &mut Tx,
    client: &Client,
    provider: &str,
    subject: &str,
    now: i64,
) -> Result<Map<String, Value>> {
    let found = tx.oidc_provider(provider).await?.unwrap_or_default();
    let (_, issuer) = open.provider_issuer(tx, provider, &found).await?;
    Ok(Map::from_iter([
        ("iss".to_owned(), json!(issuer)),
        ("sub".to_owned(), json!(subject)),
        ("aud".to_owned(), json!(client.client_id)),
        ("iat".to_owned(), json!(now)),
        ("exp".to_owned(), json!(now + seconds(client.id_token_ttl))),
        ("namespace".to_owned(), json!(namespace_id(&tx.namespace))),
    ]))
}

/// `None` where two scopes set the same claim.
async fn scope_claims(
    tx: &mut Tx,
    scopes: &[String],
    subject: &Subject,
    cx: &Context,
) -> Result<Option<Map<String, Value>>> {
    let mut claims = Map::new();
    for name in scopes {
        let Some(scope) = tx.oidc_scope(name).await? else { continue };
        for (claim, value) in template::render(&scope.template, subject, cx.now())? {
            if claims.insert(claim, value).is_some() {
                return Ok(None);
            }
        }
    }
    Ok(Some(claims))
}

fn proves(challenge: &Challenge, verifier: &str) -> bool {
    let shown = if challenge.hashed {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
    } else {
        verifier.to_owned()
    };
    verify_slices_are_equal(shown.as_bytes(), challenge.text.as_bytes()).is_ok()
}

async fn access_key(open: &Open, namespace: &str) -> Result<Key> {
    let mut tries = 0;
    loop {
        let mut tx = open.begin(namespace);
        if let Some(text) = tx.get::<String>(ACCESS_KEY).await? {
            let key = hex::decode(text).ok().and_then(|bytes| Key::from_bytes(&bytes));
            return key.ok_or_else(|| lessor_engine::Error::Internal("the key of access tokens is damaged".into()));
        }
        let key = Key::random()?;
        tx.put(ACCESS_KEY, &hex::encode(key.expose()))?;
        if tx.commit(&mut tries).await? {
            return Ok(key);
        }
    }
}

async fn seal(open: &Open, namespace: &str, access: &Access) -> Result<String> {
    let key = access_key(open, namespace).await?;
    let sealed = encrypt(&key, ACCESS_KEY.as_bytes(), &serde_json::to_vec(access)?)?;
    Ok(format!("lvo.{}", URL_SAFE_NO_PAD.encode(sealed)))
}

async fn unseal(open: &Open, cx: &Context, token: &str) -> Result<Option<Access>> {
    let key = access_key(open, &cx.namespace).await?;
    let sealed = token.strip_prefix("lvo.").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let plain = sealed.and_then(|sealed| decrypt(&key, ACCESS_KEY.as_bytes(), &sealed));
    let access: Option<Access> = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
    Ok(access.filter(|access| access.expires > cx.now().as_second()))
}

#[derive(Params)]
struct Named {
    /// Name of the provider.
    name: String,
}

async fn userinfo(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let open = at.open()?;
    let invalid = |text: &str| Ok(oauth_error(401, "invalid_token", text));
    let Some(text) = header(&cx, "authorization").and_then(|header| header.strip_prefix("Bearer ")) else {
        return invalid("access token must be sent as a Bearer token");
    };
    let access = unseal(&open, &cx, text).await?.filter(|access| access.provider == named.name);
    let Some(access) = access else { return invalid("access token is malformed or invalid") };
    let mut tx = open.begin(&cx.namespace);
    let Some(provider) = tx.oidc_provider(&named.name).await? else { return Ok(Reply::missing()) };
    let denied = |text: &str| Ok(oauth_error(403, "access_denied", text));
    let Some(client) = tx.oidc_client(&access.client_id).await? else {
        return denied("client with client_id not found");
    };
    if !provider.allows(&client.client_id) {
        return denied("client is not authorized to use the provider");
    }
    let Some(subject) = open.subject(&cx.namespace, &access.entity_id).await? else {
        return denied("identity entity not found or disabled");
    };
    if !tx.assigned(&client, &subject).await? {
        return denied("identity entity not authorized by client assignment");
    }
    let claims = scope_claims(&mut tx, &access.scopes, &subject, &cx).await?;
    let Some(mut claims) = claims else { return Ok(oauth_error(400, "invalid_request", "scopes set the same claim")) };
    claims.insert("sub".to_owned(), json!(subject.id));
    Ok(Reply::bare(200, claims.into()))
}
