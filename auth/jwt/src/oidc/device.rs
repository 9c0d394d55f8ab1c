//! The device authorization flow (RFC 8628): the person goes to the provider on any device they like, and this server asks
//! the provider for the outcome whenever whoever began the login asks here.
use super::exchange::{self, Refusal, authenticated, unreachable};
use super::poll::{pending, slow_down};
use super::state::{self, Found, Pending};
use super::{failed, interval, oidc};
use crate::Jwt;
use crate::config::Config;
use crate::login::{Proof, let_in};
use crate::role::Role;
use lessor_engine::{Context, Error, Reply, Result, Secret};
use serde::Deserialize;
use serde_json::json;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Shortest time between two questions to the provider, in milliseconds.
const SHORTEST: i64 = 900;

/// What the provider says of a login that begins (section 3.2). Some call addresses `url`.
#[derive(Deserialize)]
struct Begun {
    #[serde(deserialize_with = "lessor_engine::secret::at_rest::deserialize")]
    device_code: Secret,
    #[serde(default)]
    user_code: String,
    #[serde(default, alias = "verification_url")]
    verification_uri: String,
    #[serde(default, alias = "verification_url_complete")]
    verification_uri_complete: String,
    #[serde(default)]
    interval: u64,
}

fn scopes(role: &Role) -> String {
    let more = role.oidc_scopes.iter().flatten().map(String::as_str).filter(|scope| *scope != "openid");
    std::iter::once("openid").chain(more).collect::<Vec<_>>().join(" ")
}

pub(super) async fn begin(
    jwt: &Jwt,
    cx: &Context,
    config: &Config,
    role: &Role,
    mut waiting: Pending,
) -> Result<Reply> {
    let provider = jwt.providers.get(cx, config, None).await?;
    let discovery = oidc(config, provider.discovery.as_ref())?;
    let url = &discovery.device_authorization_endpoint;
    if url.is_empty() {
        return Err(Error::invalid("no device auth endpoint url discovered: the provider has no device flow"));
    }
    // Anybody may come here: the provider is not asked for more logins than may wait.
    state::room(cx).await?;
    // The name is asked for here even of those who prove theirs (section 3.1).
    let scope = scopes(role);
    let ask = authenticated(discovery, config, url, &[("client_id", &config.client_id), ("scope", &scope)]);
    let answer = provider.http.send(ask).await.map_err(unreachable)?;
    if answer.status != 200 {
        let refusal: Refusal = answer.json().unwrap_or_default();
        let (status, error, description) = (answer.status, refusal.error, refusal.error_description);
        return Err(failed(format!("Error authorizing device: {error} {description} (status {status})")));
    }
    let begun: Begun = answer.json().map_err(unreachable)?;
    waiting.device_code = begun.device_code;
    let state = waiting.begin(cx).await?;
    let mut data = json!({ "state": state, "poll_interval": interval(role, begun.interval).to_string() });
    if begun.verification_uri_complete.is_empty() {
        data["auth_url"] = json!(begun.verification_uri);
        data["user_code"] = json!(begun.user_code);
    } else {
        data["auth_url"] = json!(begun.verification_uri_complete);
    }
    Ok(Reply::data(data))
}

pub(super) async fn poll(jwt: &Jwt, cx: &Context, role: &Role, mut found: Found) -> Result<Reply> {
    let config = Config::load(cx).await?;
    let provider = jwt.providers.get(cx, &config, None).await?;
    let discovery = oidc(&config, provider.discovery.as_ref())?;
    let now = cx.now().as_millisecond();
    if now < found.pending.asked.saturating_add(SHORTEST) {
        return Err(slow_down());
    }
    found.pending.asked = now;
    let code = found.pending.device_code.clone();
    let found = found.kept(cx).await?.ok_or_else(slow_down)?;
    let pairs = [("grant_type", GRANT), ("device_code", code.expose()), ("client_id", config.client_id.as_str())];
    let ask = authenticated(discovery, &config, &discovery.token_endpoint, &pairs);
    let answer = provider.http.send(ask).await.map_err(unreachable)?;
    if answer.status == 200 {
        // The provider tells it once. Whoever asks meanwhile may have touched the record.
        found.end(cx).await?;
        let tokens = exchange::tokens(&answer)?;
        let login = exchange::Login { cx, config: &config, discovery, role, nonce: None };
        let claims = login.claims(jwt, &provider.http, &tokens).await?;
        return let_in(role, &Proof { claims, metadata: tokens.handed_on(role) });
    }
    let refusal: Refusal = answer.json().unwrap_or_default();
    match refusal.error.as_str() {
        "authorization_pending" => Err(pending()),
        "slow_down" => Err(slow_down()),
        "" => Err(unreachable(format!("status {}", answer.status))),
        other => {
            let (other, description) = (other.to_owned(), refusal.error_description);
            found.end(cx).await?;
            Err(Error::invalid(format!("authorization failed: {other} {description}").trim_end()))
        }
    }
}
