//! The login itself, and what a renewal asks again.
use crate::Ldap;
use crate::config::Config;
use crate::mapping;
use crate::person::{Person, look_up};
use async_trait::async_trait;
use lessor_engine::auth::policy_names;
use lessor_engine::{
    Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret, TokenSettings, secret,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the user.
    username: String,
    /// The password in the directory.
    #[param(secret)]
    password: Secret,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    username: String,
    /// Kept only where nobody can look the person up without it.
    #[serde(with = "secret::at_rest")]
    password: Secret,
}

/// The configuration's token settings, with the policies of a person and their groups.
async fn settings(cx: &Context, config: &Config, name: &str, person: &Person) -> Result<(Vec<String>, TokenSettings)> {
    let (groups, mut policies) = mapping::of(cx, config, name, &person.groups).await?;
    let mut token = config.token.settings.clone();
    policies.extend(token.policies);
    token.policies = policy_names(&policies);
    Ok((groups, token))
}

pub(crate) async fn login(_: Arc<Ldap>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let config = Config::load(&cx).await?;
    if !config.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    // A directory takes an empty password for a login of nobody, and says yes (RFC 4513, 5.1.2).
    if sent.password.is_empty() {
        let text = "password cannot be of zero length when passwordless binds are being denied";
        return Err(Error::BadCredentials(text.to_owned()));
    }
    let name = config.name(&sent.username);
    let person = look_up(&cx, &config, &name, Some(&sent.password)).await?;
    let (groups, token) = settings(&cx, &config, &name, &person).await?;
    let metadata = BTreeMap::from([("username".to_owned(), name.clone())]);
    let password = if config.searches() { Secret::default() } else { sent.password };
    Ok(Reply::login(Login {
        display_name: name.clone(),
        alias: Some(Alias { name: person.alias, metadata: BTreeMap::from([("name".to_owned(), name.clone())]) }),
        groups,
        metadata,
        token,
        renewal: serde_json::to_value(Origin { username: name, password })?,
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
        let password = (!origin.password.is_empty()).then_some(&origin.password);
        let person = look_up(cx, &config, &origin.username, password).await?;
        let (groups, token) = settings(cx, &config, &origin.username, &person).await?;
        Ok(Renewed { token, same_policies: true, groups: Some(groups) })
    }
}
