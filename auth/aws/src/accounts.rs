//! `config/sts/…`: the roles by which other accounts are asked.
use crate::Aws;
use crate::principal::{Kind, Principal};
use lessor_engine::{Context, Error, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What is stored under `config/sts/<account>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) sts_role: String,
    /// Empty where the role asks for none.
    pub(crate) external_id: String,
}

#[derive(Params)]
pub(crate) struct At {
    /// The account, by its number.
    account_id: String,
}

#[derive(Params)]
pub(crate) struct AccountParams {
    /// The account, by its number.
    account_id: String,
    /// ARN of the role that is taken on to ask this account.
    sts_role: Option<String>,
    /// What the role's trust policy asks for, where it asks for an external id.
    external_id: Option<String>,
}

const FOLDER: &str = "config/sts/";

/// Where an account's role is stored.
pub(crate) fn key(account: &str) -> String {
    format!("{FOLDER}{account}")
}

fn check(account: &Account) -> Result<()> {
    if account.sts_role.is_empty() {
        return Err(Error::invalid("sts role cannot be empty"));
    }
    let is_role = |found: Principal| found.kind == Kind::Role && found.session.is_none();
    if Principal::parse(&account.sts_role).is_some_and(is_role) {
        return Ok(());
    }
    Err(Error::invalid("sts_role is no ARN of a role: use one like arn:aws:iam::123456789012:role/name"))
}

pub(crate) async fn exists(_: Arc<Aws>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.version(&key(&at.account_id)).await?.is_some())
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: AccountParams) -> Result<Reply> {
    let old: Option<Account> = cx.view.get(&key(&sent.account_id)).await?;
    let (old_role, old_id) = old.map(|old| (old.sts_role, old.external_id)).unzip();
    let sts_role = sent.sts_role.or(old_role).ok_or_else(|| Error::invalid("missing sts role"))?;
    let account = Account { sts_role, external_id: sent.external_id.or(old_id).unwrap_or_default() };
    check(&account)?;
    cx.view.put(&key(&sent.account_id), &account).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let Some(account) = cx.view.get::<Account>(&key(&at.account_id)).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({ "sts_role": account.sts_role, "external_id": account.external_id })))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.account_id)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list(FOLDER).await?))
}
