//! `aws` with moto's STS, which recomputes signatures, and logins that AWS's own library signs.
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use crate::targets::aws::Aws;
use lessor_client::Request;
use serde_json::{Value, json};

/// Signs `sts:GetCallerIdentity` with a key, as AWS's clients do: the parameters of a login.
fn signed(moto: &Aws, key: &(String, String), server_id: &str, action: &str) -> Value {
    let (id, secret) = key;
    let endpoint = &moto.endpoint;
    let code = format!(
        "import json, base64\n\
         from botocore.auth import SigV4Auth\n\
         from botocore.awsrequest import AWSRequest\n\
         from botocore.credentials import Credentials\n\
         b = lambda text: base64.b64encode(text.encode()).decode()\n\
         headers = {{'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8'}}\n\
         if '{server_id}': headers['X-Vault-AWS-IAM-Server-ID'] = '{server_id}'\n\
         body = 'Action={action}&Version=2011-06-15'\n\
         request = AWSRequest('POST', '{endpoint}/', headers=headers, data=body)\n\
         SigV4Auth(Credentials('{id}', '{secret}'), 'sts', 'us-east-1').add_auth(request)\n\
         print(json.dumps({{'iam_http_request_method': 'POST', 'iam_request_url': b('{endpoint}/'),\n\
             'iam_request_body': b(body), 'iam_request_headers': b(json.dumps(dict(request.headers)))}}))"
    );
    let mut login: Value = serde_json::from_str(&moto.python(&code)).unwrap();
    login["role"] = json!("builder");
    login
}

/// A user of the account that may ask who it is.
fn user(moto: &Aws, name: &str) -> (String, String) {
    let made = moto.python(&format!(
        "iam.create_user(UserName='{name}')\n\
         iam.attach_user_policy(UserName='{name}', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')\n\
         key = iam.create_access_key(UserName='{name}')['AccessKey']\n\
         print(key['AccessKeyId'], key['SecretAccessKey'])"
    ));
    let (id, secret) = made.trim().split_once(' ').unwrap();
    (id.to_owned(), secret.to_owned())
}

async fn configured(moto: &Aws) -> Lessor {
    let lessor = enabled("aws").await;
    let config = json!({ "sts_endpoint": moto.endpoint, "iam_server_id_header_value": "lessor.example.com" });
    lessor.write("auth/aws/config/client", config).await;
    let role = json!({
        "auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/build*", "token_policies": "p",
        "token_ttl": "20m", "resolve_aws_unique_ids": false,
    });
    lessor.write("auth/aws/role/builder", role).await;
    lessor
}

