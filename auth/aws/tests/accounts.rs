//! Principals of other accounts are looked up through a role of theirs.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod moto;
#[path = "../../support.rs"]
mod support;

use lessor_auth_aws::AwsFactory;
use moto::Moto;
use serde_json::{Value, json};
use support::Method;

const THERE: &str = "999999999999";

/// A user of another account, as whom nobody here has a key.
fn user_there(moto: &Moto) -> String {
    moto.python(&format!(
        "c = sts.assume_role(RoleArn='arn:aws:iam::{THERE}:role/door', RoleSessionName='setup')['Credentials']\n\
         key = (c['AccessKeyId'], c['SecretAccessKey'], c['SessionToken'])\n\
         there = client('iam')\n\
         print(there.create_user(UserName='eve')['User']['UserId'])"
    ))
}

#[tokio::test]
async fn an_account_is_asked_through_its_own_role() {
    let moto = Moto::start();
    let id = user_there(&moto);
    let method = Method::new(&AwsFactory);
    let (key, secret, at) = (&moto.root.id, &moto.root.secret, &moto.endpoint);
    let config = json!({ "access_key": key, "secret_key": secret, "iam_endpoint": at, "sts_endpoint": at });
    method.write("config/client", config).await;
    let role = json!({ "bound_iam_principal_arn": format!("arn:aws:iam::{THERE}:user/eve") });
    let (status, error) = method.refused("role/r", role.clone()).await;
    assert!(status == 400 && error.contains("NoSuchEntity"), "{error}");
    let door = json!({ "sts_role": format!("arn:aws:iam::{THERE}:role/door"), "external_id": "x-1" });
    method.write(&format!("config/sts/{THERE}"), door.clone()).await;
    method.write("role/r", role.clone()).await;
    assert_eq!(method.read("role/r").await["bound_iam_principal_id"], json!([id]));
    // A role that leads somewhere else finds nobody there, and its answer is not believed.
    let wrong = json!({ "sts_role": "arn:aws:iam::888888888888:role/door" });
    method.write(&format!("config/sts/{THERE}"), wrong).await;
    let (status, error) = method.refused("role/other", role).await;
    assert!(status == 400 && error.contains("NoSuchEntity"), "{error}");
}

/// An STS that refuses whoever asks first; what it was asked.
fn refusing() -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("Action=") {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..length]);
        }
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error>\
                    </ErrorResponse>";
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_told_its_external_id_and_its_refusal_is_passed_on() {
    let (address, asked) = refusing();
    let method = Method::new(&AwsFactory);
    let config = json!({
        "access_key": "AKIA", "secret_key": "s", "iam_endpoint": address, "sts_endpoint": address, "max_retries": 0,
    });
    method.write("config/client", config).await;
    let door = json!({ "sts_role": format!("arn:aws:iam::{THERE}:role/door"), "external_id": "x-1" });
    method.write(&format!("config/sts/{THERE}"), door).await;
    let role = json!({ "bound_iam_principal_arn": format!("arn:aws:iam::{THERE}:user/eve") });
    let (status, error) = method.refused("role/r", role).await;
    let asked = asked.join().unwrap();
    assert!(asked.contains("Action=AssumeRole") && asked.contains("ExternalId=x-1"), "{asked}");
    assert!(asked.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A999999999999%3Arole%2Fdoor"), "{asked}");
    assert!(status == 400 && error.contains("unable to resolve ARN"), "{status} {error}");
    assert!(error.ends_with("AccessDenied: not you"), "{error}");
    assert_eq!(method.read("role/r").await, Value::Null);
}

#[tokio::test]
async fn a_configured_account_is_read_back_listed_and_deleted() {
    let method = Method::new(&AwsFactory);
    let at = format!("config/sts/{THERE}");
    for (fields, text) in [
        (json!({}), "missing sts role"),
        (json!({ "sts_role": "" }), "sts role cannot be empty"),
        (json!({ "sts_role": "arn:aws:iam::1:user/x" }), "is no ARN of a role"),
    ] {
        let (status, error) = method.refused(&at, fields).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
    let role = format!("arn:aws:iam::{THERE}:role/door");
    method.write(&at, json!({ "sts_role": role })).await;
    assert_eq!(method.read(&at).await, json!({ "sts_role": role, "external_id": "" }));
    method.write(&at, json!({ "external_id": "x" })).await;
    assert_eq!(method.read(&at).await, json!({ "sts_role": role, "external_id": "x" }));
    assert_eq!(method.list("config/sts").await, [THERE]);
    method.delete(&at).await;
    assert_eq!(method.read(&at).await, Value::Null);
}
