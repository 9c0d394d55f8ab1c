//! Protocol only: how Google is asked for access tokens, with a service account's key or by Application Default
//! Credentials.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod stand_in;
use lessor_cloud_access::google::{Access, Federation, Identity, ServiceKey};
use lessor_cloud_access::{Error, Surroundings};
use lessor_engine::Secret;
use serde_json::{Value, json};
use stand_in::{StandIn, at, http};
use std::process::Command;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A service account's file.
fn key_file(google: &StandIn) -> Value {
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA"]).output().unwrap();
    json!({
        "type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key_id": "k",
        "private_key": String::from_utf8(made.stdout).unwrap(), "token_uri": google.url("/token"),
    })
}

/// What Application Default Credentials in this file give.
async fn by_file(file: &Value, more: &[(&str, &str)]) -> Result<String, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("application_default_credentials.json");
    std::fs::write(&path, file.to_string()).unwrap();
    // Once by its variable, once where gcloud writes it.
    let mut last = Err(Error::Unavailable(String::new()));
    for own in [("GOOGLE_APPLICATION_CREDENTIALS", path.to_str()), ("CLOUDSDK_CONFIG", folder.path().to_str())] {
        let own = Surroundings::of(&[&[(own.0, own.1.unwrap())], more].concat());
        last = Access::within(own)
            .token(&http(), &Identity::Surroundings, at(0))
            .await
            .map(|token| token.expose().to_owned());
    }
    last
}

#[tokio::test]
async fn protocol_only_a_service_accounts_key_signs_for_a_token_that_is_kept() {
    let google = StandIn::start().await;
    google.answer("/token", 200, json!({ "access_token": "one", "expires_in": 3599 }));
    let file = key_file(&google);
    let key = Identity::Key(ServiceKey::parse(&Secret::new(file.to_string())).unwrap());
    let access = Access::within(Surroundings::of(&[]));
    for second in [0, 3000] {
        assert_eq!(access.token(&http(), &key, at(second)).await.unwrap().expose(), "one");
    }
    let (asked, count) = google.last();
    assert_eq!((count, asked.field("grant_type").as_str()), (1, "urn:ietf:params:oauth:grant-type:jwt-bearer"));
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(asked.field("assertion")).unwrap();
    assert_eq!(claims.header.kid.as_deref(), Some("k"));
    assert_eq!((&claims.claims["iss"], &claims.claims["scope"]), (&file["client_email"], &json!(SCOPE)));
    assert_eq!(claims.claims["aud"], file["token_uri"]);
    assert_eq!(by_file(&file, &[]).await.unwrap(), "one");
    let text = Access::with(Secret::new(file.to_string()));
    assert_eq!(text.token(&http(), &Identity::Surroundings, at(0)).await.unwrap().expose(), "one");
    let broken = Access::with(Secret::new("{ \"private_key\": \"s3cret\""));
    assert!(!broken.token(&http(), &Identity::Surroundings, at(0)).await.err().unwrap().to_string().contains("s3cret"));
    google.answer("/token", 400, json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." }));
    assert!(matches!(by_file(&file, &[]).await, Err(Error::Refused(text)) if text.contains("invalid_grant")));
}

#[tokio::test]
async fn protocol_only_a_workload_exchanges_its_own_token_and_may_act_as_an_account() {
    let google = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let subject = folder.path().join("token");
    std::fs::write(&subject, "cluster-token\n").unwrap();
    google.answer("/sts", 200, json!({ "access_token": "federated", "expires_in": 3600 }));
    google.answer("/subject", 200, json!({ "value": "from-url" }));
    google.answer("/as", 200, json!({ "accessToken": "account", "expireTime": "2027-01-15T09:00:00Z" }));
    let mut file = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/x", "token_url": google.url("/sts"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": { "file": subject },
    });
    assert_eq!(by_file(&file, &[]).await.unwrap(), "federated");
    let (asked, _) = google.last();
    let fields = ["grant_type", "audience", "subject_token", "scope"].map(|name| asked.field(name));
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(fields, [exchange, "//iam.googleapis.com/x", "cluster-token", SCOPE]);
    file["credential_source"] = json!({
        "url": google.url("/subject"), "headers": { "x-mine": "1" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    file["service_account_impersonation_url"] = json!(google.url("/as"));
    assert_eq!(by_file(&file, &[]).await.unwrap(), "account");
    let all = google.all();
    let [.., subject, exchange, account] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((subject.header("x-mine"), exchange.field("subject_token").as_str()), ("1", "from-url"));
    assert_eq!(account.header("authorization"), "Bearer federated");
    assert_eq!(account.body, json!({ "scope": [SCOPE], "lifetime": "3600s" }).to_string());
    file["credential_source"] = json!({ "executable": { "command": "id" } });
    assert!(matches!(by_file(&file, &[]).await, Err(Error::Refused(text)) if text.contains("only file and url")));
}

#[tokio::test]
async fn protocol_only_users_and_impersonated_accounts_are_taken_and_others_named() {
    let google = StandIn::start().await;
    google.answer("/token", 200, json!({ "access_token": "user", "expires_in": 3599 }));
    google.answer("/as", 200, json!({ "accessToken": "account", "expireTime": "2027-01-15T09:00:00Z" }));
    let user = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
        "token_uri": google.url("/token"),
    });
    assert_eq!(by_file(&user, &[]).await.unwrap(), "user");
    assert_eq!(google.last().0.field("refresh_token"), "r");
    let impersonated = json!({
        "type": "impersonated_service_account", "source_credentials": user,
        "service_account_impersonation_url": google.url("/as"), "delegates": ["d"],
    });
    assert_eq!(by_file(&impersonated, &[]).await.unwrap(), "account");
    assert!(google.last().0.body.contains("\"delegates\":[\"d\"]"));
    let error = by_file(&json!({ "type": "gdch_service_account" }), &[]).await.err().unwrap();
    assert!(error.to_string().contains("\"gdch_service_account\" cannot be used"), "{error}");
}