const LOGIN: &str = "auth/aws/login";
const SERVER: &str = "lessor.example.com";
const WHO: &str = "GetCallerIdentity";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_the_question_who_they_are_is_let_in_by_their_name() {
    let moto = Aws::moto();
    let (builder, other) = (user(&moto, "builder-1"), user(&moto, "someone"));
    let lessor = configured(&moto).await;
    let answer = lessor.write(LOGIN, signed(&moto, &builder, SERVER, WHO)).await;
    let metadata = &answer["auth"]["metadata"];
    assert_eq!(metadata["canonical_arn"], "arn:aws:iam::123456789012:user/builder-1");
    assert_eq!((&metadata["account_id"], &metadata["auth_type"]), (&json!("123456789012"), &json!("iam")));
    assert_eq!(answer["auth"]["policies"], json!(["default", "p"]));
    lives_and_ends(&lessor, &answer).await;
    let wrong_secret = (builder.0.clone(), "x".repeat(40));
    for (login, text) in [
        (signed(&moto, &other, SERVER, WHO), "does not belong to the role \"builder\""),
        (signed(&moto, &wrong_secret, SERVER, WHO), "received error code 403 from STS"),
        (signed(&moto, &builder, "vault.other.example", WHO), "names another server"),
        (signed(&moto, &builder, "", WHO), "missing header"),
        (signed(&moto, &builder, SERVER, "GetSessionToken"), "something else than GetCallerIdentity"),
    ] {
        let error = refused(&lessor, LOGIN, login, 400).await;
        assert!(error.contains(text), "{error}");
    }
    let mut elsewhere = signed(&moto, &builder, SERVER, WHO);
    // The address in the login decides nothing but the host that was signed: there is nobody at this one.
    elsewhere["iam_request_url"] = json!("aHR0cDovLzEyNy4wLjAuMToxLw==");
    let error = refused(&lessor, LOGIN, elsewhere, 400).await;
    assert!(error.contains("received error code 403 from STS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_reads_the_role_again_and_fails_without_it() {
    let moto = Aws::moto();
    let builder = user(&moto, "builder-1");
    let lessor = configured(&moto).await;
    let answer = lessor.write(LOGIN, signed(&moto, &builder, SERVER, WHO)).await;
    lessor.write("auth/aws/role/builder", json!({ "token_ttl": "5m" })).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(300));
    let others = json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/x" });
    lessor.write("auth/aws/role/builder", others).await;
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("does not belong to the role any more"));
    lessor.send(Request::delete("auth/aws/role/builder")).await.unwrap();
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("does not exist during renewal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sts_that_is_down_is_told_as_such() {
    let moto = Aws::moto();
    let builder = user(&moto, "builder-1");
    let lessor = configured(&moto).await;
    let login = signed(&moto, &builder, SERVER, WHO);
    drop(moto);
    let error = refused(&lessor, LOGIN, login, 500).await;
    assert!(error.contains("error making upstream request"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_whoever_asks_aws_is_replaced_and_the_old_one_stops_working() {
    let moto = Aws::moto();
    let (asker, builder) = (user(&moto, "asker"), user(&moto, "builder-1"));
    let lessor = configured(&moto).await;
    let config = json!({ "access_key": asker.0, "secret_key": asker.1, "iam_endpoint": moto.endpoint });
    lessor.write("auth/aws/config/client", config).await;
    let answer = lessor.write("auth/aws/config/rotate-root", json!({})).await;
    let new = answer["data"]["access_key"].as_str().unwrap().to_owned();
    assert_ne!(new, asker.0);
    assert_eq!(lessor.read("auth/aws/config/client").await["data"]["access_key"], new);
    assert!(!moto.accepts(&asker.0, &asker.1));
    let keys = "print([k['AccessKeyId'] for k in iam.list_access_keys(UserName='asker')['AccessKeyMetadata']])";
    assert_eq!(moto.python(keys).trim(), format!("['{new}']"));
    // The new one looks principals up.
    let role = json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/builder-1" });
    lessor.write("auth/aws/role/exact", role).await;
    let mut login = signed(&moto, &builder, SERVER, WHO);
    login["role"] = json!("exact");
    lives_and_ends(&lessor, &lessor.write(LOGIN, login).await).await;
}

/// An instance's document in a signed message, and the certificate of its signer, who stands in for AWS.
fn identity_document(instance: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let document = json!({
        "instanceId": instance, "imageId": "ami-1", "accountId": "123456789012", "region": "us-east-1",
        "pendingTime": "2026-11-01T00:00:00Z",
    });
    std::fs::write(folder.path().join("document"), document.to_string()).unwrap();
    for command in [
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=stand-in",
        "smime -sign -binary -nodetach -in document -signer cert.pem -inkey key.pem -outform PEM -out message",
    ] {
        let done =
            std::process::Command::new("openssl").args(command.split(' ')).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
    (read("message"), read("cert.pem"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_let_in_by_its_document_and_again_only_with_its_nonce() {
    let moto = Aws::lenient_moto();
    let run = "print(client('ec2').run_instances(ImageId='ami-12c6146b', MinCount=1, MaxCount=1)['Instances'][0]['InstanceId'])";
    let (message, certificate) = identity_document(moto.python(run).trim());
    let lessor = configured(&moto).await;
    let config = json!({ "access_key": moto.root.0, "secret_key": moto.root.1, "endpoint": moto.endpoint });
    lessor.write("auth/aws/config/client", config).await;
    lessor.write("auth/aws/config/certificate/own", json!({ "aws_public_cert": certificate })).await;
    let role = json!({ "auth_type": "ec2", "bound_region": "us-east-1", "token_policies": "p", "token_ttl": "20m" });
    lessor.write("auth/aws/role/machines", role).await;
    let mut login = json!({ "role": "machines", "pkcs7": message });
    let answer = lessor.write(LOGIN, login.clone()).await;
    assert_eq!(answer["auth"]["policies"], json!(["default", "p"]));
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    let error = refused(&lessor, LOGIN, login.clone(), 400).await;
    assert!(error.contains("client nonce mismatch"), "{error}");
    login["nonce"] = answer["auth"]["metadata"]["nonce"].clone();
    lives_and_ends(&lessor, &lessor.write(LOGIN, login).await).await;
    let listed = lessor.send(Request::list("auth/aws/identity-accesslist")).await.unwrap();
    assert_eq!(listed["data"]["keys"].as_array().unwrap().len(), 1);
    assert_eq!(answer["auth"]["metadata"]["instance_id"], listed["data"]["keys"][0]);
}
