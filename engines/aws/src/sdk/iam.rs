//! IAM.
use super::convert::{failed, incomplete, time};
use crate::call::{Answer, GroupPolicies, Key, ListedKey, NewUser, User, gone_is_fine};
use aws_sdk_iam::Client;
use aws_sdk_iam::types::Tag;
use lessor_engine::Secret;
use std::collections::BTreeMap;

/// Follows a list to its end; most of IAM's answers come in pages.
macro_rules! paged {
    ($call:expr, $answer:ident => $items:expr) => {{
        let mut found = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let $answer = $call.set_marker(marker.take()).send().await.map_err(|error| failed(&error))?;
            found.extend($items);
            match $answer.marker() {
                Some(next) if $answer.is_truncated() => marker = Some(next.to_owned()),
                _ => break,
            }
        }
        found
    }};
}

pub(super) async fn get_user(client: &Client, name: Option<&str>) -> Answer<User> {
    let call = client.get_user().set_user_name(name.map(str::to_owned));
    let answer = call.send().await.map_err(|error| failed(&error))?;
    let user = answer.user().ok_or_else(|| incomplete("a user"))?;
    Ok(User { name: user.user_name().to_owned(), id: user.user_id().to_owned() })
}

pub(super) async fn create_user(client: &Client, user: &NewUser<'_>) -> Answer<()> {
    let mut call = client.create_user().user_name(user.name).path(user.path);
    if !user.boundary.is_empty() {
        call = call.permissions_boundary(user.boundary);
    }
    for (key, value) in user.tags {
        call = call.tags(Tag::builder().key(key).value(value).build().map_err(|_| incomplete("a tag's name"))?);
    }
    call.send().await.map_err(|error| failed(&error)).map(drop)
}

pub(super) async fn user_tags(client: &Client, name: &str) -> Answer<BTreeMap<String, String>> {
    let tags = paged!(client.list_user_tags().user_name(name), answer => answer.tags().to_vec());
    Ok(tags.into_iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
}

pub(super) async fn list_users(client: &Client) -> Answer<Vec<String>> {
    let users = paged!(client.list_users(), answer => answer.users().to_vec());
    Ok(users.into_iter().map(|user| user.user_name().to_owned()).collect())
}

pub(super) async fn attach_policy(client: &Client, user: &str, arn: &str) -> Answer<()> {
    let call = client.attach_user_policy().user_name(user).policy_arn(arn);
    call.send().await.map_err(|error| failed(&error)).map(drop)
}

pub(super) async fn put_policy(client: &Client, user: &str, name: &str, document: &str) -> Answer<()> {
    let call = client.put_user_policy().user_name(user).policy_name(name).policy_document(document);
    call.send().await.map_err(|error| failed(&error)).map(drop)
}

pub(super) async fn add_to_group(client: &Client, user: &str, group: &str) -> Answer<()> {
    let call = client.add_user_to_group().user_name(user).group_name(group);
    call.send().await.map_err(|error| failed(&error)).map(drop)
}

pub(super) async fn list_keys(client: &Client, user: &str) -> Answer<Vec<ListedKey>> {
    let keys = paged!(client.list_access_keys().user_name(user), answer => answer.access_key_metadata().to_vec());
    Ok(keys
        .into_iter()
        .filter_map(|key| {
            let created = key.create_date().map(time).unwrap_or_default();
            Some(ListedKey { id: key.access_key_id()?.to_owned(), created })
        })
        .collect())
}

pub(super) async fn create_key(client: &Client, user: &str) -> Answer<Key> {
    let answer = client.create_access_key().user_name(user).send().await.map_err(|error| failed(&error))?;
    let key = answer.access_key().ok_or_else(|| incomplete("an access key"))?;
    Ok(Key { id: key.access_key_id().to_owned(), secret: Secret::new(key.secret_access_key()), token: None })
}

pub(super) async fn delete_key(client: &Client, user: &str, id: &str) -> Answer<()> {
    let call = client.delete_access_key().user_name(user).access_key_id(id);
    call.send().await.map_err(|error| failed(&error)).map(drop)
}

/// Removes what IAM would otherwise answer `DeleteConflict` for, then the user.
pub(super) async fn delete_user(client: &Client, user: &str) -> Answer<()> {
    for policy in
        paged!(client.list_attached_user_policies().user_name(user), answer => answer.attached_policies().to_vec())
    {
        let call = client.detach_user_policy().user_name(user).policy_arn(policy.policy_arn().unwrap_or_default());
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
    }
    for policy in paged!(client.list_user_policies().user_name(user), answer => answer.policy_names().to_vec()) {
        let call = client.delete_user_policy().user_name(user).policy_name(policy);
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
    }
    for group in paged!(client.list_groups_for_user().user_name(user), answer => answer.groups().to_vec()) {
        let call = client.remove_user_from_group().user_name(user).group_name(group.group_name());
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
    }
    let first = client.delete_user().user_name(user).send().await.map_err(|error| failed(&error)).map(drop);
    match first {
        Err(error) if error.is("DeleteConflict") => {}
        other => return other,
    }
    // Only now: most users have none of these, and IAM is slow.
    remove_additions(client, user).await?;
    client.delete_user().user_name(user).send().await.map_err(|error| failed(&error)).map(drop)
}

/// What people add to a user behind our back.
async fn remove_additions(client: &Client, user: &str) -> Answer<()> {
    let profile = client.delete_login_profile().user_name(user).send().await;
    gone_is_fine(profile.map_err(|error| failed(&error)).map(drop))?;
    for device in paged!(client.list_mfa_devices().user_name(user), answer => answer.mfa_devices().to_vec()) {
        let serial = device.serial_number();
        let call = client.deactivate_mfa_device().user_name(user).serial_number(serial);
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
        if serial.starts_with("arn:") {
            let call = client.delete_virtual_mfa_device().serial_number(serial);
            gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
        }
    }
    for certificate in
        paged!(client.list_signing_certificates().user_name(user), answer => answer.certificates().to_vec())
    {
        let call = client.delete_signing_certificate().user_name(user).certificate_id(certificate.certificate_id());
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
    }
    for key in paged!(client.list_ssh_public_keys().user_name(user), answer => answer.ssh_public_keys().to_vec()) {
        let call = client.delete_ssh_public_key().user_name(user).ssh_public_key_id(key.ssh_public_key_id());
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
    }
    let specific = client.list_service_specific_credentials().user_name(user).send().await;
    let specific = specific.map_err(|error| failed(&error))?;
    for credential in specific.service_specific_credentials() {
        let id = credential.service_specific_credential_id();
        let call = client.delete_service_specific_credential().user_name(user).service_specific_credential_id(id);
        gone_is_fine(call.send().await.map_err(|error| failed(&error)).map(drop))?;
    }
    Ok(())
}

pub(super) async fn group_policies(client: &Client, group: &str) -> Answer<GroupPolicies> {
    let attached =
        paged!(client.list_attached_group_policies().group_name(group), answer => answer.attached_policies().to_vec());
    let names = paged!(client.list_group_policies().group_name(group), answer => answer.policy_names().to_vec());
    let mut documents = Vec::new();
    for name in names {
        let call = client.get_group_policy().group_name(group).policy_name(name);
        documents.push(call.send().await.map_err(|error| failed(&error))?.policy_document().to_owned());
    }
    let arns = attached.iter().filter_map(|policy| policy.policy_arn().map(str::to_owned)).collect();
    Ok(GroupPolicies { arns, documents })
}
