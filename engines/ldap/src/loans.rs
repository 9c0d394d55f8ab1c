//! Accounts of a set that are lent: to one borrower at a time, with a new password behind each.
use crate::config::Config;
use crate::library::{Set, key};
use crate::managed::{self, Account, Managed};
use crate::{Engine, account, passwords};
use lessor_engine::{Changes, Context, Credential, Error, Result, Secret, Terms};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::time::Duration;

pub(crate) const NONE_FREE: &str = "No service accounts available for check-out.";

/// Who has an account.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Loan {
    /// Names the loan; an account that was lent anew has another.
    pub(crate) id: String,
    pub(crate) set: String,
    /// A digest of the borrower's token accessor; empty where the token has none.
    pub(crate) token: String,
    pub(crate) entity: String,
    /// The path of the request, which its lease is named by.
    pub(crate) path: String,
}

/// What a lease keeps of a loan.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LoanPlan {
    pub(crate) set: String,
    pub(crate) token: String,
    pub(crate) entity: String,
    pub(crate) path: String,
    /// Known once it is lent.
    #[serde(default)]
    pub(crate) account: String,
}

impl Loan {
    /// What its lease would keep.
    pub(crate) fn plan(&self) -> LoanPlan {
        let Self { set, token, entity, path, .. } = self.clone();
        LoanPlan { set, token, entity, path, account: String::new() }
    }
}

/// The record of an account in a set.
async fn in_set(cx: &Context, name: &str) -> Result<Option<(Account, lessor_storage::Version)>> {
    let (managed, version) = managed::load(cx, name).await?;
    Ok(match (managed, version) {
        (Some(Managed::Library(account)), Some(version)) => Some((account, version)),
        _ => None,
    })
}

fn put(changes: Changes, account: &Account) -> Result<Changes> {
    changes.put(&managed::key(&account.name), &Managed::Library(account.clone()))
}

/// Whether a commit lost against somebody else's.
fn lost(done: Result<()>) -> Result<bool> {
    match done {
        Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => Ok(true),
        done => done.map(|()| false),
    }
}

/// Marks the first free account of the set, in the order of its list.
pub(crate) async fn create(cx: &Context, plan: &LoanPlan, id: &str) -> Result<Credential> {
    let set = Set::load(cx, &plan.set).await?;
    for name in &set.service_account_names {
        // Whoever is faster gets it; then the next one is tried.
        let Some((mut account, version)) = in_set(cx, name).await?.filter(|(account, _)| account.is_free()) else {
            continue;
        };
        account.loan = Some(Loan {
            id: id.to_owned(),
            set: plan.set.clone(),
            token: plan.token.clone(),
            entity: plan.entity.clone(),
            path: plan.path.clone(),
        });
        let changes = Changes::new().expect(&managed::key(name), Some(version));
        if lost(cx.view.commit(put(changes, &account)?).await)? {
            continue;
        }
        let data = Map::from_iter([
            ("service_account_name".to_owned(), json!(account.name)),
            ("password".to_owned(), json!(account.password.expose())),
        ]);
        let kept = LoanPlan { account: account.name.clone(), ..plan.clone() };
        let kept = serde_json::to_value(crate::dynamic::Plan::Loan(kept))?;
        return Ok(Credential { grant_data: Some(kept), ..Credential::new(data) });
    }
    Err(Error::refused(NONE_FREE))
}

impl Account {
    /// Whether it can be lent.
    pub(crate) fn is_free(&self) -> bool {
        self.loan.is_none() && self.pending.is_empty() && !self.password.is_empty()
    }
    /// Whether this loan holds it.
    pub(crate) fn is_lent_as(&self, id: &str) -> bool {
        self.loan.as_ref().is_some_and(|loan| loan.id == id)
    }
}

