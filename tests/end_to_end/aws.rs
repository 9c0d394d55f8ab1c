//! Keys of AWS's stand-in: made through the API, used with AWS's own client, and refused when their lease is over.
use crate::lessor::Lessor;
use crate::targets::aws::Aws;
use lessor_client::Request;
use serde_json::{Value, json};
use std::time::Duration;

async fn configured() -> (Aws, Lessor) {
    over(Aws::moto()).await
}

async fn over(moto: Aws) -> (Aws, Lessor) {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/cloud", json!({ "type": "aws" })).await;
    let config = json!({
        "access_key": moto.root.0, "secret_key": moto.root.1, "region": "us-east-1",
        "iam_endpoint": moto.endpoint, "sts_endpoint": moto.endpoint, "sts_region": "us-east-1", "verify": true,
    });
    lessor.write("cloud/config/root", config).await;
    (moto, lessor)
}

async fn developer(lessor: &Lessor) {
    let role = json!({
        "credential_type": "iam_user", "policy_arns": "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
        "iam_tags": "team=build", "wait_until_usable": 2, "wait_timeout": "20s",
    });
    lessor.write("cloud/roles/developer", role).await;
}

fn key(answer: &Value) -> (String, String) {
    let text = |name: &str| answer["data"][name].as_str().unwrap().to_owned();
    (text("access_key"), text("secret_key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_until_its_lease_ends_and_its_user_is_gone() {
    let (moto, lessor) = configured().await;
    developer(&lessor).await;
    lessor.write("cloud/config/lease", json!({ "lease": "12s", "lease_max": "1h" })).await;
    let answer = lessor.read("cloud/creds/developer").await;
    let (id, secret) = key(&answer);
    assert_eq!((answer["lease_duration"].as_u64(), answer["renewable"].as_bool()), (Some(12), Some(true)));
    assert_eq!(answer["data"]["session_token"], Value::Null);
    let who = moto.as_key(&id, &secret, "", "print(sts.get_caller_identity()['Arn'])").unwrap();
    assert!(who.contains("user/vault-root-developer-"), "{who}");
    // The policy of the role is what it may do, and nothing else.
    assert!(moto.as_key(&id, &secret, "", "iam.list_users()").unwrap_err().contains("AccessDenied"));
    let renewed = lessor.write("sys/leases/renew", json!({ "lease_id": answer["lease_id"] })).await;
    assert_eq!(renewed["lease_duration"], 12);
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(!moto.accepts(&id, &secret));
    assert!(moto.made().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_people_added_things_to_is_deleted_all_the_same() {
    let (moto, lessor) = configured().await;
    developer(&lessor).await;
    let answer = lessor.read("cloud/creds/developer").await;
    let user = moto.made()[0].clone();
    moto.python(&format!(
        "iam.create_login_profile(UserName='{user}', Password='Passw0rd!x')\n\
         iam.create_access_key(UserName='{user}')\n\
         iam.put_user_policy(UserName='{user}', PolicyName='p', PolicyDocument='{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}}]}}')"
    ));
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
    assert!(moto.made().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_root_rotation_the_old_key_is_refused() {
    let (moto, lessor) = configured().await;
    developer(&lessor).await;
    let (old, old_secret) = moto.root.clone();
    let rotated = lessor.write("cloud/config/rotate-root", json!({})).await;
    let new = rotated["data"]["access_key"].as_str().unwrap();
    assert_ne!(new, old);
    assert!(!moto.accepts(&old, &old_secret));
    assert_eq!(lessor.read("cloud/config/root").await["data"]["access_key"], new);
    let (id, secret) = key(&lessor.read("cloud/creds/developer").await);
    assert!(moto.accepts(&id, &secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_role_takes_a_user_over_and_rotates_its_key() {
    let (moto, lessor) = configured().await;
    moto.python("iam.create_user(UserName='backup')");
    let role =
        lessor.write("cloud/static-roles/backup", json!({ "username": "backup", "rotation_period": "1h" })).await;
    assert_eq!(role["data"]["username"], "backup");
    let first = key(&lessor.read("cloud/static-creds/backup").await);
    assert!(moto.accepts(&first.0, &first.1));
    for _ in 0..2 {
        lessor.write("cloud/rotate-role/backup", json!({})).await;
    }
    let third = key(&lessor.read("cloud/static-creds/backup").await);
    assert!(moto.accepts(&third.0, &third.1) && !moto.accepts(&first.0, &first.1));
    lessor.send(Request::delete("cloud/static-roles/backup")).await.unwrap();
    assert!(!moto.accepts(&third.0, &third.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_for_as_long_as_it_was_asked_for() {
    let (moto, lessor) = over(Aws::ministack()).await;
    let arn = moto.python(
        "print(iam.create_role(RoleName='deploy', AssumeRolePolicyDocument='{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:*\"}]}')['Role']['Arn'])",
    );
    let arn = arn.trim();
    let role = json!({ "credential_type": "assumed_role", "role_arns": [arn], "max_sts_ttl": "2h", "session_tags": "app=web" });
    lessor.write("cloud/roles/deploy", role).await;
    let body = json!({ "ttl": "3h", "role_session_name": "release 81" });
    let answer = lessor.write("cloud/creds/deploy", body).await;
    let left = answer["lease_duration"].as_u64().unwrap();
    assert!((7190..=7200).contains(&left) && answer["renewable"] == false, "{left}");
    assert!(answer["data"]["arn"].as_str().unwrap().ends_with("/deploy/release_81"), "{answer}");
    let (id, secret) = key(&answer);
    let token = answer["data"]["session_token"].as_str().unwrap();
    assert_eq!(answer["data"]["security_token"], token);
    let who = moto.as_key(&id, &secret, token, "print(sts.get_caller_identity()['Arn'])").unwrap();
    assert!(who.contains("assumed-role/deploy/release_81"), "{who}");
    // Nothing can be revoked at AWS: the lease alone ends.
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn federation_and_session_tokens_are_handed_out_and_a_federation_without_policy_is_not() {
    let (moto, lessor) = over(Aws::ministack()).await;
    let policy =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }] });
    let role = json!({ "credential_type": "federation_token", "policy_document": policy.to_string(), "default_sts_ttl": "20m" });
    lessor.write("cloud/roles/fed", role).await;
    lessor.write("cloud/roles/session", json!({ "credential_type": "session_token" })).await;
    for (role, ttl) in [("fed", 1200), ("session", 3600)] {
        let answer = lessor.read(&format!("cloud/creds/{role}")).await;
        let left = answer["lease_duration"].as_u64().unwrap();
        assert!((ttl - 10..=ttl).contains(&left), "{role}: {left}");
        let (id, secret) = key(&answer);
        let token = answer["data"]["session_token"].as_str().unwrap();
        moto.as_key(&id, &secret, token, "sts.get_caller_identity()").unwrap();
    }
    lessor.write("cloud/roles/all", json!({ "credential_type": "federation_token" })).await;
    let (status, text) = lessor.refused(Request::get("cloud/creds/all")).await;
    assert!(status == 400 && text.contains("without policy"), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_accepted_in_time_is_taken_back() {
    let (moto, lessor) = configured().await;
    // Nobody answers at STS, so that no new key is ever accepted.
    let dead = format!("http://127.0.0.1:{}", crate::lessor::free_port());
    lessor.write("cloud/config/root", json!({ "sts_endpoint": dead, "max_retries": 0 })).await;
    let role = json!({
        "credential_type": "iam_user", "policy_arns": "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
        "wait_until_usable": 3, "wait_timeout": "2s",
    });
    lessor.write("cloud/roles/patient", role).await;
    let (status, text) = lessor.refused(Request::get("cloud/creds/patient")).await;
    assert!(status == 500 && text.contains("3 times in a row within 2 s"), "{status} {text}");
    assert!(moto.made().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_somebody_else_with_the_same_name_is_left_alone() {
    let (moto, lessor) = configured().await;
    moto.python("iam.create_user(UserName='vault-taken'); iam.create_access_key(UserName='vault-taken')");
    developer(&lessor).await;
    lessor.write("cloud/config/root", json!({ "username_template": "vault-taken" })).await;
    let (status, text) = lessor.refused(Request::get("cloud/creds/developer")).await;
    assert!(status == 400 && text.contains("EntityAlreadyExists"), "{status} {text}");
    let keys = moto.python("print(len(iam.list_access_keys(UserName='vault-taken')['AccessKeyMetadata']))");
    assert_eq!(keys.trim(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_reached_is_told_and_leaves_nothing() {
    let (moto, lessor) = configured().await;
    developer(&lessor).await;
    let dead = format!("http://127.0.0.1:{}", crate::lessor::free_port());
    lessor.write("cloud/config/root", json!({ "iam_endpoint": dead, "max_retries": 0 })).await;
    let (status, text) = lessor.refused(Request::get("cloud/creds/developer")).await;
    assert!(status == 500 && text.contains("AWS could not be reached"), "{status} {text}");
    lessor.write("cloud/config/root", json!({ "iam_endpoint": moto.endpoint })).await;
    lessor.read("cloud/creds/developer").await;
    assert_eq!(moto.made().len(), 1);
    let regionless = json!({ "region": "", "sts_region": "" });
    let (status, text) = lessor.refused(Request::put("cloud/config/root", regionless)).await;
    assert!(status == 400 && text.contains("sts_region"), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_a_user_whose_lease_was_lost() {
    let (moto, lessor) = configured().await;
    developer(&lessor).await;
    lessor.read("cloud/creds/developer").await;
    let mount = lessor.read("sys/mounts").await["data"]["cloud/"]["uuid"].as_str().unwrap().to_owned();
    moto.python(&format!("iam.create_user(UserName='vault-lost', Tags=[dict(Key='lessor-mount', Value='{mount}')])"));
    let report = lessor.write("sys/reconcile/cloud", json!({ "remove": true })).await;
    assert_eq!(report["data"]["orphans"], json!([{ "target": "account", "name": "vault-lost" }]));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(moto.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_leaves_no_user() {
    let (moto, lessor) = configured().await;
    let missing = json!({ "credential_type": "iam_user", "policy_arns": "arn:aws:iam::aws:policy/DoesNotExist" });
    lessor.write("cloud/roles/broken", missing).await;
    let (status, text) = lessor.refused(Request::get("cloud/creds/broken")).await;
    assert!(status == 400 && text.contains("NoSuchEntity"), "{status} {text}");
    assert!(moto.made().is_empty());
    for (request, expected) in [
        (Request::get("cloud/creds/none"), "Role \"none\" not found"),
        (Request::put("cloud/roles/x", json!({ "credential_type": "magic" })), "unrecognized credential_type"),
        (Request::put("cloud/roles/x", json!({ "credential_type": "iam_user", "max_sts_ttl": 60 })), "max_sts_ttl"),
        (Request::put("cloud/config/root", json!({ "access_key": "only-one", "secret_key": "" })), "together"),
        (Request::put("cloud/static-roles/x", json!({ "username": "nobody", "rotation_period": "1h" })), "no IAM user"),
    ] {
        let path = request.path().to_owned();
        let (status, text) = lessor.refused(request).await;
        assert!(status == 400 && text.contains(expected), "{path}: {status} {text}");
    }
    let bad = json!({ "secret_key": "wrong", "access_key": moto.root.0, "verify": true });
    let (status, text) = lessor.refused(Request::put("cloud/config/root", bad)).await;
    assert!(status == 400 && text.contains("does not work") && !text.contains("wrong"), "{status} {text}");
}
