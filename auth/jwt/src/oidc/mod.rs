//! Logins over a browser (OpenID Connect Core 1.0, authorization code with PKCE, or an id token by form post).
//!
//! 1. `auth_url` remembers the login under a random state and answers with the provider's address.
//! 2. The browser comes back to the redirect address with that state: to the command line, which asks `callback`, or,
//!    with `form_post`, to `callback` itself, which keeps what was posted for whoever began the login.
//! 3. `callback` fetches the token with the code, checks it, and lets them in.
//!
//! A role's `callback_mode` has two other ways: `direct.rs`, where the browser comes back to this server, and `device.rs`,
//! where it does not come back at all. In both whoever began the login asks `poll` for the outcome.
mod device;
mod direct;
mod exchange;
mod page;
mod poll;
mod redirect;
mod state;

use crate::Jwt;
use crate::config::Config;
use crate::login::{Proof, let_in};
use crate::provider::Discovery;
use crate::role::{CallbackMode, Role, RoleType};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_engine::{Context, Error, Params, Reply, Result, Secret};
pub(crate) use poll::poll;
use serde_json::json;
use state::{Pending, Posted};
use std::sync::Arc;

/// Seconds between two questions for an outcome, where nobody says otherwise.
const POLL_INTERVAL: u64 = 5;

#[derive(Params)]
pub(crate) struct AuthUrlParams {
    /// Name of the role; without it the mount's default role.
    role: String,
    /// Where the browser is sent back to; one of the role's. The device flow needs none.
    redirect_uri: String,
    /// A secret of whoever begins the login, asked for again at its end; direct and device logins need one.
    #[param(secret)]
    client_nonce: Secret,
}

#[derive(Params)]
pub(crate) struct CallbackParams {
    /// Which login this is.
    #[param(secret)]
    state: Secret,
    /// The provider's code.
    #[param(secret)]
    code: Secret,
    /// The provider's token, where it sends one instead of a code.
    #[param(secret)]
    id_token: Secret,
    /// The secret of auth_url.
    #[param(secret)]
    client_nonce: Secret,
    /// Why the provider refused.
    error: String,
    /// The same in words.
    error_description: String,
    /// Of direct logins: the person was asked.
    confirmation: String,
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("Vault login failed. {why}"))
}

/// Addresses of the provider, where logins over a browser are configured.
fn oidc<'a>(config: &Config, discovery: Option<&'a Discovery>) -> Result<&'a Discovery> {
    discovery
        .filter(|_| !config.client_id.is_empty())
        .ok_or_else(|| Error::invalid("OIDC login is not configured for this mount"))
}

fn address(config: &Config, discovery: &Discovery, role: &Role, pending: &Pending, state: &str) -> String {
    let mut scope = "openid".to_owned();
    for more in role.oidc_scopes.iter().flatten().filter(|scope| *scope != "openid") {
        scope.push(' ');
        scope.push_str(more);
    }
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, pending.verifier.expose().as_bytes()));
    let types = if config.response_types.is_empty() { "code".to_owned() } else { config.response_types.join(" ") };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("client_id", &config.client_id)
        .append_pair("response_type", &types)
        .append_pair("redirect_uri", &pending.redirect_uri)
        .append_pair("scope", &scope)
        .append_pair("state", state)
        .append_pair("nonce", &pending.nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if config.response_mode == "form_post" {
        query.append_pair("response_mode", "form_post");
    }
    if role.max_age > 0 {
        query.append_pair("max_age", &role.max_age.to_string());
    }
    let glue = if discovery.authorization_endpoint.contains('?') { '&' } else { '?' };
    format!("{}{glue}{}", discovery.authorization_endpoint, query.finish())
}

