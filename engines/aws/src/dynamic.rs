//! Users that live as long as a lease, and sessions that AWS ends by itself.
use crate::Engine;
use crate::call::{
    AssumeRole, CallError, GroupPolicies, Key, NewUser, Session, SessionPolicy, Temporary, gone_is_fine,
};
use crate::creds::ACCOUNT;
use crate::lease_config;
use crate::roles::Kind;
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use lessor_engine::{Context, Credential, Dynamic, Error, Grant, MadeObject, Result, Terms, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The tag by which users of a mount are found again.
const MARK: &str = "lessor-mount";
/// A user younger than this may exist though IAM does not show it yet.
const SETTLING: Duration = Duration::from_secs(300);

/// What a grant keeps.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Plan {
    User(User),
    Sts(Sts),
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) role: String,
    pub(crate) path: String,
    pub(crate) policy_document: String,
    pub(crate) policy_arns: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) boundary: String,
    pub(crate) wait_until_usable: u32,
    pub(crate) wait_timeout: u64,
    pub(crate) planned: Timestamp,
    /// It was made whole: the name is this mount's. Until then somebody else's user may bear it.
    #[serde(default)]
    pub(crate) made: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sts {
    pub(crate) kind: Kind,
    pub(crate) role: String,
    pub(crate) role_arn: String,
    pub(crate) seconds: u64,
    pub(crate) policy_document: String,
    pub(crate) policy_arns: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) external_id: String,
    pub(crate) mfa_serial: String,
    pub(crate) mfa_code: String,
}

fn answer(key: &Key) -> Map<String, Value> {
    let token = key.token.as_ref().map(lessor_engine::Secret::expose);
    Map::from_iter([
        ("access_key".to_owned(), json!(key.id)),
        ("secret_key".to_owned(), json!(key.secret.expose())),
        ("session_token".to_owned(), json!(token)),
        ("security_token".to_owned(), json!(token)),
    ])
}

/// A user that is there already is ours only with our mark.
async fn create_user(session: &dyn Session, cx: &Context, name: &str, user: &User) -> Result<()> {
    let mut tags = user.tags.clone();
    tags.insert(MARK.to_owned(), cx.mount.uuid.clone());
    let wanted = NewUser { name, path: &user.path, boundary: &user.boundary, tags: &tags };
    match session.create_user(&wanted).await {
        Err(error) if error.is("EntityAlreadyExists") => {
            let tags = session.user_tags(name).await?;
            if tags.get(MARK) == Some(&cx.mount.uuid) { Ok(()) } else { Err(error.into()) }
        }
        other => Ok(other?),
    }
}

async fn delete_keys(session: &dyn Session, name: &str) -> std::result::Result<bool, CallError> {
    match session.list_keys(name).await {
        Ok(keys) => {
            for key in keys {
                gone_is_fine(session.delete_key(name, &key.id).await)?;
            }
            Ok(true)
        }
        Err(error) if error.is("NoSuchEntity") => Ok(false),
        Err(error) => Err(error),
    }
}

impl Engine {
    async fn make_user(&self, cx: &Context, name: &str, user: &User) -> Result<Credential> {
        let root = self.root(cx).await?;
        create_user(root.as_ref(), cx, name, user).await?;
        for arn in &user.policy_arns {
            root.attach_policy(name, arn).await?;
        }
        if !user.policy_document.is_empty() {
            root.put_policy(name, &user.role, &user.policy_document).await?;
        }
        for group in &user.groups {
            root.add_to_group(name, group).await?;
        }
        // A key of an attempt before this one was never answered to anybody.
        delete_keys(root.as_ref(), name).await?;
        let key = root.create_key(name).await?;
        if user.wait_until_usable > 0 {
            self.wait_until_usable(cx, &key, user).await?;
        }
        let made = Plan::User(User { made: true, ..user.clone() });
        Ok(Credential { grant_data: Some(serde_json::to_value(made)?), ..Credential::new(answer(&key)) })
    }

