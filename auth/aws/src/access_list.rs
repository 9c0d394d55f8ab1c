//! `identity-accesslist/…`: instances that have logged in, and what they have to know to log in again.
use crate::Aws;
use lessor_engine::{Context, Params, Reply, Result, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(crate) const FOLDER: &str = "accesslist/";

/// What is stored under `accesslist/<instance>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) role: String,
    /// Empty where the instance may not log in again.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) nonce: Secret,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// When it may be tidied away.
    pub(crate) expires: Timestamp,
    /// When the instance was last started, as its document said.
    pub(crate) pending: Timestamp,
    pub(crate) disallow_reauthentication: bool,
}

#[derive(Params)]
pub(crate) struct At {
    /// Id of the instance.
    instance_id: String,
}

/// Where an instance's entry is stored.
pub(crate) fn key(instance: &str) -> String {
    format!("{FOLDER}{instance}")
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let Some(entry) = cx.view.get::<Entry>(&key(&at.instance_id)).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "role": entry.role,
        "client_nonce": entry.nonce.expose(),
        "creation_time": entry.created,
        "last_updated_time": entry.updated,
        "expiration_time": entry.expires,
        "pending_time": entry.pending,
        "disallow_reauthentication": entry.disallow_reauthentication,
    })))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.instance_id)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list(FOLDER).await?))
}
