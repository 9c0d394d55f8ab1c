//! AWS without a stored key: the mount's identity token is exchanged for credentials of a role. Protocol only: moto
//! takes every token, and the STS that verifies them is of our own.
use crate::lessor::{Lessor, free_port};
use crate::targets::{aws::Aws, sts::Sts};
use lessor_client::Request;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/vault";

async fn mounted() -> Lessor {
    let lessor = Lessor::dev().await;
    lessor.write("sys/mounts/cloud", json!({ "type": "aws" })).await;
    lessor
}

fn config(sts: &str) -> Value {
    json!({ "identity_token_audience": "sts.amazonaws.com", "role_arn": ROLE, "region": "us-east-1",
            "sts_endpoint": sts, "iam_endpoint": sts, "max_retries": 0, "verify": true })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_trusts_the_published_keys_lets_the_mount_in_and_learns_which_mount_it_is() {
    let lessor = mounted().await;
    let issuer = format!("{}/v1/identity/oidc/plugins", lessor.address);
    let mut sts = Sts::trusting(&issuer);
    lessor.write("cloud/config/root", config(&sts.endpoint)).await;
    let accepted = sts.accepted();
    let accessor = lessor.read("sys/mounts").await["data"]["cloud/"]["accessor"].as_str().unwrap().to_owned();
    let claims = &accepted["claims"];
    assert_eq!(claims["sub"], format!("plugin-identity:root:secret:{accessor}"));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(issuer), &json!(["sts.amazonaws.com"])));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert_eq!(claims["vaultproject.io"]["path"], "cloud/");
    let session = accepted["session"].as_str().unwrap();
    assert!(session.starts_with("vault-aws-secrets-1"), "{session}");
    let read = lessor.read("cloud/config/root").await["data"].clone();
    assert_eq!((&read["role_arn"], &read["access_key"]), (&json!(ROLE), &json!("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_signs_with_the_key_it_is_tuned_to_also_after_that_key_was_rotated() {
    let lessor = mounted().await;
    let mut sts = Sts::trusting(&format!("{}/v1/identity/oidc/plugins", lessor.address));
    let key = json!({ "algorithm": "ES256", "allowed_client_ids": "*", "verification_ttl": "1h" });
    lessor.write("identity/oidc/key/clouds", key).await;
    lessor.write("sys/mounts/cloud/tune", json!({ "identity_token_key": "clouds" })).await;
    lessor.write("cloud/config/root", config(&sts.endpoint)).await;
    sts.accepted();
    lessor.write("identity/oidc/key/clouds/rotate", json!({})).await;
    lessor.write("cloud/config/root", config(&sts.endpoint)).await;
    sts.accepted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_does_not_trust_the_issuer_is_told_and_nothing_is_stored() {
    let lessor = mounted().await;
    let stranger = mounted().await;
    let sts = Sts::trusting(&format!("{}/v1/identity/oidc/plugins", stranger.address));
    let (status, text) = lessor.refused(Request::put("cloud/config/root", config(&sts.endpoint))).await;
    assert!(status == 400 && text.contains("InvalidIdentityToken"), "{status} {text}");
    let foreign = json!({ "role_arn": "arn:aws:iam::111122223333:role/other" });
    let mut asked = config(&sts.endpoint);
    asked["role_arn"] = foreign["role_arn"].clone();
    let (status, text) = lessor.refused(Request::put("cloud/config/root", asked)).await;
    assert!(status == 400 && text.contains("AccessDenied"), "{status} {text}");
    assert_eq!(lessor.refused(Request::get("cloud/config/root")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_a_token_is_named_when_the_configuration_is_written() {
    let lessor = mounted().await;
    let sts = format!("http://127.0.0.1:{}", free_port());
    let with = |field: &str, value: Value| {
        let mut asked = config(&sts);
        asked["verify"] = json!(false);
        asked[field] = value;
        Request::put("cloud/config/root", asked)
    };
    lessor.write("identity/oidc/key/narrow", json!({ "allowed_client_ids": "other" })).await;
    for (request, key, expected) in [
        (with("role_arn", json!("")), "", "missing required 'role_arn' when 'identity_token_audience' is set"),
        (with("identity_token_ttl", json!("48h")), "", "would outlive the key \"default\""),
        (with("region", json!("eu-central-1")), "none", "there is no key \"none\""),
        (with("region", json!("eu-central-1")), "narrow", "does not list the audience \"sts.amazonaws.com\""),
    ] {
        lessor.write("sys/mounts/cloud/tune", json!({ "identity_token_key": key })).await;
        let (status, text) = lessor.refused(request).await;
        assert!(status == 400 && text.contains(expected), "{status} {text}");
    }
    lessor.write("sys/mounts/cloud/tune", json!({ "identity_token_key": "" })).await;
    let mut both = config(&sts);
    both["access_key"] = json!("AKIA");
    both["secret_key"] = json!("s");
    let (status, text) = lessor.refused(Request::put("cloud/config/root", both)).await;
    assert!(status == 400 && text.contains("only one of 'access_key' or 'identity_token_audience'"), "{text}");
    // Nobody answers there.
    let (status, text) = lessor.refused(Request::put("cloud/config/root", config(&sts))).await;
    assert!(status == 400 && text.contains("could not be reached"), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_goes_missing_later_is_named_by_the_credential_it_stops() {
    let lessor = mounted().await;
    let mut sts = Sts::trusting(&format!("{}/v1/identity/oidc/plugins", lessor.address));
    lessor.write("cloud/config/root", config(&sts.endpoint)).await;
    sts.accepted();
    lessor.write("cloud/roles/s", json!({ "credential_type": "session_token" })).await;
    // What was verified is not what is used from now on: the next credential needs a token again.
    lessor.write("cloud/config/root", json!({ "max_retries": 1 })).await;
    lessor.write("sys/mounts/cloud/tune", json!({ "identity_token_key": "gone" })).await;
    let (status, text) = lessor.refused(Request::get("cloud/creds/s")).await;
    assert!(status == 400 && text.contains("there is no key \"gone\""), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_with_the_credentials_of_the_role() {
    let moto = Aws::lenient_moto();
    let arn = moto.python(
        "role = iam.create_role(RoleName='vault', AssumeRolePolicyDocument='{\"Version\":\"2012-10-17\",\"Statement\":[]}')\n\
         iam.attach_role_policy(RoleName='vault', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')\n\
         print(role['Role']['Arn'])",
    );
    let lessor = mounted().await;
    let mut federated = config(&moto.endpoint);
    federated["role_arn"] = json!(arn.trim());
    lessor.write("cloud/config/root", federated).await;
    let role =
        json!({ "credential_type": "iam_user", "policy_arns": "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess" });
    lessor.write("cloud/roles/developer", role).await;
    let answer = lessor.read("cloud/creds/developer").await;
    let id = answer["data"]["access_key"].as_str().unwrap();
    let of_user = format!("print(iam.get_access_key_last_used(AccessKeyId='{id}')['UserName'])");
    assert!(moto.python(&of_user).starts_with("vault-root-developer-"));
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
    assert!(moto.made().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth_mount_says_who_it_is_as_well() {
    let lessor = Lessor::dev().await;
    lessor.write("sys/auth/aws", json!({ "type": "aws" })).await;
    let mut sts = Sts::trusting(&format!("{}/v1/identity/oidc/plugins", lessor.address));
    let config = json!({
        "identity_token_audience": "sts.amazonaws.com", "role_arn": ROLE, "sts_endpoint": sts.endpoint,
        "iam_endpoint": format!("http://127.0.0.1:{}", free_port()), "max_retries": 0,
    });
    lessor.write("auth/aws/config/client", config).await;
    let role = json!({ "bound_iam_principal_arn": "arn:aws:iam::111122223333:user/bob" });
    let (status, text) = lessor.refused(Request::put("auth/aws/role/r", role)).await;
    // The token was exchanged, and nobody is where IAM should be.
    assert!(status == 500 && text.contains("could not be reached"), "{status} {text}");
    let accepted = sts.accepted();
    let accessor = lessor.read("sys/auth").await["data"]["aws/"]["accessor"].as_str().unwrap().to_owned();
    assert_eq!(accepted["claims"]["sub"], format!("plugin-identity:root:auth:{accessor}"));
    assert!(accepted["session"].as_str().unwrap().starts_with("vault-aws-auth-1"));
}