pub(crate) async fn auth_url(jwt: Arc<Jwt>, cx: Context, sent: AuthUrlParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    if config.client_id.is_empty() {
        return Err(Error::invalid("OIDC login is not configured for this mount"));
    }
    let name = config.role_name(&sent.role)?;
    let role = Role::load(&cx, &name).await?;
    if role.role_type != RoleType::Oidc {
        return Err(Error::invalid("role with jwt role_type is not allowed"));
    }
    if role.callback_mode != CallbackMode::Client && sent.client_nonce.is_empty() {
        return Err(Error::invalid("missing client_nonce"));
    }
    let mut pending = Pending::new(name, sent.redirect_uri, sent.client_nonce);
    pending.mode = role.callback_mode;
    pending.requester = cx.connection.address.map(|address| address.to_string()).unwrap_or_default();
    if role.callback_mode == CallbackMode::Device {
        return device::begin(&jwt, &cx, &config, &role, pending).await;
    }
    if pending.redirect_uri.is_empty() {
        return Err(Error::invalid("missing redirect_uri"));
    }
    // Vault answers so too: the command line says what to do about an empty address.
    if !redirect::allowed(&pending.redirect_uri, role.allowed_redirect_uris.as_deref().unwrap_or_default()) {
        return Ok(Reply::data(json!({ "auth_url": "" })));
    }
    let provider = jwt.providers.get(&cx, &config, None).await?;
    let discovery = oidc(&config, provider.discovery.as_ref())?;
    let state = pending.begin(&cx).await?;
    let sent_along = if config.namespace_in_state && !cx.namespace.is_empty() {
        format!("{state},ns={}", cx.namespace.trim_end_matches('/'))
    } else {
        state.clone()
    };
    let mut data = json!({ "auth_url": address(&config, discovery, &role, &pending, &sent_along) });
    if role.callback_mode == CallbackMode::Direct {
        data["state"] = json!(state);
        data["poll_interval"] = json!(interval(&role, 0).to_string());
    }
    Ok(Reply::data(data))
}

/// The role's, the provider's, or the usual one.
fn interval(role: &Role, provider: u64) -> u64 {
    [role.poll_interval, provider].into_iter().find(|seconds| *seconds > 0).unwrap_or(POLL_INTERVAL)
}

/// The provider's refusal, if it is one.
fn provider_refusal(sent: &CallbackParams) -> Result<()> {
    match (sent.error.as_str(), sent.error_description.as_str()) {
        ("", _) => Ok(()),
        (error, "") => Err(failed(format!("The provider refused: {error}"))),
        (error, description) => Err(failed(format!("The provider refused: {error}: {description}"))),
    }
}

pub(crate) async fn form_post(jwt: Arc<Jwt>, cx: Context, sent: CallbackParams) -> Result<Reply> {
    let state = sent.state.clone();
    let found = state::find(&cx, state.expose()).await?;
    if found.pending.mode == CallbackMode::Direct && !sent.error.is_empty() {
        return direct::callback(&jwt, &cx, found, sent).await;
    }
    provider_refusal(&sent)?;
    let posted = Posted { code: sent.code.clone(), id_token: sent.id_token.clone() };
    let pending = state::keep_posted(&cx, state.expose(), posted).await?;
    if pending.mode == CallbackMode::Direct {
        return direct::callback(&jwt, &cx, state::find(&cx, state.expose()).await?, sent).await;
    }
    Ok(Reply::data(json!({ "state": state.expose() })))
}

pub(crate) async fn callback(jwt: Arc<Jwt>, cx: Context, sent: CallbackParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    let found = state::find(&cx, sent.state.expose()).await?;
    match found.pending.mode {
        CallbackMode::Client => {}
        CallbackMode::Direct => return direct::callback(&jwt, &cx, found, sent).await,
        CallbackMode::Device => return Err(state::gone()),
    }
    // Whatever comes of it, nobody ends this login a second time.
    let pending = found.take(&cx).await?;
    provider_refusal(&sent)?;
    if pending.client_nonce != sent.client_nonce {
        return Err(Error::invalid("invalid client_nonce"));
    }
    let role = Role::load(&cx, &pending.role).await?;
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let proof = prove(&jwt, &cx, &config, &role, &pending, sent.code).await?;
    let_in(&role, &proof)
}

/// Who came back with this code, or with what was posted.
async fn prove(
    jwt: &Jwt,
    cx: &Context,
    config: &Config,
    role: &Role,
    pending: &Pending,
    code: Secret,
) -> Result<Proof> {
    let provider = jwt.providers.get(cx, config, None).await?;
    let discovery = oidc(config, provider.discovery.as_ref())?;
    // Only a token that came by form post is taken: one out of an address may stand in somebody's history.
    let posted = pending.posted.clone().unwrap_or_default();
    let code = if posted.code.is_empty() { code } else { posted.code };
    let wants_code = config.response_types.is_empty() || config.response_types.iter().any(|one| one == "code");
    let tokens = match (posted.id_token.is_empty(), wants_code) {
        (false, false) => exchange::Tokens { id_token: posted.id_token, ..exchange::Tokens::default() },
        _ if code.is_empty() => return Err(failed("OAuth code parameter not provided.")),
        _ => exchange::fetch(&provider.http, discovery, config, pending, &code).await?,
    };
    let login = exchange::Login { cx, config, discovery, role, nonce: Some(&pending.nonce) };
    let claims = login.claims(jwt, &provider.http, &tokens).await?;
    Ok(Proof { claims, metadata: tokens.handed_on(role) })
}
