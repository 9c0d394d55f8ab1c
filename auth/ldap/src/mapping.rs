//! `groups/…` and `users/…`: the policies of the directory's groups and people.
use crate::Ldap;
use crate::config::Config;
use lessor_engine::auth::policy_names;
use lessor_engine::{CommaList, Context, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is stored under `group/<name>` and `user/<name>`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Mapping {
    policies: Vec<String>,
    /// Of users: groups they are in beside those of the directory.
    groups: Vec<String>,
}

#[derive(Params)]
pub(crate) struct At {
    /// Its name.
    name: String,
}

#[derive(Params)]
pub(crate) struct GroupParams {
    /// Its name.
    name: String,
    /// Policies of its members.
    policies: CommaList,
}

#[derive(Params)]
pub(crate) struct UserParams {
    /// Name of the user.
    name: String,
    /// Policies of the user.
    policies: CommaList,
    /// Groups the user is in, beside those of the directory.
    groups: CommaList,
}

/// Names are lower-case unless the configuration tells Bob from bob.
async fn key(cx: &Context, folder: &str, name: &str) -> Result<String> {
    let config = Config::load(cx).await.ok();
    let name = config.map_or_else(|| name.to_lowercase(), |config| config.name(name));
    Ok(format!("{folder}/{name}"))
}

/// Groups and policies that somebody has by what is written here: the directory's groups in, all of both out.
pub(crate) async fn of(
    cx: &Context,
    config: &Config,
    user: &str,
    groups: &[String],
) -> Result<(Vec<String>, Vec<String>)> {
    let user: Mapping = cx.view.get(&format!("user/{}", config.name(user))).await?.unwrap_or_default();
    let groups: BTreeSet<String> = groups.iter().chain(&user.groups).cloned().collect();
    let mut policies = user.policies;
    for group in &groups {
        let group: Mapping = cx.view.get(&format!("group/{}", config.name(group))).await?.unwrap_or_default();
        policies.extend(group.policies);
    }
    Ok((groups.into_iter().collect(), policies))
}

pub(crate) async fn list_groups(_: Arc<Ldap>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("group/").await?))
}

pub(crate) async fn list_users(_: Arc<Ldap>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("user/").await?))
}

pub(crate) async fn read_group(_: Arc<Ldap>, cx: Context, at: At) -> Result<Reply> {
    let group: Option<Mapping> = cx.view.get(&key(&cx, "group", &at.name).await?).await?;
    Ok(group.map_or_else(Reply::missing, |group| Reply::data(json!({ "policies": group.policies }))))
}

pub(crate) async fn read_user(_: Arc<Ldap>, cx: Context, at: At) -> Result<Reply> {
    let user: Option<Mapping> = cx.view.get(&key(&cx, "user", &at.name).await?).await?;
    let show = |user: Mapping| json!({ "groups": user.groups.join(","), "policies": user.policies });
    Ok(user.map_or_else(Reply::missing, |user| Reply::data(show(user))))
}

pub(crate) async fn write_group(_: Arc<Ldap>, cx: Context, sent: GroupParams) -> Result<Reply> {
    let group = Mapping { policies: policy_names(&sent.policies), groups: Vec::new() };
    cx.view.put(&key(&cx, "group", &sent.name).await?, &group).await?;
    Ok(Reply::empty())
}

pub(crate) async fn write_user(_: Arc<Ldap>, cx: Context, sent: UserParams) -> Result<Reply> {
    let sensitive = Config::load(&cx).await.is_ok_and(|config| config.case_sensitive_names);
    let name = |group: &String| if sensitive { group.clone() } else { group.to_lowercase() };
    let groups: BTreeSet<String> = sent.groups.iter().map(name).collect();
    let user = Mapping { policies: policy_names(&sent.policies), groups: groups.into_iter().collect() };
    cx.view.put(&key(&cx, "user", &sent.name).await?, &user).await?;
    Ok(Reply::empty())
}

pub(crate) async fn delete_group(_: Arc<Ldap>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&cx, "group", &at.name).await?).await?;
    Ok(Reply::empty())
}

pub(crate) async fn delete_user(_: Arc<Ldap>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&cx, "user", &at.name).await?).await?;
    Ok(Reply::empty())
}
