//! The provider's side of a login: a code becomes tokens, tokens become claims.
use super::failed;
use super::state::Pending;
use crate::Jwt;
use crate::config::Config;
use crate::custom::AtHand;
use crate::login::expected;
use crate::provider::Discovery;
use crate::role::Role;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Context, Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http};
use lessor_signed_token::{Claims, Expected, Unverified, audiences, claims};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the provider hands out.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) id_token: Secret,
    /// Empty where none was handed out.
    pub(super) access_token: Secret,
    /// Empty where none was handed out.
    pub(super) refresh_token: Secret,
}

impl Tokens {
    /// Those that the role hands on, by the names they get as metadata.
    pub(super) fn handed_on(&self, role: &Role) -> BTreeMap<String, String> {
        let token = |name: &String| {
            let text = match name.as_str() {
                "id_token" => &self.id_token,
                "refresh_token" => &self.refresh_token,
                _ => &self.access_token,
            };
            (format!("oauth2_{name}"), text.expose().to_owned())
        };
        role.oauth2_metadata.iter().flatten().map(token).collect()
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<Text>,
    access_token: Option<Text>,
    refresh_token: Option<Text>,
}

#[derive(Deserialize)]
struct Text(#[serde(deserialize_with = "lessor_engine::secret::at_rest::deserialize")] Secret);

/// Why a provider gives no tokens (RFC 6749, section 5.2).
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) error: String,
    pub(super) error_description: String,
}

/// One half of HTTP's basic authentication, encoded as RFC 6749 (2.3.1) wants it.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(super) fn unreachable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("the provider cannot be asked: {error}"))
}

/// A request of this server's own, by its name and password at the provider.
pub(super) fn authenticated<'a>(
    discovery: &Discovery,
    config: &Config,
    url: &'a str,
    pairs: &[(&str, &str)],
) -> Ask<'a> {
    let methods = &discovery.token_endpoint_auth_methods_supported;
    let basic = methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic");
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    if !basic {
        form.append_pair("client_id", &config.client_id).append_pair("client_secret", config.client_secret.expose());
    }
    let mut ask = Ask::post(url, "application/x-www-form-urlencoded", form.finish().into_bytes());
    ask = ask.header("Accept", "application/json");
    if basic {
        let pair = format!("{}:{}", encoded(&config.client_id), encoded(config.client_secret.expose()));
        ask = ask.header("Authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    ask
}

/// The tokens of an answer that gives some.
pub(super) fn tokens(answer: &Answer) -> Result<Tokens> {
    let answer: TokenAnswer = answer.json().map_err(unreachable)?;
    let text = |text: Option<Text>| text.map(|text| text.0).unwrap_or_default();
    let id_token = answer.id_token.ok_or_else(|| failed("No id_token found in response."))?.0;
    Ok(Tokens { id_token, access_token: text(answer.access_token), refresh_token: text(answer.refresh_token) })
}

/// Exchanges the code.
pub(super) async fn fetch(
    http: &Http,
    discovery: &Discovery,
    config: &Config,
    pending: &Pending,
    code: &Secret,
) -> Result<Tokens> {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", &pending.redirect_uri),
        ("code_verifier", pending.verifier.expose()),
    ];
    let ask = authenticated(discovery, config, &discovery.token_endpoint, &pairs);
    let answer = http.send(ask).await.map_err(unreachable)?;
    if answer.status != 200 {
        let refusal: Refusal = answer.json().unwrap_or_default();
        let (status, error, description) = (answer.status, refusal.error, refusal.error_description);
        return Err(failed(format!("Error exchanging oidc code: {error} {description} (status {status})")));
    }
    tokens(&answer)
}

/// All that a provider's token is checked against.
pub(super) struct Login<'a> {
    pub(super) cx: &'a Context,
    pub(super) config: &'a Config,
    pub(super) discovery: &'a Discovery,
    pub(super) role: &'a Role,
    /// `None` where the provider was told none.
    pub(super) nonce: Option<&'a str>,
}

impl Login<'_> {
    /// The claims of the id token, once it is believed, and what the provider says beside it.
    pub(super) async fn claims(&self, jwt: &Jwt, http: &Http, tokens: &Tokens) -> Result<Claims> {
        let refused = |fault: &dyn std::fmt::Display| failed(format!("Error verifying ID token: {fault}"));
        let token = Unverified::parse(tokens.id_token.expose()).map_err(|fault| refused(&fault))?;
        let provider = jwt.providers.get(self.cx, self.config, token.key.as_deref()).await?;
        let rs256 = ["RS256".to_owned()];
        let algorithms = if self.config.algorithms.is_empty() { &rs256[..] } else { &self.config.algorithms };
        let mut claims = token.verify(&provider.keys).map_err(|fault| refused(&fault))?;
        let audience = [self.config.client_id.clone()];
        let expected =
            Expected { issuer: &self.discovery.issuer, audiences: &audience, algorithms, ..expected(self.role) };
        let now = self.cx.now().as_second();
        claims::check(&claims, &token.name, &expected, now).map_err(|fault| refused(&fault))?;
        self.check_rest(&claims, now).map_err(|text| refused(&text))?;
        self.add_userinfo(http, tokens, &mut claims).await?;
        if let Some(custom) = &self.config.custom {
            let (cx, issuer) = (self.cx, self.discovery.issuer.as_str());
            let at = AtHand { jwt, cx, http, issuer, access_token: Some(&tokens.access_token) };
            custom.complete(&at, self.role, &mut claims).await?;
        }
        Ok(claims)
    }
    /// What OpenID Connect adds to a signed token (Core 1.0, section 3.1.3.7).
    fn check_rest(&self, claims: &Claims, now: i64) -> Result<(), String> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if self.nonce.is_some() && text("nonce") != self.nonce {
            return Err("invalid id_token nonce".to_owned());
        }
        if text("azp").is_some_and(|party| party != self.config.client_id) {
            return Err("the token was made for another client (azp)".to_owned());
        }
        let bound = self.role.audiences();
        let audiences = audiences(claims).map_err(|fault| fault.to_string())?;
        if !bound.is_empty() && !audiences.iter().any(|one| bound.iter().any(|known| known == one)) {
            return Err(claims::Fault::Audience.to_string());
        }
        let (max_age, skew) = (i64::try_from(self.role.max_age).unwrap_or(i64::MAX), 60);
        let since = claims.get("auth_time").and_then(Value::as_i64).unwrap_or_default();
        if max_age > 0 && since.saturating_add(max_age).saturating_add(skew) < now {
            return Err("the person has to log in at the provider again (auth_time)".to_owned());
        }
        Ok(())
    }
    /// Adds what the provider tells beside the token. It may not speak of somebody else (section 5.3.2).
    async fn add_userinfo(&self, http: &Http, tokens: &Tokens, claims: &mut Claims) -> Result<()> {
        let url = &self.discovery.userinfo_endpoint;
        if url.is_empty() || tokens.access_token.is_empty() {
            return Ok(());
        }
        let ask = Ask::get(url).header("Authorization", format!("Bearer {}", tokens.access_token.expose()));
        let answer = http.send(ask).await.and_then(lessor_platform_http::Answer::ok).map_err(unreachable)?;
        let more: Claims = answer.json().map_err(unreachable)?;
        if more.get("sub") != claims.get("sub") {
            return Err(failed("Error reading /userinfo endpoint: sub is another than in the ID token"));
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }
}
