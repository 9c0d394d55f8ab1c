//! Accounts that belong to a static role or a library set, each to one only: a record by the account's name.
use crate::library::Set;
use crate::loans::Loan;
use lessor_engine::{Context, Error, Result, Secret, secret};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose an account is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "owner")]
pub(crate) enum Managed {
    Static { role: String },
    Library(Account),
}

/// An account of a set.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) set: String,
    /// As it was written.
    pub(crate) name: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) password: Secret,
    /// On its way to the directory; whoever finds it there goes on with it.
    #[serde(with = "secret::at_rest", default, skip_serializing_if = "Secret::is_empty")]
    pub(crate) pending: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loan: Option<Loan>,
}

/// Names of accounts mean the same in every case of letters.
pub(crate) fn key(account: &str) -> String {
    format!("managed/{}", hex::encode(account.to_lowercase()))
}

/// The record of an account, with its version.
pub(crate) async fn load(cx: &Context, account: &str) -> Result<(Option<Managed>, Option<Version>)> {
    let found = cx.view.get_versioned(&key(account)).await?;
    Ok(found.map_or((None, None), |(managed, version)| (Some(managed), Some(version))))
}

/// Whether the record stands for something: what a failed creation left does not.
async fn is_real(cx: &Context, managed: &Managed, account: &str) -> Result<bool> {
    match managed {
        Managed::Static { role } => {
            let role: Option<Value> = cx.view.get(&crate::static_roles::key(role)).await?;
            Ok(role.is_some())
        }
        Managed::Library(held) => {
            let set: Option<Set> = cx.view.get(&crate::library::key(&held.set)).await?;
            Ok(held.loan.is_some() || set.is_some_and(|set| set.has(account)))
        }
    }
}

/// The version to claim an account over.
///
/// # Errors
/// When it is somebody else's; `mine` tells whose it may be.
pub(crate) async fn claimable(cx: &Context, account: &str, mine: impl Fn(&Managed) -> bool) -> Result<Option<Version>> {
    let (managed, version) = load(cx, account).await?;
    if let Some(managed) = managed
        && !mine(&managed)
        && is_real(cx, &managed, account).await?
    {
        return Err(Error::invalid(format!("{account:?} is already managed by the secrets engine")));
    }
    Ok(version)
}
