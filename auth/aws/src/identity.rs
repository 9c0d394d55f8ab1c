//! `config/identity`: what names an identity alias, and what is said of whoever logged in.
use crate::Aws;
use crate::metadata::{EC2, IAM, Shown};
use lessor_engine::{CommaList, Context, Error, Params, Reply, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What the alias of an IAM principal is named after.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IamAlias {
    /// The role: everybody of a role is one entity.
    #[default]
    RoleId,
    /// The id that AWS never uses again.
    UniqueId,
    /// The principal, without the session.
    CanonicalArn,
    /// The principal with its session.
    FullArn,
}

/// What the alias of an instance is named after.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) enum Ec2Alias {
    /// The role: everybody of a role is one entity.
    #[default]
    #[serde(rename = "role_id")]
    Role,
    /// The instance.
    #[serde(rename = "instance_id")]
    Instance,
    /// The image it was started from.
    #[serde(rename = "image_id")]
    Image,
}

/// What is stored under `config/identity`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    pub(crate) iam_alias: IamAlias,
    pub(crate) iam_metadata: Shown,
    pub(crate) ec2_alias: Ec2Alias,
    pub(crate) ec2_metadata: Shown,
}

#[derive(Params)]
pub(crate) struct IdentityParams {
    /// What names the alias of an IAM principal: role_id (the default), unique_id, canonical_arn or full_arn.
    iam_alias: Option<String>,
    /// What is said of an IAM principal, to audit and with its alias; default alone stands for what is usual.
    iam_metadata: Option<CommaList>,
    /// What names the alias of an instance: role_id (the default), instance_id or image_id.
    ec2_alias: Option<String>,
    /// What is said of an instance, to audit and with its alias; default alone stands for what is usual.
    ec2_metadata: Option<CommaList>,
}

const KEY: &str = "config/identity";
const IAM_WORDS: &str = "role_id, unique_id, canonical_arn, full_arn";
const EC2_WORDS: &str = "role_id, instance_id, image_id";

impl Identity {
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        Ok(cx.view.get(KEY).await?.unwrap_or_default())
    }
}

fn alias<T: DeserializeOwned>(field: &str, word: &str, words: &str) -> Result<T> {
    let wrong = |_| Error::invalid(format!("invalid {field} of {word:?}, must be one of: {words}"));
    serde_json::from_value(json!(word)).map_err(wrong)
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: IdentityParams) -> Result<Reply> {
    let mut identity = Identity::load(&cx).await?;
    if let Some(word) = sent.iam_alias {
        identity.iam_alias = alias("iam_alias", &word, IAM_WORDS)?;
    }
    if let Some(word) = sent.ec2_alias {
        identity.ec2_alias = alias("ec2_alias", &word, EC2_WORDS)?;
    }
    if let Some(names) = sent.iam_metadata {
        identity.iam_metadata = Shown::parse("iam_metadata", &IAM, &names.0)?;
    }
    if let Some(names) = sent.ec2_metadata {
        identity.ec2_metadata = Shown::parse("ec2_metadata", &EC2, &names.0)?;
    }
    cx.view.put(KEY, &identity).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    let identity = Identity::load(&cx).await?;
    Ok(Reply::data(json!({
        "iam_alias": identity.iam_alias,
        "iam_metadata": identity.iam_metadata.names(),
        "ec2_alias": identity.ec2_alias,
        "ec2_metadata": identity.ec2_metadata.names(),
    })))
}
