//! The authorization endpoint (OpenID Connect Core, 3.1.2): a logged-in entity gets a code for a client.
use super::clients::Client;
use super::random_text;
use crate::identity::Open;
use crate::identity::paths::Endpoints;
use crate::identity::tx::Tx;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Context, Params, Paths, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths.path("oidc/provider/{name}/authorize", "Gives a code to a client.", |path| path.read(ask).write(ask))
}

const LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Codes that were never used and are removed with each new one.
const SWEPT: usize = 16;

/// What a code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub provider: String,
    pub client_id: String,
    pub entity_id: String,
    pub redirect_uri: String,
    pub nonce: String,
    pub scopes: Vec<String>,
    /// Seconds since 1970; 0 where nobody asked.
    pub auth_time: i64,
    pub challenge: Option<Challenge>,
    pub expires: Timestamp,
}

/// Proof key for code exchange (RFC 7636).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub text: String,
    pub hashed: bool,
}

/// Codes begin with the time they were made, so that old ones stand first.
pub(super) fn code_key(code: &str) -> String {
    format!("oidc/code/{code}")
}

#[derive(Params)]
struct Ask {
    /// Name of the provider.
    name: String,
    /// Scopes separated by spaces; `openid` among them.
    scope: String,
    /// `code`.
    response_type: String,
    /// The client.
    client_id: String,
    /// Where the caller is sent back to.
    redirect_uri: String,
    /// Given back.
    state: String,
    /// Given back in the id token.
    nonce: String,
    /// Seconds since the caller's login at most.
    max_age: Option<i64>,
    /// Proof key.
    code_challenge: String,
    /// `plain` or `S256`.
    #[param(default = "plain")]
    code_challenge_method: String,
    /// Not supported.
    request: String,
    /// Not supported.
    request_uri: String,
}

/// Error and description, for the `400` of this endpoint.
type Refusal = (&'static str, &'static str);

async fn ask(at: Arc<Endpoints>, cx: Context, ask: Ask) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(provider) = tx.oidc_provider(&ask.name).await? else { return Ok(Reply::missing()) };
    let refuse = |(error, description): Refusal, state: &str| {
        Reply::bare(400, json!({ "error": error, "error_description": description, "state": state }))
    };
    if !ask.request.is_empty() {
        return Ok(refuse(("request_not_supported", "request parameter is not supported"), ""));
    }
    if !ask.request_uri.is_empty() {
        return Ok(refuse(("request_uri_not_supported", "request_uri parameter is not supported"), ""));
    }
    if let Err(refusal) = check_form(&ask) {
        return Ok(refuse(refusal, &ask.state));
    }
    let client = match tx.oidc_client(&ask.client_id).await? {
        None => return Ok(refuse(("invalid_client_id", "client with client_id not found"), &ask.state)),
        Some(_) if !provider.allows(&ask.client_id) => {
            return Ok(refuse(("unauthorized_client", "client is not authorized to use the provider"), &ask.state));
        }
        Some(client) => client,
    };
    if let Err(refusal) = check_client(&ask, &client) {
        return Ok(refuse(refusal, &ask.state));
    }
    let challenge = match challenge(&ask) {
        Ok(challenge) => challenge,
        Err(refusal) => return Ok(refuse(refusal, &ask.state)),
    };
    if client.public && challenge.is_none() {
        return Ok(refuse(("invalid_request", "PKCE is required for public clients"), &ask.state));
    }
    let denied = |text: &'static str| Ok(refuse(("access_denied", text), &ask.state));
    let Some(subject) = open.subject(&cx.namespace, &cx.caller.entity_id).await? else {
        return denied("identity entity must be associated with the request");
    };
    if !tx.assigned(&client, &subject).await? {
        return denied("identity entity not authorized by client assignment");
    }
    let auth_time = match ask.max_age {
        None => 0,
        Some(age) => match logged_in(&open, &cx).await? {
            Some(at) if cx.now().as_second() - at <= age => at,
            _ => {
                let text = "active re-authentication is required by max_age";
                return Ok(refuse(("max_age_violation", text), &ask.state));
            }
        },
    };
    let scopes = ask.scope.split(' ').filter(|scope| provider.scopes.iter().any(|known| known == scope));
    let code = Code {
        scopes: scopes.map(str::to_owned).collect(),
        provider: ask.name,
        client_id: ask.client_id,
        entity_id: subject.id.clone(),
        redirect_uri: ask.redirect_uri,
        nonce: ask.nonce,
        auth_time,
        challenge,
        expires: cx.now().saturating_add(LIFETIME).unwrap_or(Timestamp::MAX),
    };
    let text = keep(tx, &code, cx.now()).await?;
    Ok(Reply::bare(200, json!({ "code": text, "state": ask.state })))
}

