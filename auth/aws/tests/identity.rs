//! What names an alias, and what is said of whoever logged in.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod moto;
#[path = "../../support.rs"]
mod support;

use lessor_auth_aws::AwsFactory;
use moto::Moto;
use serde_json::json;
use support::Method;

#[tokio::test]
async fn aliases_are_named_after_what_an_operator_chose_and_carry_what_they_allowed() {
    let moto = Moto::start();
    let bob = moto.user("bob", "/team/");
    let method = Method::new(&AwsFactory);
    method.write("config/client", json!({ "sts_endpoint": moto.endpoint })).await;
    let bound = "arn:aws:iam::123456789012:user/team/*";
    method.write("role/r", json!({ "bound_iam_principal_arn": bound, "token_policies": "p" })).await;
    let signed = moto.signed(&bob, "r");
    let login = method.log_in("login", signed.clone()).await.unwrap();
    let id = method.read("role/r").await["role_id"].clone();
    let alias = login.alias.unwrap();
    assert_eq!(alias.name, id);
    assert_eq!(json!(alias.metadata), json!({ "account_id": "123456789012", "auth_type": "iam" }));
    assert_eq!(login.metadata["canonical_arn"], "arn:aws:iam::123456789012:user/bob");
    assert_eq!(login.metadata["client_arn"], "arn:aws:iam::123456789012:user/team/bob");
    let unique = login.metadata["client_user_id"].clone();
    assert_eq!(login.metadata["role_id"], id);
    for (alias, name) in [
        ("unique_id", unique.as_str()),
        ("canonical_arn", "arn:aws:iam::123456789012:user/bob"),
        ("full_arn", "arn:aws:iam::123456789012:user/team/bob"),
        ("role_id", id.as_str().unwrap()),
    ] {
        method.write("config/identity", json!({ "iam_alias": alias })).await;
        assert_eq!(method.log_in("login", signed.clone()).await.unwrap().alias.unwrap().name, name);
    }
    method.write("config/identity", json!({ "iam_metadata": ["client_arn"] })).await;
    let login = method.log_in("login", signed.clone()).await.unwrap();
    let said = json!({ "client_arn": "arn:aws:iam::123456789012:user/team/bob" });
    assert_eq!(json!(login.alias.unwrap().metadata), said);
    assert_eq!(login.metadata.keys().collect::<Vec<_>>(), ["client_arn", "role_id"]);
    method.write("config/identity", json!({ "iam_metadata": "" })).await;
    let login = method.log_in("login", signed).await.unwrap();
    assert!(login.alias.unwrap().metadata.is_empty());
    assert_eq!(login.metadata.keys().collect::<Vec<_>>(), ["role_id"]);
}

#[tokio::test]
async fn the_choice_is_read_back_and_a_wrong_one_changes_nothing() {
    let method = Method::new(&AwsFactory);
    let usual = json!({
        "iam_alias": "role_id", "iam_metadata": ["account_id", "auth_type"],
        "ec2_alias": "role_id", "ec2_metadata": ["account_id", "auth_type"],
    });
    assert_eq!(method.read("config/identity").await, usual);
    let chosen = json!({
        "iam_alias": "full_arn", "iam_metadata": ["canonical_arn"], "ec2_alias": "image_id", "ec2_metadata": ["region"],
    });
    method.write("config/identity", chosen.clone()).await;
    for (wrong, text) in [
        (json!({ "iam_alias": "instance_id" }), "role_id, unique_id, canonical_arn, full_arn"),
        (json!({ "ec2_alias": "full_arn" }), "role_id, instance_id, image_id"),
        (json!({ "iam_metadata": ["ami_id"] }), "\"ami_id\" is not available"),
        (json!({ "ec2_metadata": ["default", "region"] }), "\"default\" is not available"),
    ] {
        let (status, error) = method.refused("config/identity", wrong).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
    assert_eq!(method.read("config/identity").await, chosen);
    method.write("config/identity", json!({ "iam_metadata": "default" })).await;
    assert_eq!(method.read("config/identity").await["iam_metadata"], json!(["account_id", "auth_type"]));
}
