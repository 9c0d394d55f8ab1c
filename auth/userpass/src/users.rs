//! `users/…`: the users, their passwords and policies.
use crate::Userpass;
use crate::hashing::{Hashing, checked};
use lessor_engine::{
    Changes, CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, Secret, TokenParams, TokenRole,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// What is stored under `user/<name>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) password_hash: String,
    pub(crate) token: TokenRole,
}

#[derive(Params)]
pub(crate) struct At {
    /// Name of the user, in lower case.
    username: String,
}

#[derive(Params)]
pub(crate) struct UserParams {
    /// Name of the user, in lower case.
    username: String,
    /// The password, of at most 72 bytes.
    #[param(secret)]
    password: Secret,
    /// Instead of the password: its bcrypt hash.
    #[param(secret)]
    password_hash: Secret,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_bound_cidrs.
    bound_cidrs: Option<CommaList>,
    #[param(flatten)]
    token: TokenParams,
}

#[derive(Params)]
pub(crate) struct PasswordParams {
    /// Name of the user, in lower case.
    username: String,
    /// The password, of at most 72 bytes.
    #[param(secret)]
    password: Secret,
    /// Instead of the password: its bcrypt hash.
    #[param(secret)]
    password_hash: Secret,
}

#[derive(Params)]
pub(crate) struct PolicyParams {
    /// Name of the user, in lower case.
    username: String,
    /// Policies of the user's tokens.
    token_policies: Option<CommaList>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
}

pub(crate) fn key(name: &str) -> String {
    format!("user/{}", name.to_lowercase())
}

fn unknown() -> Error {
    Error::Refused { status: 500, message: "username does not exist".to_owned() }
}

fn neither() -> Error {
    Error::invalid("must provide either password or password_hash")
}

/// The hash to store; `None` where neither was sent.
async fn hash(hashing: &Hashing, password: Secret, password_hash: &Secret) -> Result<Option<String>> {
    match (password.is_empty(), password_hash.is_empty()) {
        (false, false) => Err(Error::invalid("only one of password or password_hash may be provided")),
        (true, true) => Ok(None),
        (false, true) => hashing.hash(password).await.map(Some),
        (true, false) => {
            checked(password_hash.expose())?;
            Ok(Some(password_hash.expose().to_owned()))
        }
    }
}

/// Changes a user; called again with what another writer made of them in the meantime.
async fn change(cx: &Context, name: &str, change: impl Fn(Option<User>) -> Result<User> + Send) -> Result<()> {
    let key = key(name);
    loop {
        let (old, version) = cx.view.get_versioned(&key).await?.map_or((None, None), |(u, v)| (Some(u), Some(v)));
        let changes = Changes::new().put(&key, &change(old)?)?.expect(&key, version);
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done,
        }
    }
}

pub(crate) async fn exists(_: Arc<Userpass>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<User>(&key(&at.username)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Userpass>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("user/").await?))
}

pub(crate) async fn read(_: Arc<Userpass>, cx: Context, at: At) -> Result<Reply> {
    let user: Option<User> = cx.view.get(&key(&at.username)).await?;
    let show = |user: User| {
        let mut shown = user.token.show();
        shown.sort_keys();
        Reply::data(Value::Object(shown))
    };
    Ok(user.map_or_else(Reply::missing, show))
}

pub(crate) async fn write(userpass: Arc<Userpass>, cx: Context, sent: UserParams) -> Result<Reply> {
    let hash = hash(&userpass.hashing, sent.password, &sent.password_hash).await?;
    let old = OldNames {
        policies: sent.policies,
        ttl: sent.ttl,
        max_ttl: sent.max_ttl,
        bound_cidrs: sent.bound_cidrs,
        ..OldNames::default()
    };
    let apply = |user: Option<User>| {
        let mut user = match (user, &hash) {
            (Some(user), None) => user,
            (Some(user), Some(hash)) => User { password_hash: hash.clone(), ..user },
            (None, Some(hash)) => User { password_hash: hash.clone(), token: TokenRole::default() },
            (None, None) => return Err(neither()),
        };
        user.token.apply(sent.token.clone(), old.clone())?;
        Ok(user)
    };
    change(&cx, &sent.username, apply).await?;
    Ok(Reply::empty())
}

pub(crate) async fn delete(_: Arc<Userpass>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.username)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn password(userpass: Arc<Userpass>, cx: Context, sent: PasswordParams) -> Result<Reply> {
    if cx.view.get::<User>(&key(&sent.username)).await?.is_none() {
        return Err(unknown());
    }
    let hash = hash(&userpass.hashing, sent.password, &sent.password_hash).await?.ok_or_else(neither)?;
    let apply = |user: Option<User>| Ok(User { password_hash: hash.clone(), ..user.ok_or_else(unknown)? });
    change(&cx, &sent.username, apply).await?;
    Ok(Reply::empty())
}

pub(crate) async fn policies(_: Arc<Userpass>, cx: Context, sent: PolicyParams) -> Result<Reply> {
    let token = TokenParams { token_policies: sent.token_policies, ..TokenParams::default() };
    let old = OldNames { policies: sent.policies, ..OldNames::default() };
    let apply = |user: Option<User>| {
        let mut user = user.ok_or_else(unknown)?;
        user.token.apply(token.clone(), old.clone())?;
        Ok(user)
    };
    change(&cx, &sent.username, apply).await?;
    Ok(Reply::empty())
}