fn check_form(ask: &Ask) -> Result<(), Refusal> {
    let invalid = |text| Err(("invalid_request", text));
    if !ask.scope.split(' ').any(|scope| scope == "openid") {
        return invalid("scope parameter must contain the \"openid\" value");
    }
    match ask.response_type.as_str() {
        "code" => {}
        "" => return invalid("response_type parameter is required"),
        _ => return Err(("unsupported_response_type", "unsupported response_type value")),
    }
    if ask.client_id.is_empty() {
        return Err(("invalid_client_id", "client_id parameter is required"));
    }
    Ok(())
}

fn check_client(ask: &Ask, client: &Client) -> Result<(), Refusal> {
    if !client.authorization_code {
        return Err(("unauthorized_client", "the client does not use the authorization code flow"));
    }
    if ask.redirect_uri.is_empty() {
        return Err(("invalid_request", "redirect_uri parameter is required"));
    }
    if !client.redirect_uris.iter().any(|known| same_uri(known, &ask.redirect_uri)) {
        return Err(("invalid_redirect_uri", "redirect_uri is not allowed for the client"));
    }
    if ask.max_age.is_some_and(|age| age <= 0) {
        return Err(("invalid_request", "max_age must be greater than zero"));
    }
    Ok(())
}

/// Exactly the same, but for the port of a loopback address (RFC 8252, section 7.3).
fn same_uri(known: &str, asked: &str) -> bool {
    let loopback = |uri: &str| {
        let rest = uri.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (authority, ""),
        };
        let _any = port;
        ["127.0.0.1", "[::1]"].contains(&host).then(|| (host.to_owned(), path.to_owned()))
    };
    known == asked || loopback(known).is_some_and(|known| loopback(asked) == Some(known))
}

fn challenge(ask: &Ask) -> Result<Option<Challenge>, Refusal> {
    if ask.code_challenge.is_empty() {
        return Ok(None);
    }
    let hashed = match ask.code_challenge_method.as_str() {
        "plain" => false,
        "S256" => true,
        _ => return Err(("invalid_request", "invalid code_challenge_method")),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&ask.code_challenge.len()) || !ask.code_challenge.bytes().all(plain) {
        return Err(("invalid_request", "invalid code_challenge"));
    }
    Ok(Some(Challenge { text: ask.code_challenge.clone(), hashed }))
}

/// When the caller's token was made.
async fn logged_in(open: &Open, cx: &Context) -> Result<Option<i64>> {
    let found = open.token_by_accessor(&cx.caller.accessor).await?;
    Ok(found.map(|token| token.created.as_second()))
}

async fn keep(mut tx: Tx, code: &Code, now: Timestamp) -> Result<String> {
    for (old, stored) in tx.first::<Code>("oidc/code/", SWEPT).await? {
        if stored.expires <= now {
            tx.delete(code_key(&old));
        }
    }
    let text = format!("{:012x}{}", now.as_millisecond(), random_text(32));
    tx.put(code_key(&text), code)?;
    // Codes are written once under a fresh key; what was read before does not matter for them.
    tx.commit_writes().await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::same_uri;

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        assert!(same_uri("http://127.0.0.1/cb", "http://127.0.0.1:9000/cb"));
        assert!(same_uri("http://[::1]:80/cb", "http://[::1]:9000/cb"));
        assert!(!same_uri("http://127.0.0.1/cb", "http://127.0.0.1:9000/other"));
        assert!(!same_uri("http://127.0.0.1/cb", "http://127.0.0.1:9000@evil/cb"));
        assert!(!same_uri("https://app/cb", "https://app:444/cb"));
    }
}
