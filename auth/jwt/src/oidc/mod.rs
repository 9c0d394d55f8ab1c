//! Logins over a browser (OpenID Connect Core 1.0, authorization code with PKCE, or an id token by form post).
//!
//! 1. `auth_url` remembers the login under a random state and answers with the provider's address.
//! 2. The browser comes back to the redirect address with that state: to the command line, which asks `callback`, or,
//!    with `form_post`, to `callback` itself, which keeps what was posted for whoever began the login.
//! 3. `callback` fetches the token with the code, checks it, and lets them in.
mod exchange;
mod redirect;
mod state;

use crate::Jwt;
use crate::config::Config;
use crate::login::let_in;
use crate::provider::Discovery;
use crate::role::{Role, RoleType};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_engine::{Context, Error, Params, Reply, Result, Secret};
use serde_json::json;
use state::{Pending, Posted};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct AuthUrlParams {
    /// Name of the role; without it the mount's default role.
    role: String,
    /// Where the browser is sent back to; one of the role's.
    redirect_uri: String,
    /// A secret of whoever begins the login, asked for again at its end.
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
    if sent.redirect_uri.is_empty() {
        return Err(Error::invalid("missing redirect_uri"));
    }
    let role = Role::load(&cx, &name).await?;
    if role.role_type != RoleType::Oidc {
        return Err(Error::invalid("role with jwt role_type is not allowed"));
    }
    // Vault answers so too: the command line says what to do about an empty address.
    if !redirect::allowed(&sent.redirect_uri, role.allowed_redirect_uris.as_deref().unwrap_or_default()) {
        return Ok(Reply::data(json!({ "auth_url": "" })));
    }
    let provider = jwt.providers.get(&cx, &config, None).await?;
    let discovery = oidc(&config, provider.discovery.as_ref())?;
    let pending = Pending::new(name, sent.redirect_uri, sent.client_nonce);
    let state = pending.begin(&cx).await?;
    let state = if config.namespace_in_state && !cx.namespace.is_empty() {
        format!("{state},ns={}", cx.namespace.trim_end_matches('/'))
    } else {
        state
    };
    Ok(Reply::data(json!({ "auth_url": address(&config, discovery, &role, &pending, &state) })))
}

/// The provider's refusal, if it is one.
fn provider_refusal(sent: &CallbackParams) -> Result<()> {
    match (sent.error.as_str(), sent.error_description.as_str()) {
        ("", _) => Ok(()),
        (error, "") => Err(failed(format!("The provider refused: {error}"))),
        (error, description) => Err(failed(format!("The provider refused: {error}: {description}"))),
    }
}

pub(crate) async fn form_post(_: Arc<Jwt>, cx: Context, sent: CallbackParams) -> Result<Reply> {
    provider_refusal(&sent)?;
    let posted = Posted { code: sent.code, id_token: sent.id_token };
    state::keep(&cx, sent.state.expose(), posted).await?;
    Ok(Reply::data(json!({ "state": sent.state.expose() })))
}

pub(crate) async fn callback(jwt: Arc<Jwt>, cx: Context, sent: CallbackParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    // Whatever comes of it, nobody ends this login a second time.
    let pending = state::take(&cx, sent.state.expose()).await?;
    provider_refusal(&sent)?;
    if pending.client_nonce != sent.client_nonce {
        return Err(Error::invalid("invalid client_nonce"));
    }
    let role = Role::load(&cx, &pending.role).await?;
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let provider = jwt.providers.get(&cx, &config, None).await?;
    let discovery = oidc(&config, provider.discovery.as_ref())?;
    // Only a token that came by form post is taken: one out of an address may stand in somebody's history.
    let posted = pending.posted.clone().unwrap_or_default();
    let code = if posted.code.is_empty() { sent.code } else { posted.code };
    let wants_code = config.response_types.is_empty() || config.response_types.iter().any(|one| one == "code");
    let tokens = match (posted.id_token.is_empty(), wants_code) {
        (false, false) => exchange::Tokens { id_token: posted.id_token, access_token: Secret::default() },
        _ if code.is_empty() => return Err(failed("OAuth code parameter not provided.")),
        _ => exchange::fetch(&provider.http, discovery, &config, &pending, &code).await?,
    };
    let login = exchange::Login { cx: &cx, config: &config, discovery, role: &role, nonce: &pending.nonce };
    let claims = login.claims(&jwt, &provider.http, &tokens).await?;
    let_in(&role, &claims)
}
