//! `role/…`: which principals are let in, from which machines, and how their tokens are.
use crate::Azure;
use lessor_engine::{
    Changes, CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams, TokenRole,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is stored under `role/<name>`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    principals: Vec<String>,
    groups: Vec<String>,
    pub(crate) locations: Vec<String>,
    pub(crate) subscriptions: Vec<String>,
    pub(crate) resource_groups: Vec<String>,
    pub(crate) scale_sets: Vec<String>,
    pub(crate) token: TokenRole,
}

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    name: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    name: String,
    /// Object ids of service principals and managed identities that are let in.
    bound_service_principal_ids: Option<CommaList>,
    /// Ids of groups, one of which the principal has to be in.
    bound_group_ids: Option<CommaList>,
    /// Locations the machine has to be in.
    bound_locations: Option<CommaList>,
    /// Subscriptions the machine has to be in.
    bound_subscription_ids: Option<CommaList>,
    /// Resource groups the machine has to be in.
    bound_resource_groups: Option<CommaList>,
    /// Scale sets the machine has to be in.
    bound_scale_sets: Option<CommaList>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_period.
    period: Option<Seconds>,
    /// Older name of token_num_uses.
    num_uses: Option<i64>,
    #[param(flatten)]
    token: TokenParams,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

/// As Azure compares names and ids.
pub(crate) fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|one| one.eq_ignore_ascii_case(wanted))
}

impl Role {
    /// # Errors
    /// Which bound the principal does not fit.
    pub(crate) fn admit(&self, principal: &str, groups: &[String]) -> Result<()> {
        if !self.principals.is_empty() && !holds(&self.principals, principal) {
            return Err(Error::invalid(format!("service principal not authorized: {principal}")));
        }
        if !self.groups.is_empty() && !groups.iter().any(|group| holds(&self.groups, group)) {
            return Err(Error::invalid("groups not authorized"));
        }
        Ok(())
    }
    /// Whether the machine matters.
    pub(crate) fn wants_place(&self) -> bool {
        [&self.locations, &self.subscriptions, &self.resource_groups, &self.scale_sets]
            .iter()
            .any(|list| !list.is_empty())
    }
    fn check(&self) -> Result<()> {
        if self.principals.is_empty() && self.groups.is_empty() {
            return Err(Error::invalid("one of bound_service_principal_ids and bound_group_ids is required"));
        }
        Ok(())
    }
}

fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    let mut role = old.unwrap_or_default();
    let old = OldNames {
        policies: sent.policies.clone(),
        ttl: sent.ttl,
        max_ttl: sent.max_ttl,
        period: sent.period,
        bound_cidrs: None,
    };
    let mut token = sent.token.clone();
    token.token_num_uses = token.token_num_uses.or(sent.num_uses);
    role.token.apply(token, old)?;
    for (place, list) in [
        (&mut role.principals, &sent.bound_service_principal_ids),
        (&mut role.groups, &sent.bound_group_ids),
        (&mut role.locations, &sent.bound_locations),
        (&mut role.subscriptions, &sent.bound_subscription_ids),
        (&mut role.resource_groups, &sent.bound_resource_groups),
        (&mut role.scale_sets, &sent.bound_scale_sets),
    ] {
        if let Some(list) = list {
            place.clone_from(&list.0);
        }
    }
    role.check()?;
    Ok(role)
}

pub(crate) async fn exists(_: Arc<Azure>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Azure>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn write(_: Arc<Azure>, cx: Context, sent: RoleParams) -> Result<Reply> {
    let key = key(&sent.name);
    loop {
        let (old, version) = cx.view.get_versioned(&key).await?.map_or((None, None), |(r, v)| (Some(r), Some(v)));
        let changes = Changes::new().put(&key, &changed(old, &sent)?)?.expect(&key, version);
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done.map(|()| Reply::empty()),
        }
    }
}

pub(crate) async fn read(_: Arc<Azure>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut shown = role.token.show();
    let own = json!({
        "bound_service_principal_ids": role.principals, "bound_group_ids": role.groups,
        "bound_locations": role.locations, "bound_subscription_ids": role.subscriptions,
        "bound_resource_groups": role.resource_groups, "bound_scale_sets": role.scale_sets,
    });
    if let Value::Object(own) = own {
        shown.extend(own);
    }
    shown.sort_keys();
    Ok(Reply::data(Value::Object(shown)))
}

pub(crate) async fn delete(_: Arc<Azure>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}
