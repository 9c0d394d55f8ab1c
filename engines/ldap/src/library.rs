//! `library/<set>`: sets of accounts that are lent, and their check-out and check-in.
use crate::config::Config;
use crate::dynamic::{Plan, TARGET};
use crate::loans::{self, LoanPlan, NONE_FREE};
use crate::managed::{self, Account, Managed};
use crate::names::{InSet, checked};
use crate::{Engine, passwords};
use lessor_engine::{Changes, CommaList, Context, Ended, Error, Grant, Issue, Params, Reply, Result, Seconds, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const DAY: u64 = 24 * 3600;

/// What is kept of a set; its accounts have records of their own.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Set {
    pub(crate) service_account_names: Vec<String>,
    pub(crate) ttl: u64,
    pub(crate) max_ttl: u64,
    pub(crate) disable_check_in_enforcement: bool,
}

pub(crate) fn key(set: &str) -> String {
    format!("library/{set}")
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl Set {
    /// The set of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn load(cx: &Context, name: &str) -> Result<Self> {
        let set = cx.view.get(&key(name)).await?;
        set.ok_or_else(|| Error::invalid(format!("{name:?} doesn't exist")))
    }
    /// Whether the account belongs to it.
    pub(crate) fn has(&self, account: &str) -> bool {
        self.service_account_names.iter().any(|name| same(name, account))
    }
    /// The records of its accounts, in the order of the list.
    async fn accounts(&self, cx: &Context) -> Result<Vec<Account>> {
        let mut accounts = Vec::new();
        for name in &self.service_account_names {
            if let (Some(Managed::Library(account)), _) = managed::load(cx, name).await? {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the set; it may be a path of names.
    set: String,
    /// The accounts.
    service_account_names: Option<CommaList>,
    /// Longest check-out; 0 for no bound.
    ttl: Option<Seconds>,
    /// Longest check-out with all its renewals.
    max_ttl: Option<Seconds>,
    /// Whether anybody may check in what others checked out.
    disable_check_in_enforcement: Option<bool>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: InSet) -> Result<bool> {
    Ok(cx.view.version(&key(&at.set.to_lowercase())).await?.is_some())
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: InSet) -> Result<Reply> {
    let Some(set) = cx.view.get::<Set>(&key(&at.set.to_lowercase())).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(serde_json::to_value(set)?))
}

/// Removes the records of accounts that are not lent.
async fn release(cx: &Context, set: &str, names: &[String], mut changes: Changes) -> Result<Changes> {
    for name in names {
        let (Some(Managed::Library(account)), version) = managed::load(cx, name).await? else { continue };
        if account.set != set {
            continue;
        }
        if account.loan.is_some() {
            return Err(Error::invalid(format!(
                "{name:?} can't be removed from the set because it is currently checked out"
            )));
        }
        changes = changes.expect(&managed::key(name), version).delete(&managed::key(name));
    }
    Ok(changes)
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: InSet) -> Result<Reply> {
    let name = at.set.to_lowercase();
    let Some(set) = cx.view.get::<Set>(&key(&name)).await? else { return Ok(Reply::empty()) };
    let changes = release(&cx, &name, &set.service_account_names, Changes::new().delete(&key(&name))).await?;
    cx.view.commit(changes).await?;
    Ok(Reply::empty())
}

/// Takes accounts into a set: each gets a password, which proves that it is there. They are free only when the set
/// lists them.
async fn enlist(engine: &Engine, cx: &Context, set: &str, names: &[String]) -> Result<()> {
    for name in names {
        let mine = |managed: &Managed| matches!(managed, Managed::Library(account) if account.set == set);
        let version = managed::claimable(cx, name, mine).await?;
        let account = Account {
            set: set.to_owned(),
            name: name.clone(),
            password: Secret::default(),
            pending: Secret::default(),
            loan: None,
        };
        let key = managed::key(name);
        cx.view.commit(Changes::new().expect(&key, version).put(&key, &Managed::Library(account))?).await?;
        loans::check_in(engine, cx, name, None).await?;
    }
    Ok(())
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    let name = checked(&sent.set)?;
    let stored = cx.view.get_versioned::<Set>(&key(&name)).await?;
    let version = stored.as_ref().map(|(_, version)| *version);
    let old = stored.map(|(set, _)| set);
    let mut set = old.clone().unwrap_or_else(|| Set {
        service_account_names: Vec::new(),
        ttl: DAY,
        max_ttl: DAY,
        disable_check_in_enforcement: false,
    });
    if let Some(CommaList(mut names)) = sent.service_account_names {
        let mut seen = Vec::new();
        names.retain(|name| !seen.contains(&name.to_lowercase()) && (seen.push(name.to_lowercase()), true).1);
        set.service_account_names = names;
    }
    for (new, place) in [(sent.ttl, &mut set.ttl), (sent.max_ttl, &mut set.max_ttl)] {
        if let Some(Seconds(seconds)) = new {
            *place = seconds;
        }
    }
    set.disable_check_in_enforcement = sent.disable_check_in_enforcement.unwrap_or(set.disable_check_in_enforcement);
    if set.service_account_names.is_empty() {
        return Err(Error::invalid("\"service_account_names\" must be provided"));
    }
    if set.max_ttl > 0 && set.max_ttl < set.ttl {
        return Err(Error::invalid("max_ttl must be greater than or equal to ttl"));
    }
    Config::load(&cx).await?;
    let before = old.map(|set| set.service_account_names).unwrap_or_default();
    let (kept, gone): (Vec<String>, Vec<String>) = before.into_iter().partition(|name| set.has(name));
    let added: Vec<String> =
        set.service_account_names.iter().filter(|name| !kept.iter().any(|kept| same(kept, name))).cloned().collect();
    // Refused before any password is changed.
    release(&cx, &name, &gone, Changes::new()).await?;
    for account in &added {
        managed::claimable(&cx, account, |managed| matches!(managed, Managed::Library(held) if held.set == name))
            .await?;
    }
    enlist(&engine, &cx, &name, &added).await?;
    let changes = Changes::new().expect(&key(&name), version).put(&key(&name), &set)?;
    cx.view.commit(release(&cx, &name, &gone, changes).await?).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
pub(crate) struct CheckOut {
    /// Name of the set.
    set: String,
    /// How long it is needed, where that is shorter than the set's own.
    ttl: Option<Seconds>,
}

pub(crate) async fn check_out(_: Arc<Engine>, cx: Context, sent: CheckOut) -> Result<Reply> {
    let name = sent.set.to_lowercase();
    let set = Set::load(&cx, &name).await?;
    if !set.accounts(&cx).await?.iter().any(Account::is_free) {
        return Err(Error::invalid(NONE_FREE));
    }
    let asked = sent.ttl.filter(|ttl| ttl.0 > 0 && (set.ttl == 0 || ttl.0 < set.ttl));
    let plan = LoanPlan {
        set: name,
        token: loans::digest(&cx.caller.accessor).expose().to_owned(),
        entity: cx.caller.entity_id.clone(),
        path: cx.path.clone(),
        account: String::new(),
    };
    let data = serde_json::to_value(Plan::Loan(plan))?;
    let grant =
        Grant { target: TARGET.to_owned(), name: format!("loan-{}", passwords::letters(20)), data, revocable: true };
    let ttl = asked.and_then(Seconds::nonzero);
    Ok(Reply::issue(Issue { grant, terms: loans::terms_of(&set), ttl, renewable: true }))
}

#[derive(Params)]
pub(crate) struct CheckIn {
    /// Name of the set.
    set: String,
    /// Which accounts; may be left out where there is exactly one.
    service_account_names: Option<CommaList>,
}

/// Whether the caller is the borrower.
fn is_borrower(cx: &Context, account: &Account) -> bool {
    let Some(loan) = &account.loan else { return false };
    let by_entity = !loan.entity.is_empty() && loan.entity == cx.caller.entity_id;
    by_entity || (!loan.token.is_empty() && loan.token == loans::digest(&cx.caller.accessor).expose())
}

async fn give_back(engine: &Engine, cx: &Context, sent: CheckIn, any: bool) -> Result<Reply> {
    let set = Set::load(cx, &sent.set.to_lowercase()).await?;
    let any = any || set.disable_check_in_enforcement;
    let accounts = set.accounts(cx).await?;
    let meant: Vec<Account> = match sent.service_account_names.map(|names| names.0).filter(|names| !names.is_empty()) {
        Some(names) => {
            let find = |name: &String| {
                let known = accounts.iter().find(|account| same(&account.name, name));
                known.cloned().ok_or_else(|| Error::invalid(format!("{name:?} is not in the set")))
            };
            names.iter().map(find).collect::<Result<_>>()?
        }
        None => {
            let held = accounts.into_iter().filter(|account| account.loan.is_some());
            let meant: Vec<Account> = held.filter(|account| any || is_borrower(cx, account)).collect();
            if meant.len() > 1 {
                return Err(Error::invalid(
                    "when multiple service accounts are checked out, the service_account_names to check in must be provided",
                ));
            }
            meant
        }
    };
    if let Some(other) = meant.iter().find(|account| account.loan.is_some() && !any && !is_borrower(cx, account)) {
        return Err(Error::invalid(format!(
            "{:?} can't be checked in because it wasn't checked out by the caller",
            other.name
        )));
    }
    let mut done: Vec<String> = Vec::new();
    let mut ended: Vec<Ended> = Vec::new();
    for account in meant {
        let Some(loan) = account.loan else { continue };
        if loans::check_in(engine, cx, &account.name, Some(&loan.id)).await? {
            done.push(account.name);
        }
        ended.push(Ended { path: loan.path, name: loan.id });
    }
    Ok(Reply { ended, ..Reply::data(json!({ "check_ins": done })) })
}

pub(crate) async fn check_in(engine: Arc<Engine>, cx: Context, sent: CheckIn) -> Result<Reply> {
    give_back(&engine, &cx, sent, false).await
}

pub(crate) async fn manage(engine: Arc<Engine>, cx: Context, sent: CheckIn) -> Result<Reply> {
    give_back(&engine, &cx, sent, true).await
}

pub(crate) async fn status(_: Arc<Engine>, cx: Context, at: InSet) -> Result<Reply> {
    let set = Set::load(&cx, &at.set.to_lowercase()).await?;
    let mut data = Map::new();
    for account in set.accounts(&cx).await? {
        let mut shown = json!({ "available": account.is_free() });
        if let Some(loan) = account.loan {
            shown["borrower_client_token"] = json!(loan.token);
            if !loan.entity.is_empty() {
                shown["borrower_entity_id"] = json!(loan.entity);
            }
        }
        data.insert(account.name, shown);
    }
    Ok(Reply::data(Value::Object(data)))
}

pub(crate) async fn below(engine: Arc<Engine>, cx: Context, at: InSet) -> Result<Reply> {
    crate::names::sets_below(engine, cx, crate::names::Named { name: at.set }).await
}
