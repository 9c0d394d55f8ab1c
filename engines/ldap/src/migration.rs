//! `static-migration`: Vault 2 moves static roles to its rotation manager. Here core has always rotated them.
use crate::Engine;
use lessor_engine::{Context, Params, Reply, Result};
use serde_json::json;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Asked {
    /// Whether the answer names the roles.
    include_role_names: Option<bool>,
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let keys = cx.view.keys("static-role/").await?;
    let names: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix("static-role/")).collect();
    let mut data = json!({
        "total_role_count": names.len(),
        "total_successfully_migrated": names.len(),
        "total_remaining": 0,
    });
    if asked.include_role_names == Some(true) {
        data["migrated"] = json!(names);
        data["unmigrated"] = json!([]);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    read(engine, cx, asked).await
}

pub(crate) async fn stop(_: Arc<Engine>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::empty())
}
