//! Protocol only: a stand-in that answers the calls of GitHub's published API and knows tokens of two people.
use super::stand_in::{Asked, StandIn};
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// GitHub; the status of all its answers once it is not 0.
fn github(broken: Arc<AtomicU16>) -> StandIn {
    StandIn::start(move |asked: &Asked| {
        let status = broken.load(Ordering::SeqCst);
        if status != 0 {
            return (status, json!({}));
        }
        let (ours, other) = (json!({ "id": 7, "login": "acme" }), json!({ "id": 8, "login": "acme-fans" }));
        let team =
            |slug: &str, organization: &Value| json!({ "name": slug, "slug": slug, "organization": organization });
        let member = match asked.header("authorization") {
            "Bearer ghp_member" => true,
            "Bearer ghp_stranger" => false,
            "" if asked.path == "/orgs/acme" => return (200, ours),
            _ => return (401, json!({ "message": "Bad credentials" })),
        };
        let (path, page) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        assert!(page.is_empty() || page == "per_page=100&page=1", "{page}");
        match (path, member) {
            ("/user", true) => (200, json!({ "id": 1, "login": "Alice" })),
            ("/user", false) => (200, json!({ "id": 2, "login": "mallory" })),
            ("/user/orgs", true) => (200, json!([other, ours])),
            ("/user/orgs", false) => (200, json!([other])),
            ("/user/teams", _) => (200, json!([team("builders", &ours), team("admins", &other)])),
            _ => (404, json!({})),
        }
    })
}

async fn configured(github: &StandIn) -> Lessor {
    let lessor = enabled("github").await;
    let config = json!({ "organization": "acme", "base_url": format!("{}/", github.address), "token_ttl": "20m" });
    lessor.write("auth/github/config", config).await;
    lessor.write("auth/github/map/teams/builders", json!({ "value": "p,q" })).await;
    lessor.write("auth/github/map/teams/admins", json!({ "value": "everything" })).await;
    lessor.write("auth/github/map/users/alice", json!({ "value": "hers" })).await;
    lessor
}

const LOGIN: &str = "auth/github/login";

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_member_logs_in_and_only_teams_of_the_organisation_count() {
    let broken = Arc::new(AtomicU16::new(0));
    let github = github(Arc::clone(&broken));
    let lessor = configured(&github).await;
    assert_eq!(lessor.read("auth/github/config").await["data"]["organization_id"], 7);
    let answer = lessor.write(LOGIN, json!({ "token": "ghp_member" })).await;
    assert_eq!(answer["auth"]["policies"], json!(["default", "hers", "p", "q"]));
    assert_eq!(answer["auth"]["metadata"], json!({ "org": "acme", "username": "Alice" }));
    lives_and_ends(&lessor, &answer).await;
    for (token, text) in [
        ("ghp_stranger", "user is not part of required org"),
        ("ghp_revoked", "the token is not valid at GitHub"),
        ("", "missing token"),
    ] {
        assert_eq!(refused(&lessor, LOGIN, json!({ "token": token }), 400).await, text);
    }
    let (code, text) = lessor.cli(&["login", "-no-store", "-method=github", "token=ghp_member"]);
    assert!(code == 0 && text.contains("token_meta_org"), "{code} {text}");
    broken.store(502, Ordering::SeqCst);
    let error = refused(&lessor, LOGIN, json!({ "token": "ghp_member" }), 500).await;
    assert!(error.contains("GitHub answers /user with status 502"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_renewal_asks_github_again() {
    let broken = Arc::new(AtomicU16::new(0));
    let github = github(Arc::clone(&broken));
    let lessor = configured(&github).await;
    let answer = lessor.write(LOGIN, json!({ "token": "ghp_member" })).await;
    lessor.write("auth/github/config", json!({ "token_ttl": "5m" })).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(300));
    lessor.write("auth/github/map/users/alice", json!({ "value": "less" })).await;
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("policies have changed, not renewing"));
    broken.store(401, Ordering::SeqCst);
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("the token is not valid at GitHub"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_an_organisation_that_is_not_there_is_told_when_it_is_written() {
    let github = github(Arc::new(AtomicU16::new(0)));
    let lessor = enabled("github").await;
    let error = refused(&lessor, "auth/github/config", json!({}), 400).await;
    assert_eq!(error, "organization is a required parameter");
    let wrong = json!({ "organization": "nobody", "base_url": github.address });
    let error = refused(&lessor, "auth/github/config", wrong, 400).await;
    assert!(error.contains("unable to fetch the organization_id"), "{error}");
    assert_eq!(refused(&lessor, LOGIN, json!({ "token": "x" }), 400).await, "configuration has not been set");
}
