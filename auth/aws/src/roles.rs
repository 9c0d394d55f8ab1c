//! `role/…`: which principals are let in, and how their tokens are.
use crate::Aws;
use lessor_engine::{
    Changes, CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams, TokenRole, glob,
};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is stored under `role/<name>`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    /// Names the role for good: another role of the same name has another.
    pub(crate) id: String,
    principals: Vec<String>,
    accounts: Vec<String>,
    pub(crate) token: TokenRole,
}

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    role: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    role: String,
    /// iam; ec2 is not offered by this version.
    auth_type: String,
    /// Principals that are let in; a * at the end stands for any text.
    bound_iam_principal_arn: Option<CommaList>,
    /// Accounts whose principals are let in.
    bound_account_id: Option<CommaList>,
    /// Asks IAM for the ids of principals; not offered by this version, which compares names.
    resolve_aws_unique_ids: bool,
    /// Not offered by this version.
    inferred_entity_type: String,
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

pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

impl Role {
    /// Whether the role lets this principal in.
    pub(crate) fn admits(&self, account: &str, arn: &str) -> bool {
        let fits = |bound: &String| match bound.strip_suffix('*') {
            Some(start) if !start.contains('*') => glob::fits(bound, arn),
            _ => bound == arn,
        };
        (self.accounts.is_empty() || self.accounts.iter().any(|bound| bound == account))
            && (self.principals.is_empty() || self.principals.iter().any(fits))
    }
    fn check(&self) -> Result<()> {
        if self.principals.is_empty() && self.accounts.is_empty() {
            return Err(Error::invalid("at least be one bound parameter should be specified on the role"));
        }
        if let Some(wrong) = self.principals.iter().find(|arn| !arn.starts_with("arn:")) {
            return Err(Error::invalid(format!("bound_iam_principal_arn {wrong:?} is no ARN")));
        }
        Ok(())
    }
}

fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    if !matches!(sent.auth_type.as_str(), "" | "iam") {
        return Err(Error::invalid(format!("auth_type {:?} is not offered: use iam", sent.auth_type)));
    }
    if sent.resolve_aws_unique_ids {
        return Err(Error::invalid("resolve_aws_unique_ids is not offered: use false"));
    }
    if !sent.inferred_entity_type.is_empty() {
        return Err(Error::invalid("inferred_entity_type is not offered"));
    }
    let id = || hex(&rand::rng().random::<[u8; 16]>());
    let mut role = old.unwrap_or_else(|| Role { id: id(), ..Role::default() });
    let old = OldNames {
        policies: sent.policies.clone(),
        ttl: sent.ttl,
        max_ttl: sent.max_ttl,
        period: sent.period,
        bound_cidrs: None,
    };
    role.token.apply(sent.token.clone(), old)?;
    if let Some(list) = &sent.bound_iam_principal_arn {
        role.principals.clone_from(&list.0);
    }
    if let Some(list) = &sent.bound_account_id {
        role.accounts.clone_from(&list.0);
    }
    role.check()?;
    Ok(role)
}

/// In the form of a UUID.
fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}

pub(crate) async fn exists(_: Arc<Aws>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.role)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: RoleParams) -> Result<Reply> {
    let key = key(&sent.role);
    loop {
        let (old, version) = cx.view.get_versioned(&key).await?.map_or((None, None), |(r, v)| (Some(r), Some(v)));
        let changes = Changes::new().put(&key, &changed(old, &sent)?)?.expect(&key, version);
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done.map(|()| Reply::empty()),
        }
    }
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.role)).await? else { return Ok(Reply::missing()) };
    let mut shown = role.token.show();
    let own = json!({
        "auth_type": "iam", "role_id": role.id, "bound_iam_principal_arn": role.principals,
        "bound_account_id": role.accounts, "resolve_aws_unique_ids": false, "inferred_entity_type": "",
    });
    if let Value::Object(own) = own {
        shown.extend(own);
    }
    shown.sort_keys();
    Ok(Reply::data(Value::Object(shown)))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.role)).await?;
    Ok(Reply::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_only_at_the_end() {
        let role = |arn: &str| Role { principals: vec![arn.to_owned()], ..Role::default() };
        assert!(role("arn:aws:iam::1:user/*").admits("1", "arn:aws:iam::1:user/bob"));
        assert!(!role("arn:aws:iam::1:user/*").admits("2", "arn:aws:iam::2:user/bob"));
        assert!(!role("arn:aws:iam::*:user/*").admits("2", "arn:aws:iam::2:user/bob"));
        let both = Role { accounts: vec!["1".to_owned()], ..role("arn:aws:iam::1:user/bob") };
        assert!(both.admits("1", "arn:aws:iam::1:user/bob") && !both.admits("2", "arn:aws:iam::1:user/bob"));
    }
}