fn set(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The terms of a set's leases.
pub(crate) fn terms_of(wanted: &Set) -> Terms {
    Terms { default_ttl: set(wanted.ttl), max_ttl: set(wanted.max_ttl) }
}

pub(crate) async fn terms(cx: &Context, plan: &LoanPlan) -> Result<Terms> {
    Ok(terms_of(&Set::load(cx, &plan.set).await?))
}

pub(crate) async fn renew(cx: &Context, plan: &LoanPlan, id: &str) -> Result<()> {
    Set::load(cx, &plan.set).await?;
    let held = in_set(cx, &plan.account).await?.is_some_and(|(account, _)| account.is_lent_as(id));
    if held { Ok(()) } else { Err(Error::invalid(format!("{:?} is not checked out any more", plan.account))) }
}

/// Takes back what the loan holds; nothing, where it was given back before.
pub(crate) async fn revoke(engine: &Engine, cx: &Context, plan: &LoanPlan, id: &str) -> Result<()> {
    if !plan.account.is_empty() {
        return check_in(engine, cx, &plan.account, Some(id)).await.map(drop);
    }
    // Where the lease was never made, the account is looked for.
    let set: Option<Set> = cx.view.get(&key(&plan.set)).await?;
    for name in set.map(|set| set.service_account_names).unwrap_or_default() {
        check_in(engine, cx, &name, Some(id)).await?;
    }
    Ok(())
}

/// Gives an account a new password, then marks it free. `id` is the loan that is meant; without one, an account that is
/// new in its set. Returns whether there was anything to do.
///
/// The password is durable before the directory hears of it: after a crash, whoever comes next sets the same one again,
/// and nobody is lent the account before.
pub(crate) async fn check_in(engine: &Engine, cx: &Context, name: &str, id: Option<&str>) -> Result<bool> {
    let _lock = engine.lock(name).await;
    loop {
        let Some((mut held, mut version)) = in_set(cx, name).await? else { return Ok(false) };
        let meant = match id {
            Some(id) => held.is_lent_as(id),
            None => held.loan.is_none() && !held.is_free(),
        };
        if !meant {
            return Ok(false);
        }
        let (config, directory) = engine.directory(cx).await?;
        if held.pending.is_empty() {
            held.pending = passwords::generate(cx, engine.flavour, &config, "").await?;
            let changes = Changes::new().expect(&managed::key(name), Some(version));
            if lost(cx.view.commit(put(changes, &held)?).await)? {
                continue;
            }
            let Some((current, at)) = in_set(cx, name).await? else { continue };
            if current.pending != held.pending {
                continue;
            }
            version = at;
        }
        set_password(&config, directory.as_ref(), &held).await?;
        let free = Account { password: std::mem::take(&mut held.pending), loan: None, ..held };
        let changes = Changes::new().expect(&managed::key(name), Some(version));
        if !lost(cx.view.commit(put(changes, &free)?).await)? {
            return Ok(true);
        }
    }
}

async fn set_password(config: &Config, directory: &dyn crate::directory::Directory, held: &Account) -> Result<()> {
    let whom = account::Whom { username: &held.name, dn: "" };
    let entry = account::find(directory, config, &whom, &["1.1"]).await?;
    account::reset(directory, config, &entry.dn, &held.pending, config.auto_unlock).await
}

/// Every loan.
pub(crate) async fn held(cx: &Context) -> Result<Vec<Loan>> {
    let mut loans = Vec::new();
    for name in cx.view.list("managed/").await? {
        if let Some(Managed::Library(account)) = cx.view.get(&format!("managed/{name}")).await? {
            loans.extend(account.loan);
        }
    }
    Ok(loans)
}

/// What stands for a token beside the account it borrowed.
pub(crate) fn digest(accessor: &str) -> Secret {
    use aws_lc_rs::digest::{SHA256, digest};
    if accessor.is_empty() {
        return Secret::default();
    }
    Secret::new(format!("sha256-{}", hex::encode(digest(&SHA256, accessor.as_bytes()))))
}

#[cfg(test)]
mod tests;
