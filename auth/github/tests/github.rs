//! Protocol only: the mount alone, against a stand-in for GitHub's REST API.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../../../tests/end_to_end/auth_remote/stand_in.rs"]
mod stand_in;
#[path = "../../support.rs"]
mod support;

use lessor_auth_github::GithubFactory;
use serde_json::{Value, json};
use stand_in::{Asked, StandIn};
use support::Method;

fn answer(asked: &Asked) -> (u16, Value) {
    if asked.path == "/orgs/acme" {
        return (200, json!({ "id": 7 }));
    }
    if asked.header("authorization") != "Bearer good" {
        return (401, json!({ "message": "Bad credentials" }));
    }
    match asked.path.split('?').next().unwrap() {
        "/user" => (200, json!({ "login": "Jane" })),
        "/user/orgs" => (200, json!([{ "id": 7 }, { "id": 8 }])),
        "/user/teams" => {
            let team =
                |name: &str, slug: &str, id: i64| json!({ "name": name, "slug": slug, "organization": { "id": id } });
            (200, json!([team("Dev Ops", "dev-ops", 7), team("Admins", "admins", 8)]))
        }
        _ => (404, json!({})),
    }
}

async fn mount() -> (Method, StandIn) {
    let (method, github) = (Method::new(&GithubFactory), StandIn::start(answer));
    method.write("config", json!({ "organization": "acme", "base_url": github.address })).await;
    (method, github)
}

#[tokio::test]
async fn protocol_only_a_member_gets_the_policies_of_teams_of_the_organisation_alone() {
    let (method, _github) = mount().await;
    assert_eq!(method.read("config").await["organization_id"], 7);
    for (path, value) in [("map/teams/dev-ops", "ops"), ("map/teams/admins", "root-like"), ("map/users/JANE", "own")] {
        method.write(path, json!({ "value": value })).await;
    }
    let login = method.log_in("login", json!({ "token": "good" })).await.unwrap();
    assert_eq!(login.token.policies, ["ops", "own"]);
    assert_eq!(login.groups, ["Dev Ops", "dev-ops"]);
    assert_eq!((login.metadata["org"].as_str(), login.metadata["username"].as_str()), ("acme", "Jane"));
    method.delete("map/users/jane").await;
    assert_eq!(method.renew(&login).await.unwrap().token.policies, ["ops"]);
    assert_eq!(method.list("map/teams").await, ["admins", "dev-ops"]);
}

#[tokio::test]
async fn protocol_only_a_bad_token_another_organisation_and_a_bad_configuration_are_named() {
    let (method, _github) = mount().await;
    for (path, body, text) in [
        ("login", json!({ "token": "bad" }), "not valid at GitHub"),
        ("login", json!({}), "missing token"),
        ("config", json!({ "organization": "" }), "organization is a required parameter"),
        ("config", json!({ "organization": "a/b" }), "letters, digits and hyphens"),
        ("config", json!({ "organization": "none" }), "unable to fetch the organization_id"),
        ("config", json!({ "base_url": "file:///x" }), "no https:// address"),
    ] {
        let (status, error) = method.refused(path, body).await;
        assert!(status == 400 && error.contains(text), "{path} {status} {error}");
    }
    method.write("config", json!({ "organization_id": 9 })).await;
    let (status, error) = method.refused("login", json!({ "token": "good" })).await;
    assert!(status == 400 && error.contains("not part of required org"), "{error}");
}
