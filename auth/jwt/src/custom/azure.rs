//! Microsoft Entra: whoever is in more than two hundred groups has none in their token, but the address where they are
//! (OpenID Connect Core 1.0, section 5.6.2; "groups overage claim").
use super::{AtHand, failed};
use crate::role::Role;
use lessor_engine::{Error, Result};
use lessor_platform_http::{Answer, Ask};
use lessor_signed_token::Claims;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// Hosts of the graph before the present one, which tokens still name, and their successors.
const MOVED: [(&str, &str); 2] =
    [("graph.windows.net", "graph.microsoft.com"), ("graph.microsoftazure.us", "graph.microsoft.us")];
/// Where the person's token may go (<https://learn.microsoft.com/graph/deployments>).
const GRAPHS: [&str; 4] =
    ["graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"];
const VERSION: &str = "/v1.0";

#[derive(Deserialize)]
struct Members {
    value: Vec<Value>,
}

/// The address that the token names for a claim.
fn source(role: &Role, claims: &Claims) -> Result<String> {
    let missing = |what: String| failed(format!("unable to get claim sources: unable to locate {what}"));
    let names = claims.get("_claim_names").and_then(|names| names.get(&role.groups_claim)).and_then(Value::as_str);
    let name = names.ok_or_else(|| missing(format!("groups claim {:?} in _claim_names", role.groups_claim)))?;
    let found = claims.get("_claim_sources").and_then(|sources| sources.get(name));
    let found = found.and_then(|source| source.get("endpoint")).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| missing(format!("/_claim_sources/{name}/endpoint in claims")))
}

/// The same at the present graph. The person's token goes to Microsoft and to nobody else, or to the provider's own host.
fn graph(source: &str, issuer: &str) -> Result<Url> {
    let wrong = || failed(format!("the token names {source:?} as the source of groups, which is no Microsoft Graph"));
    let mut url = Url::parse(source).map_err(|_| wrong())?;
    let host = url.host_str().unwrap_or_default().to_owned();
    if let Some((_, next)) = MOVED.iter().find(|(moved, _)| *moved == host) {
        url.set_host(Some(next)).map_err(|_| wrong())?;
        url.set_path(&format!("{VERSION}{}", url.path()));
    }
    let own = Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == url.origin());
    let known =
        url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(|host| GRAPHS.contains(&host));
    if own || known { Ok(url) } else { Err(wrong()) }
}

/// The groups that the graph tells of.
///
/// # Errors
/// When the token names no source, or the source does not tell.
pub(super) async fn groups(at: &AtHand<'_>, role: &Role, claims: &Claims) -> Result<Value> {
    let url = graph(&source(role, claims)?, at.issuer)?;
    let token = at.access_token.filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| failed("token unavailable to call Microsoft Graph API"))?;
    let body = json!({ "securityEnabledOnly": false }).to_string().into_bytes();
    let ask = Ask::post(url.as_str(), "application/json", body);
    let ask = ask.header("Authorization", format!("Bearer {}", token.expose()));
    let down = |error: &dyn std::fmt::Display| Error::Unavailable(format!("failed to fetch groups: {error}"));
    let answer = at.http.send(ask).await.map_err(|error| down(&error))?;
    if matches!(answer.status, 400..=499) {
        return Err(failed(format!("Microsoft Graph refuses: status {}", answer.status)));
    }
    let members: Members = Answer::ok(answer).and_then(|answer| answer.json()).map_err(|error| down(&error))?;
    Ok(Value::Array(members.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(source: &str) -> Option<String> {
        graph(source, "https://login.example/tenant").ok().map(String::from)
    }

    #[test]
    fn a_persons_token_goes_to_the_graph_and_to_nobody_else() {
        let old = "https://graph.windows.net/t/users/u/getMemberObjects";
        let new = "https://graph.microsoft.com/v1.0/t/users/u/getMemberObjects";
        assert_eq!(address(old).as_deref(), Some(new));
        assert_eq!(address(new).as_deref(), Some(new));
        assert_eq!(
            address("https://graph.microsoftazure.us/t/x").as_deref(),
            Some("https://graph.microsoft.us/v1.0/t/x")
        );
        assert!(address("https://login.example/groups").is_some());
        for wrong in [
            "https://evil.example/x",
            "http://graph.microsoft.com/x",
            "https://graph.microsoft.com.evil.example/x",
            "https://graph.microsoft.com:8443/x",
            "https://graph.microsoft.com@evil.example/x",
            "http://login.example/groups",
            "nonsense",
        ] {
            assert!(address(wrong).is_none(), "{wrong}");
        }
    }
}
