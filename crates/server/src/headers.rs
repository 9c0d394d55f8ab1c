//! The headers of a request that mean something.
use hyper::HeaderMap;
use lessor_core::response::Response;
use lessor_engine::{Secret, duration};
use std::time::Duration;

/// A header's text; empty is absent.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "))
}

/// `X-Vault-Token`, or the bearer of `Authorization`.
///
/// # Errors
/// The answer (431) to a token that is too long.
pub fn token(headers: &HeaderMap, limit: Option<usize>) -> Result<Option<Secret>, Response> {
    let token = text(headers, "x-vault-token").or_else(|| bearer(headers));
    if let (Some(token), Some(limit)) = (token, limit)
        && token.len() > limit
    {
        return Err(Response::error(431, format!("the token is longer than {limit} bytes (max_token_header_size)")));
    }
    Ok(token.map(Secret::new))
}

/// Every header but those that hold the token. Access tokens of the OpenID Connect provider begin with `lvo.` and are
/// for `userinfo` alone.
pub fn handed_on(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = text(headers, "x-vault-token");
    let is_token = |bearer: &str| named.map_or(!bearer.starts_with("lvo."), |named| named == bearer);
    let own = bearer(headers).is_some_and(is_token);
    let ours = |name: &str| name == "x-vault-token" || (name == "authorization" && own);
    let others = headers.iter().filter(|(name, _)| !ours(name.as_str()));
    others.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// `X-Vault-Namespace`, normalised: empty for the root, else with a trailing slash. Whether there is such a namespace is
/// core's business.
pub fn namespace(headers: &HeaderMap) -> String {
    match text(headers, "x-vault-namespace").unwrap_or_default().trim_matches('/') {
        "" | "root" => String::new(),
        namespace => format!("{namespace}/"),
    }
}

/// `X-Vault-Wrap-TTL`.
///
/// # Errors
/// The answer to one that cannot be read.
pub fn wrap_ttl(headers: &HeaderMap) -> Result<Option<Duration>, Response> {
    let Some(value) = text(headers, "x-vault-wrap-ttl") else { return Ok(None) };
    let ttl = duration::parse(value)
        .map_err(|error| Response::error(400, format!("error parsing X-Vault-Wrap-TTL header: {error}")))?;
    Ok((!ttl.is_zero()).then_some(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_hold_the_token_are_not_handed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("X-Vault-Token", "t".parse().unwrap());
        headers.insert("Authorization", "Bearer t".parse().unwrap());
        headers.insert("X-Other", "o".parse().unwrap());
        assert_eq!(handed_on(&headers), [("x-other".to_owned(), "o".to_owned())]);
        headers.insert("Authorization", "Negotiate abc".parse().unwrap());
        assert_eq!(handed_on(&headers).len(), 2);
    }
}
