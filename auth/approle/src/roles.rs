//! `role/…`: the role as a whole, and its role id.
use crate::Approle;
use crate::role::{self, Role};
use lessor_engine::{CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    pub(crate) role_name: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    role_name: String,
    /// Whether a login needs a secret id (it does, unless this is false).
    bind_secret_id: Option<bool>,
    /// Address blocks that may log in.
    secret_id_bound_cidrs: Option<CommaList>,
    /// Older name of secret_id_bound_cidrs.
    bound_cidr_list: Option<CommaList>,
    /// Logins with one secret id; 0 for no limit.
    secret_id_num_uses: Option<i64>,
    /// Lifetime of a secret id; 0 for ever.
    secret_id_ttl: Option<Seconds>,
    /// Marks the role's secret ids as local to a cluster; can only be set when the role is made.
    local_secret_ids: Option<bool>,
    /// The role's id; a random UUID where none is given.
    role_id: Option<String>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_period.
    period: Option<Seconds>,
    #[param(flatten)]
    token: TokenParams,
}

#[derive(Params)]
pub(crate) struct RoleIdParams {
    /// Name of the role, in lower case.
    role_name: String,
    /// The new id.
    role_id: Option<String>,
}

pub(crate) fn uses(sent: i64, field: &str) -> Result<u32> {
    u32::try_from(sent).map_err(|_| Error::invalid(format!("{field} cannot be negative: use 0 for no limit")))
}

pub(crate) async fn exists(approle: Arc<Approle>, cx: Context, at: At) -> Result<bool> {
    Ok(approle.role(&cx, &role::name(&at.role_name)?).await?.is_some())
}

pub(crate) async fn list(_: Arc<Approle>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn read(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    let role = approle.role(&cx, &role::name(&at.role_name)?).await?;
    Ok(role.map_or_else(Reply::missing, |role| Reply::data(Value::Object(role.show()))))
}

pub(crate) async fn write(approle: Arc<Approle>, cx: Context, sent: RoleParams) -> Result<Reply> {
    let name = role::name(&sent.role_name)?;
    approle.change(&cx, &name, |old| changed(old, &sent)).await?;
    Ok(Reply::empty())
}

fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    if old.is_some() && sent.local_secret_ids.is_some() {
        return Err(Error::invalid("local_secret_ids can only be modified during role creation"));
    }
    let mut role = old.map_or_else(Role::new, Ok)?;
    if let Some(bind) = sent.bind_secret_id {
        role.bind_secret_id = bind;
    }
    if let Some(texts) = sent.secret_id_bound_cidrs.as_ref().or(sent.bound_cidr_list.as_ref()) {
        role.secret_id_bound_cidrs = role::blocks(texts, "CIDR blocks")?;
    }
    if let Some(sent) = sent.secret_id_num_uses {
        role.secret_id_num_uses = uses(sent, "secret_id_num_uses")?;
    }
    if let Some(ttl) = sent.secret_id_ttl {
        role.secret_id_ttl = ttl.0;
    }
    if let Some(local) = sent.local_secret_ids {
        role.local_secret_ids = local;
    }
    if let Some(role_id) = sent.role_id.as_ref().filter(|id| !id.is_empty()) {
        role.role_id.clone_from(role_id);
    }
    let old = OldNames { policies: sent.policies.clone(), period: sent.period, ..OldNames::default() };
    role.token.apply(sent.token.clone(), old)?;
    Ok(role)
}

pub(crate) async fn delete(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    approle.end_role(&cx, &role::name(&at.role_name)?).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read_role_id(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    let role = approle.role(&cx, &role::name(&at.role_name)?).await?;
    Ok(role.map_or_else(Reply::missing, |role| Reply::data(json!({ "role_id": role.role_id }))))
}

pub(crate) async fn write_role_id(approle: Arc<Approle>, cx: Context, sent: RoleIdParams) -> Result<Reply> {
    let name = role::name(&sent.role_name)?;
    let role_id = sent.role_id.filter(|id| !id.is_empty()).ok_or_else(|| Error::invalid("missing role_id"))?;
    let change = |old: Option<Role>| {
        let mut role = old.ok_or_else(|| role::unknown(&name))?;
        role.role_id.clone_from(&role_id);
        Ok(role)
    };
    approle.change(&cx, &name, change).await?;
    Ok(Reply::empty())
}