#[tokio::test]
async fn protocol_only_without_a_file_the_machine_says_who_it_is() {
    let google = StandIn::start().await;
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    google.answer(path, 200, json!({ "access_token": "machine", "expires_in": 3599 }));
    let host = google.address.trim_start_matches("http://");
    let own = Surroundings::of(&[("GCE_METADATA_HOST", host), ("HOME", "/nonexistent")]);
    let token = Access::within(own).token(&http(), &Identity::Surroundings, at(0)).await.unwrap();
    assert_eq!((token.expose(), google.last().0.header("metadata-flavor")), ("machine", "Google"));
    let away = Surroundings::of(&[("GCE_METADATA_HOST", "127.0.0.1:1")]);
    let error = Access::within(away).token(&http(), &Identity::Surroundings, at(0)).await.err().unwrap();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("no credentials in config")), "{error}");
    let gone = Surroundings::of(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")]);
    let error = Access::within(gone).token(&http(), &Identity::Surroundings, at(0)).await.err().unwrap();
    assert!(matches!(&error, Error::Refused(text) if text.contains("/nonexistent cannot be read")), "{error}");
}

#[tokio::test]
async fn protocol_only_this_servers_own_statement_is_exchanged_for_a_token_of_the_account() {
    let google = StandIn::start().await;
    google.answer("/v1/token", 200, json!({ "access_token": "federated", "expires_in": 3600 }));
    google.answer("/as", 200, json!({ "accessToken": "account", "expireTime": "2027-01-15T09:00:00Z" }));
    let access = Access::within(Surroundings::of(&[]));
    for statement in ["first", "second"] {
        let who = Identity::Federated(Federation {
            audience: "https://iam.googleapis.com/projects/1/x".into(),
            statement: Secret::new(statement),
            token_url: google.url("/v1/token"),
            account_url: google.url("/as"),
        });
        assert_eq!(access.token(&http(), &who, at(0)).await.unwrap().expose(), "account");
    }
    let all = google.all();
    let [exchange, account] = all.as_slice() else { panic!("{all:?}") };
    let fields = ["audience", "subject_token", "subject_token_type"].map(|name| exchange.field(name));
    assert_eq!(fields, ["//iam.googleapis.com/projects/1/x", "first", "urn:ietf:params:oauth:token-type:jwt"]);
    assert_eq!(account.header("authorization"), "Bearer federated");
}
