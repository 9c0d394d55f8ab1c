//! The login itself, and what a renewal asks again.
use crate::Github;
use crate::config::Config;
use crate::mapping;
use async_trait::async_trait;
use lessor_engine::auth::policy_names;
use lessor_engine::{
    Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret, TokenSettings, secret,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// The personal token; it has to have the scope read:org.
    #[param(secret)]
    token: Secret,
}

/// [`Login::renewal`]. GitHub tells nobody else about a member's teams, so the token is needed again.
#[derive(Serialize, Deserialize)]
struct Origin {
    #[serde(with = "secret::at_rest")]
    token: Secret,
}

/// A member of the organisation.
struct Member {
    name: String,
    /// Names and slugs of their teams in it.
    teams: Vec<String>,
    token: TokenSettings,
}

async fn look_up(cx: &Context, config: &Config, token: &Secret) -> Result<Member> {
    let api = config.api(token)?;
    let user = api.user().await?;
    let member = |known: &crate::api::Organization| known.id == config.organization_id;
    if !api.organizations().await?.iter().any(member) {
        return Err(Error::invalid("user is not part of required org"));
    }
    let teams = api.teams().await?.into_iter().filter(|team| member(&team.organization));
    let teams: BTreeSet<String> = teams.flat_map(|team| [team.name, team.slug]).collect();
    let teams: Vec<String> = teams.into_iter().collect();
    let mut policies = mapping::policies(cx, &user.login, &teams).await?;
    // What is mapped to the name "default" is everybody's.
    policies.extend(mapping::policies(cx, "default", &["default".to_owned()]).await?);
    let mut settings = config.token.settings.clone();
    policies.extend(settings.policies);
    settings.policies = policy_names(&policies);
    Ok(Member { name: user.login, teams, token: settings })
}

pub(crate) async fn login(_: Arc<Github>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    if !config.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    if sent.token.is_empty() {
        return Err(Error::invalid("missing token"));
    }
    let member = look_up(&cx, &config, &sent.token).await?;
    let metadata =
        BTreeMap::from([("username".to_owned(), member.name.clone()), ("org".to_owned(), config.organization.clone())]);
    Ok(Reply::login(Login {
        display_name: member.name.clone(),
        alias: Some(Alias { name: member.name, metadata: metadata.clone() }),
        groups: member.teams,
        metadata,
        token: member.token,
        renewal: serde_json::to_value(Origin { token: sent.token })?,
        renewable: true,
        ..Login::default()
    }))
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let config = Config::load(cx).await?;
        let member = look_up(cx, &config, &origin.token).await?;
        Ok(Renewed { token: member.token, same_policies: true, groups: Some(member.teams) })
    }
}
