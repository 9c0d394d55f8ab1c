//! STS.
use super::convert::{failed, incomplete, time};
use crate::call::{Answer, AssumeRole, Key, SessionPolicy, Temporary};
use aws_sdk_sts::Client;
use aws_sdk_sts::types::{Credentials, PolicyDescriptorType, Tag};
use lessor_engine::Secret;
use std::time::Duration;

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn descriptors(policy: &SessionPolicy) -> Option<Vec<PolicyDescriptorType>> {
    let all = policy.arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build());
    (!policy.arns.is_empty()).then(|| all.collect())
}

fn document(policy: &SessionPolicy) -> Option<String> {
    (!policy.document.is_empty()).then(|| policy.document.clone())
}

pub(super) fn temporary(credentials: Option<&Credentials>, arn: &str) -> Answer<Temporary> {
    let credentials = credentials.ok_or_else(|| incomplete("credentials"))?;
    Ok(Temporary {
        key: Key {
            id: credentials.access_key_id().to_owned(),
            secret: Secret::new(credentials.secret_access_key()),
            token: Some(Secret::new(credentials.session_token())),
        },
        expires: time(credentials.expiration()),
        arn: arn.to_owned(),
    })
}

pub(super) async fn caller_identity(client: &Client) -> Answer<String> {
    let answer = client.get_caller_identity().send().await.map_err(|error| failed(&error))?;
    Ok(answer.arn().unwrap_or_default().to_owned())
}

pub(super) async fn assume_role(client: &Client, wanted: &AssumeRole<'_>) -> Answer<Temporary> {
    let mut call = client
        .assume_role()
        .role_arn(wanted.role_arn)
        .role_session_name(wanted.session_name)
        .duration_seconds(seconds(wanted.duration))
        .set_policy(document(wanted.policy))
        .set_policy_arns(descriptors(wanted.policy));
    if !wanted.external_id.is_empty() {
        call = call.external_id(wanted.external_id);
    }
    for (key, value) in wanted.tags {
        let tag = Tag::builder().key(key).value(value).build().map_err(|_| incomplete("a tag's name"))?;
        call = call.tags(tag);
    }
    let answer = call.send().await.map_err(|error| failed(&error))?;
    let arn = answer.assumed_role_user().map_or("", |user| user.arn());
    temporary(answer.credentials(), arn)
}

pub(super) async fn federation_token(
    client: &Client,
    name: &str,
    duration: Duration,
    policy: &SessionPolicy,
) -> Answer<Temporary> {
    let call = client.get_federation_token().name(name).duration_seconds(seconds(duration));
    let call = call.set_policy(document(policy)).set_policy_arns(descriptors(policy));
    let answer = call.send().await.map_err(|error| failed(&error))?;
    temporary(answer.credentials(), "")
}

pub(super) async fn session_token(client: &Client, duration: Duration, mfa: Option<(&str, &str)>) -> Answer<Temporary> {
    let mut call = client.get_session_token().duration_seconds(seconds(duration));
    if let Some((serial, code)) = mfa {
        call = call.serial_number(serial).token_code(code);
    }
    let answer = call.send().await.map_err(|error| failed(&error))?;
    temporary(answer.credentials(), "")
}
