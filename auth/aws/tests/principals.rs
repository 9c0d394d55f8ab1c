//! Principals are compared by the ids that AWS never uses again, and patterns with the paths that IAM knows.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod moto;
#[path = "../../support.rs"]
mod support;

use lessor_auth_aws::AwsFactory;
use moto::Moto;
use serde_json::{Value, json};
use support::Method;

async fn configured(moto: &Moto) -> Method {
    let method = Method::new(&AwsFactory);
    let (id, secret, at) = (&moto.root.id, &moto.root.secret, &moto.endpoint);
    let config = json!({ "access_key": id, "secret_key": secret, "iam_endpoint": at, "sts_endpoint": at });
    method.write("config/client", config).await;
    method
}

async fn refused(method: &Method, path: &str, fields: Value, text: &str) {
    let (status, error) = method.refused(path, fields).await;
    assert!(status == 400 && error.contains(text), "{status} {error}");
}

#[tokio::test]
async fn a_user_that_was_deleted_and_made_again_is_somebody_else() {
    let moto = Moto::strict();
    let bob = moto.user("bob", "/");
    let method = configured(&moto).await;
    let arn = "arn:aws:iam::123456789012:user/bob";
    method.write("role/r", json!({ "bound_iam_principal_arn": arn })).await;
    let role = method.read("role/r").await;
    assert_eq!(role["resolve_aws_unique_ids"], true);
    let login = method.log_in("login", moto.signed(&bob, "r")).await.unwrap();
    assert_eq!(role["bound_iam_principal_id"], json!([login.metadata["client_user_id"]]));
    method.renew(&login).await.unwrap();
    moto.python(&format!(
        "iam.delete_access_key(UserName='bob', AccessKeyId='{}')\n\
         iam.detach_user_policy(UserName='bob', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')\n\
         iam.delete_user(UserName='bob')",
        bob.id
    ));
    let again = moto.signed(&moto.user("bob", "/"), "r");
    refused(&method, "login", again.clone(), "does not belong to the role").await;
    // Another change of the role does not look again, writing the principal does.
    method.write("role/r", json!({ "token_ttl": 60 })).await;
    refused(&method, "login", again.clone(), "does not belong to the role").await;
    method.write("role/r", json!({ "bound_iam_principal_arn": arn })).await;
    method.log_in("login", again).await.unwrap();
    assert!(method.renew(&login).await.is_err());
}

#[tokio::test]
async fn names_are_compared_only_where_a_role_was_made_so_and_never_again_once_ids_are() {
    let moto = Moto::strict();
    let bob = moto.user("bob", "/team/");
    let method = Method::new(&AwsFactory);
    method.write("config/client", json!({ "sts_endpoint": moto.endpoint })).await;
    let by_name = json!({
        "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/bob", "resolve_aws_unique_ids": false,
    });
    method.write("role/r", by_name).await;
    assert_eq!(method.read("role/r").await["bound_iam_principal_id"], json!([]));
    method.log_in("login", moto.signed(&bob, "r")).await.unwrap();
    let method = configured(&moto).await;
    method.write("role/r", json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/bob" })).await;
    let error = "changing resolve_aws_unique_ids from true to false is not allowed";
    refused(&method, "role/r", json!({ "resolve_aws_unique_ids": false }), error).await;
}

#[tokio::test]
async fn a_role_is_not_written_when_its_principals_cannot_be_looked_up() {
    let mut moto = Moto::strict();
    moto.user("bob", "/");
    let method = configured(&moto).await;
    let role = |arn: &str| json!({ "bound_iam_principal_arn": arn });
    refused(&method, "role/r", role("arn:aws:iam::123456789012:user/nobody"), "unable to resolve ARN").await;
    refused(&method, "role/r", role("arn:aws:iam::123456789012:root"), "it is no user and no role").await;
    refused(&method, "role/r", role("arn:aws:iam::999999999999:user/bob"), "configure config/sts/999999999999").await;
    moto.stop();
    let (status, error) = method.refused("role/r", role("arn:aws:iam::123456789012:user/bob")).await;
    assert!(status == 500 && error.contains("AWS could not be reached"), "{status} {error}");
    assert_eq!(method.read("role/r").await, Value::Null);
}

#[tokio::test]
async fn patterns_are_held_against_the_path_that_iam_knows() {
    let mut moto = Moto::start();
    moto.role("app-1", "/prod/");
    let session = moto.session("arn:aws:iam::123456789012:role/prod/app-1", "one");
    let method = configured(&moto).await;
    for (role, pattern) in
        [("any", "role/*"), ("prod", "role/prod/app-*"), ("test", "role/test/*"), ("bare", "role/app-*")]
    {
        let bound = format!("arn:aws:iam::123456789012:{pattern}");
        method.write(&format!("role/{role}"), json!({ "bound_iam_principal_arn": bound })).await;
    }
    let login = method.log_in("login", moto.signed(&session, "prod")).await.unwrap();
    assert_eq!(login.metadata["canonical_arn"], "arn:aws:iam::123456789012:role/app-1");
    method.log_in("login", moto.signed(&session, "any")).await.unwrap();
    let exact = json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/prod/app-1" });
    method.write("role/exact", exact).await;
    method.log_in("login", moto.signed(&session, "exact")).await.unwrap();
    refused(&method, "login", moto.signed(&session, "test"), "does not belong to the role").await;
    refused(&method, "login", moto.signed(&session, "bare"), "does not belong to the role").await;
    // A role of the same name is another, also for whoever still has a session of the first.
    moto.python(
        "iam.detach_role_policy(RoleName='app-1', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')\n\
         iam.delete_role(RoleName='app-1')",
    );
    moto.role("app-1", "/test/");
    let fresh = configured(&moto).await;
    fresh.write("role/test", json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/test/*" })).await;
    let (_, error) = fresh.refused("login", moto.signed(&session, "test")).await;
    assert!(error.contains("deleted and made again"), "{error}");
    moto.stop();
    // What was found out stays known: a renewal needs nobody.
    method.renew(&login).await.unwrap();
}

#[tokio::test]
async fn the_client_configuration_keeps_its_secret_and_refuses_what_contradicts_itself() {
    let method = Method::new(&AwsFactory);
    assert!(!method.exists("config/client").await);
    method.write("config/client", json!({ "access_key": "AKIA", "secret_key": "hush", "rotation_period": "1h" })).await;
    let read = method.read("config/client").await;
    assert_eq!((&read["access_key"], &read["max_retries"]), (&json!("AKIA"), &json!(-1)));
    assert_eq!((&read["identity_token_ttl"], &read["rotation_period"]), (&json!(3600), &json!(3600)));
    assert!(!read.to_string().contains("hush"));
    for (fields, text) in [
        (json!({ "secret_key": "" }), "given together"),
        (json!({ "identity_token_audience": "x", "role_arn": "y" }), "only one of"),
        (json!({ "access_key": "", "secret_key": "", "identity_token_audience": "x" }), "role_arn must be set"),
        (json!({ "endpoint": "ftp://x" }), "endpoint is no address"),
        (json!({ "iam_endpoint": "https://x/y" }), "iam_endpoint is no address"),
        (json!({ "rotation_period": 5 }), "10 seconds or more"),
    ] {
        refused(&method, "config/client", fields, text).await;
    }
    assert_eq!(method.read("config/client").await, read);
}