    async fn wait_until_usable(&self, cx: &Context, key: &Key, user: &User) -> Result<()> {
        let session = self.as_key(cx, key.clone()).await?;
        let wait = async {
            let mut accepted = 0;
            while accepted < user.wait_until_usable {
                match session.caller_identity().await {
                    Ok(_) => accepted += 1,
                    Err(_) => accepted = 0,
                }
                if accepted < user.wait_until_usable {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(user.wait_timeout), wait).await.map_err(|_| Error::Refused {
            status: 500,
            message: format!(
                "AWS did not accept the new key {} times in a row within {} s: it was revoked",
                user.wait_until_usable, user.wait_timeout
            ),
        })
    }

    async fn make_session(&self, cx: &Context, name: &str, sts: &Sts) -> Result<Credential> {
        let root = self.root(cx).await?;
        let policy = session_policy(root.as_ref(), sts).await?;
        let duration = Duration::from_secs(sts.seconds);
        let made = match sts.kind {
            Kind::AssumedRole => {
                let wanted = AssumeRole {
                    role_arn: &sts.role_arn,
                    session_name: name,
                    duration,
                    policy: &policy,
                    tags: &sts.tags,
                    external_id: &sts.external_id,
                };
                root.assume_role(&wanted).await
            }
            Kind::FederationToken => root.federation_token(name, duration, &policy).await,
            Kind::SessionToken => {
                let mfa = (!sts.mfa_serial.is_empty()).then_some((sts.mfa_serial.as_str(), sts.mfa_code.as_str()));
                root.session_token(duration, mfa).await
            }
            Kind::IamUser => return Err(Error::Internal("a user is no session".into())),
        };
        let Temporary { key, expires, arn } = made.map_err(|error| packed(error, &policy))?;
        let left = u64::try_from(expires.duration_since(cx.now()).as_secs()).unwrap_or_default();
        let mut data = answer(&key);
        data.insert("ttl".to_owned(), json!(left));
        if !arn.is_empty() {
            data.insert("arn".to_owned(), json!(arn));
        }
        let kept = Sts { mfa_code: String::new(), ..sts.clone() };
        Ok(Credential {
            grant_data: Some(serde_json::to_value(Plan::Sts(kept))?),
            ttl: Some(Duration::from_secs(left)),
            ..Credential::new(data)
        })
    }
}

fn packed(error: CallError, policy: &SessionPolicy) -> Error {
    if !error.is("PackedPolicyTooLarge") {
        return error.into();
    }
    Error::refused(format!("{error} (the merged session policy has {} characters)", policy.document.len()))
}

/// The role's own policy with those of its groups.
async fn session_policy(root: &dyn Session, sts: &Sts) -> Result<SessionPolicy> {
    let mut policy = SessionPolicy { document: sts.policy_document.clone(), arns: sts.policy_arns.clone() };
    let mut documents = Vec::new();
    for group in &sts.groups {
        let GroupPolicies { arns, documents: inline } = root.group_policies(group).await?;
        policy.arns.extend(arns);
        documents.extend(inline);
    }
    if !documents.is_empty() {
        policy.document = merge(&policy.document, &documents)?;
    }
    Ok(policy)
}

/// One policy with the statements of all.
fn merge(own: &str, others: &[String]) -> Result<String> {
    let mut statements = Vec::new();
    let mut take = |text: &str| {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| Error::refused(format!("a policy of a group is not JSON: {error}")))?;
        match &document["Statement"] {
            Value::Array(items) => statements.extend(items.iter().cloned()),
            Value::Null => {}
            one => statements.push(one.clone()),
        }
        Ok::<(), Error>(())
    };
    if !own.is_empty() {
        take(own)?;
    }
    for text in others {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        take(&decoded)?;
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        match grant.read()? {
            Plan::User(user) => self.make_user(cx, &grant.name, &user).await,
            Plan::Sts(sts) => self.make_session(cx, &grant.name, &sts).await,
        }
    }

    async fn terms(&self, cx: &Context, _: &Grant) -> Result<Terms> {
        lease_config::terms(cx).await
    }

    async fn renew(&self, _: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let Plan::User(user) = grant.read()? else { return Ok(()) };
        let root = self.root(cx).await?;
        if !user.made {
            match root.user_tags(&grant.name).await {
                Ok(tags) if tags.get(MARK) != Some(&cx.mount.uuid) => {
                    tracing::warn!(
                        user = grant.name,
                        "the name belongs to a user that this mount did not make: it is left alone"
                    );
                    return Ok(());
                }
                Err(error) if !error.is("NoSuchEntity") => return Err(error.into()),
                _ => {}
            }
        }
        // Keys first, so that access ends even if the rest fails.
        let seen = delete_keys(root.as_ref(), &grant.name).await?;
        let age = Duration::try_from(cx.now().duration_since(user.planned)).unwrap_or_default();
        if !seen && age < SETTLING {
            return Err(Error::refused(format!(
                "IAM does not show the user {} yet: it is looked for again until it is {} minutes old",
                grant.name,
                SETTLING.as_secs() / 60
            )));
        }
        if seen {
            gone_is_fine(root.delete_user(&grant.name).await)?;
        }
        Ok(())
    }

    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let root = self.root(cx).await?;
        let names = root.list_users().await?;
        let asked: Vec<_> = names
            .into_iter()
            .map(|name| {
                let root = root.clone();
                async move {
                    let tags = root.user_tags(&name).await;
                    (name, tags)
                }
            })
            .collect();
        let mut answers = stream::iter(asked).buffer_unordered(4);
        let mut objects = Vec::new();
        while let Some((name, tags)) = answers.next().await {
            match tags {
                Ok(tags) if tags.get(MARK) == Some(&cx.mount.uuid) => {
                    objects.push(MadeObject { target: ACCOUNT.to_owned(), name });
                }
                Err(error) if !error.is("NoSuchEntity") => return Err(error.into()),
                _ => {}
            }
        }
        Ok(objects)
    }

    async fn grant_for(&self, _: &Context, object: &MadeObject) -> Result<Grant> {
        let user = User {
            role: String::new(),
            path: "/".to_owned(),
            policy_document: String::new(),
            policy_arns: Vec::new(),
            groups: Vec::new(),
            tags: BTreeMap::new(),
            boundary: String::new(),
            wait_until_usable: 0,
            wait_timeout: 0,
            planned: Timestamp::UNIX_EPOCH,
            made: true,
        };
        let (target, name) = (object.target.clone(), object.name.clone());
        Ok(Grant { target, name, data: serde_json::to_value(Plan::User(user))?, revocable: true })
    }

    async fn probe(&self, cx: &Context, _: &str) -> Result<()> {
        self.root(cx).await?.caller_identity().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_groups_are_decoded_and_merged() {
        let own = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"a:*"}}"#;
        let other = "%7B%22Statement%22%3A%5B%7B%22Action%22%3A%22b%3A%2B%22%7D%5D%7D".to_owned();
        let merged: Value = serde_json::from_str(&merge(own, &[other]).unwrap()).unwrap();
        assert_eq!(merged["Version"], "2012-10-17");
        assert_eq!(merged["Statement"], json!([{ "Effect": "Allow", "Action": "a:*" }, { "Action": "b:+" }]));
    }
}
