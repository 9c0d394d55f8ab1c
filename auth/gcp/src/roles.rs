//! `role/…`: which accounts and instances are let in, and how their tokens are.
use crate::Gcp;
use crate::bounds::{self, labels_of};
use crate::role::{Kind, Role, key};
use lessor_engine::{CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    name: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    name: String,
    /// iam for service accounts, gce for instances; cannot be changed.
    #[param(name = "type")]
    kind: String,
    /// Email addresses or ids of accounts that are let in; * for any.
    bound_service_accounts: Option<CommaList>,
    /// Projects whose accounts or instances are let in.
    bound_projects: Option<CommaList>,
    /// Whether the project, its folders and its organization are groups of whoever logs in.
    add_group_aliases: Option<bool>,
    /// Of iam roles: how far ahead the end of a token may lie that an account signed.
    max_jwt_exp: Option<Seconds>,
    /// Of iam roles: whether an instance may log in as its service account.
    allow_gce_inference: Option<bool>,
    /// Of gce roles: zones whose instances are let in.
    bound_zones: Option<CommaList>,
    /// Of gce roles: regions whose instances are let in; not looked at beside zones.
    bound_regions: Option<CommaList>,
    /// Of gce roles: instance groups, one of which has to hold the instance.
    bound_instance_groups: Option<CommaList>,
    /// Of gce roles: labels that the instance has to have, as key:value.
    bound_labels: Option<CommaList>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_period.
    period: Option<Seconds>,
    #[param(flatten)]
    token: TokenParams,
}

fn kind(word: &str, old: Option<Kind>) -> Result<Kind> {
    let asked = match word {
        "" => None,
        "iam" => Some(Kind::Iam),
        "gce" => Some(Kind::Gce),
        _ => return Err(Error::invalid(format!("role type {word:?} is invalid: use iam or gce"))),
    };
    match (asked, old) {
        (Some(asked), Some(old)) if asked != old => {
            Err(Error::invalid(format!("role type cannot be changed, it is {}", old.word())))
        }
        (asked, old) => asked.or(old).ok_or_else(|| Error::invalid("role type cannot be empty: use iam or gce")),
    }
}

fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    let kind = kind(&sent.kind, old.as_ref().map(|role| role.kind))?;
    let mut role = old.unwrap_or_else(|| Role::new(kind));
    if kind == Kind::Gce && (sent.max_jwt_exp.is_some() || sent.allow_gce_inference.is_some()) {
        return Err(Error::invalid("max_jwt_exp and allow_gce_inference are for roles of type iam"));
    }
    let old = OldNames {
        policies: sent.policies.clone(),
        ttl: sent.ttl,
        max_ttl: sent.max_ttl,
        period: sent.period,
        bound_cidrs: None,
    };
    role.token.apply(sent.token.clone(), old)?;
    for (place, list) in [
        (&mut role.accounts, &sent.bound_service_accounts),
        (&mut role.projects, &sent.bound_projects),
        (&mut role.zones, &sent.bound_zones),
        (&mut role.regions, &sent.bound_regions),
        (&mut role.instance_groups, &sent.bound_instance_groups),
    ] {
        if let Some(list) = list {
            *place = bounds::each_once(&list.0);
        }
    }
    if let Some(list) = &sent.bound_labels {
        role.labels = labels_of(&list.0)?;
    }
    role.group_aliases = sent.add_group_aliases.unwrap_or(role.group_aliases);
    role.max_jwt_exp = sent.max_jwt_exp.map_or(role.max_jwt_exp, |seconds| seconds.0);
    role.gce_inference = sent.allow_gce_inference.unwrap_or(role.gce_inference);
    role.check()?;
    Ok(role)
}

pub(crate) async fn exists(_: Arc<Gcp>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Gcp>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn write(_: Arc<Gcp>, cx: Context, sent: RoleParams) -> Result<Reply> {
    Role::change(&cx, &sent.name, |old| changed(old, &sent)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Gcp>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut shown = role.token.show();
    let own = json!({
        "role_id": role.id, "type": role.kind.word(), "bound_service_accounts": role.accounts,
        "bound_projects": role.projects, "add_group_aliases": role.group_aliases,
    });
    let more = match role.kind {
        Kind::Iam => json!({ "max_jwt_exp": role.max_jwt_exp, "allow_gce_inference": role.gce_inference }),
        Kind::Gce => json!({
            "bound_zones": role.zones, "bound_regions": role.regions,
            "bound_instance_groups": role.instance_groups, "bound_labels": role.labels,
        }),
    };
    for part in [own, more] {
        if let Value::Object(part) = part {
            shown.extend(part);
        }
    }
    shown.sort_keys();
    Ok(Reply::data(Value::Object(shown)))
}

pub(crate) async fn delete(_: Arc<Gcp>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}
