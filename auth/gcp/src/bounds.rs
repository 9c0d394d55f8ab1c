//! `role/…/service-accounts` and `role/…/labels`: single bounds added and removed, without a read between.
use crate::Gcp;
use crate::role::{Kind, Role};
use lessor_engine::{CommaList, Context, Error, Params, Reply, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct EditParams {
    /// Name of the role, in lower case.
    name: String,
    /// What is added.
    add: CommaList,
    /// What is removed.
    remove: CommaList,
}

/// Sorted, each once.
pub(crate) fn each_once(list: &[String]) -> Vec<String> {
    list.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Labels as they are sent: `key:value`.
pub(crate) fn labels_of(list: &[String]) -> Result<BTreeMap<String, String>> {
    let label = |text: &String| match text.split_once(':') {
        Some((key, value)) if !key.trim().is_empty() && !value.contains(':') => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(Error::invalid(format!("label {text:?} is not of the form key:value"))),
    };
    list.iter().map(label).collect()
}

/// The role, where there is one of this kind.
fn of_kind(role: Option<Role>, name: &str, kind: Kind) -> Result<Role> {
    let role = role.ok_or_else(|| Error::invalid(format!("role {name:?} not found")))?;
    if role.kind == kind {
        return Ok(role);
    }
    Err(Error::invalid(format!("role {name:?} is of type {}: this is for {}", role.kind.word(), kind.word())))
}

fn check(sent: &EditParams) -> Result<()> {
    if sent.add.is_empty() && sent.remove.is_empty() {
        return Err(Error::invalid("must provide at least one value in add or remove"));
    }
    Ok(())
}

pub(crate) async fn accounts(_: Arc<Gcp>, cx: Context, sent: EditParams) -> Result<Reply> {
    check(&sent)?;
    let change = |old| {
        let mut role = of_kind(old, &sent.name, Kind::Iam)?;
        role.accounts.extend(sent.add.0.iter().cloned());
        role.accounts.retain(|one| !sent.remove.contains(one));
        role.accounts = each_once(&role.accounts);
        role.check().map(|()| role)
    };
    Role::change(&cx, &sent.name, change).await?;
    Ok(Reply::empty())
}

pub(crate) async fn labels(_: Arc<Gcp>, cx: Context, sent: EditParams) -> Result<Reply> {
    check(&sent)?;
    let added = labels_of(&sent.add.0)?;
    let change = |old| {
        let mut role = of_kind(old, &sent.name, Kind::Gce)?;
        role.labels.extend(added.clone());
        role.labels.retain(|key, _| !sent.remove.contains(key));
        role.check().map(|()| role)
    };
    Role::change(&cx, &sent.name, change).await?;
    Ok(Reply::empty())
}
