//! `config/identity`: what names an identity alias.
use crate::Aws;
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What an alias is named after.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AliasName {
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

#[derive(Params)]
pub(crate) struct IdentityParams {
    /// role_id, unique_id, canonical_arn or full_arn.
    iam_alias: Option<String>,
}

const KEY: &str = "config/identity";

impl AliasName {
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        Ok(cx.view.get(KEY).await?.unwrap_or_default())
    }
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: IdentityParams) -> Result<Reply> {
    if let Some(word) = sent.iam_alias {
        let wrong = |_| {
            let text =
                format!("invalid iam_alias of {word:?}, must be one of: role_id, unique_id, canonical_arn, full_arn");
            Error::invalid(text)
        };
        let alias: AliasName = serde_json::from_value(json!(word)).map_err(wrong)?;
        cx.view.put(KEY, &alias).await?;
    }
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "iam_alias": AliasName::load(&cx).await? })))
}
