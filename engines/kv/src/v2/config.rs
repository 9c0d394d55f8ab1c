//! `config`: settings for every secret of the mount.
use super::{params::count, store::Store};
use lessor_engine::{Context, Params, Reply, Result, Seconds, duration};
use serde_json::json;
use std::{sync::Arc, time::Duration};

#[derive(Params)]
pub(super) struct Write {
    /// How many versions of a secret are kept; 0 means 10.
    max_versions: Option<i64>,
    /// Whether every write must name the version that is current.
    cas_required: Option<bool>,
    /// How long a version lives before it is deleted; 0 means forever.
    delete_version_after: Option<Seconds>,
    /// Whether every write of a secret's settings must name the version of them that is current.
    metadata_cas_required: Option<bool>,
}

pub(super) async fn read(store: Arc<Store>, cx: Context, (): ()) -> Result<Reply> {
    let config = store.config(&cx).await?;
    Ok(Reply::data(json!({
        "cas_required": config.cas_required,
        "delete_version_after": duration::go_string(Duration::from_secs(config.delete_version_after)),
        "max_versions": config.max_versions,
        "metadata_cas_required": config.metadata_cas_required,
    })))
}

pub(super) async fn write(store: Arc<Store>, cx: Context, write: Write) -> Result<Reply> {
    let max_versions = write.max_versions.map(|value| count("max_versions", value)).transpose()?;
    let change = |config: &mut super::record::Config| {
        config.max_versions = max_versions.unwrap_or(config.max_versions);
        config.cas_required = write.cas_required.unwrap_or(config.cas_required);
        config.metadata_cas_required = write.metadata_cas_required.unwrap_or(config.metadata_cas_required);
        config.delete_version_after = write.delete_version_after.map_or(config.delete_version_after, |after| after.0);
    };
    store.change_config(&cx, change).await?;
    Ok(Reply::empty())
}
