//! The login itself, and what a renewal asks again.
use crate::Userpass;
use crate::users::{User, key};
use async_trait::async_trait;
use lessor_engine::{Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the user, in lower case.
    username: String,
    /// The password.
    #[param(secret)]
    password: Secret,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    username: String,
}

const WRONG: &str = "invalid username or password";

pub(crate) async fn login(userpass: Arc<Userpass>, cx: Context, sent: LoginParams) -> Result<Reply> {
    if sent.password.is_empty() {
        return Err(Error::invalid("missing password"));
    }
    let name = sent.username.to_lowercase();
    let user: Option<User> = cx.view.get(&key(&name)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let right = userpass.hashing.is(sent.password, hash).await?;
    // Only those who are there can be locked out: whoever guesses names would fill the list otherwise.
    let Some(user) = user else { return Err(Error::invalid(WRONG)) };
    if !right {
        return Err(Error::BadCredentials(WRONG.to_owned()));
    }
    let token = user.token.settings;
    if !token.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let metadata = BTreeMap::from([("username".to_owned(), name.clone())]);
    Ok(Reply::login(Login {
        display_name: name.clone(),
        alias: Some(Alias { name: name.clone(), metadata: metadata.clone() }),
        metadata,
        token,
        renewal: json!(Origin { username: name }),
        renewable: true,
        ..Login::default()
    }))
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let user: Option<User> = cx.view.get(&key(&origin.username)).await?;
        let gone = || Error::invalid(format!("user {} does not exist during renewal", origin.username));
        let token = user.ok_or_else(gone)?.token.settings;
        Ok(Renewed { token, same_policies: true, groups: None })
    }
}
