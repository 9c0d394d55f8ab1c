//! `map/teams/…` and `map/users/…`: the policies of teams and people.
use crate::Github;
use lessor_engine::auth::policy_names;
use lessor_engine::{CommaList, Context, Params, Reply, Result};
use serde_json::json;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct At {
    /// Its name, as GitHub writes it in addresses.
    key: String,
}

#[derive(Params)]
pub(crate) struct MapParams {
    /// Its name, as GitHub writes it in addresses.
    key: String,
    /// Policies, separated by commas.
    value: CommaList,
}

fn key(folder: &str, name: &str) -> String {
    format!("{folder}/{}", name.to_lowercase())
}

/// Policies of a user and their teams. Teams have a name and a slug, either of which may be mapped.
pub(crate) async fn policies(cx: &Context, user: &str, teams: &[String]) -> Result<Vec<String>> {
    let mut policies: Vec<String> = cx.view.get(&key("user", user)).await?.unwrap_or_default();
    for team in teams {
        let more: Option<Vec<String>> = cx.view.get(&key("team", team)).await?;
        policies.extend(more.unwrap_or_default());
    }
    Ok(policies)
}

async fn read(cx: &Context, folder: &str, name: &str) -> Result<Reply> {
    let found: Option<Vec<String>> = cx.view.get(&key(folder, name)).await?;
    let show = |policies: Vec<String>| json!({ "key": name.to_lowercase(), "value": policies.join(",") });
    Ok(found.map_or_else(Reply::missing, |policies| Reply::data(show(policies))))
}

async fn write(cx: &Context, folder: &str, sent: &MapParams) -> Result<Reply> {
    cx.view.put(&key(folder, &sent.key), &policy_names(&sent.value)).await?;
    Ok(Reply::empty())
}

async fn delete(cx: &Context, folder: &str, name: &str) -> Result<Reply> {
    cx.view.delete(&key(folder, name)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list_teams(_: Arc<Github>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("team/").await?))
}

pub(crate) async fn list_users(_: Arc<Github>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("user/").await?))
}

pub(crate) async fn read_team(_: Arc<Github>, cx: Context, at: At) -> Result<Reply> {
    read(&cx, "team", &at.key).await
}

pub(crate) async fn read_user(_: Arc<Github>, cx: Context, at: At) -> Result<Reply> {
    read(&cx, "user", &at.key).await
}

pub(crate) async fn write_team(_: Arc<Github>, cx: Context, sent: MapParams) -> Result<Reply> {
    write(&cx, "team", &sent).await
}

pub(crate) async fn write_user(_: Arc<Github>, cx: Context, sent: MapParams) -> Result<Reply> {
    write(&cx, "user", &sent).await
}

pub(crate) async fn delete_team(_: Arc<Github>, cx: Context, at: At) -> Result<Reply> {
    delete(&cx, "team", &at.key).await
}

pub(crate) async fn delete_user(_: Arc<Github>, cx: Context, at: At) -> Result<Reply> {
    delete(&cx, "user", &at.key).await
}
