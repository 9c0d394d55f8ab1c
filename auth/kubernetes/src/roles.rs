//! `role/…`: which accounts are let in, and how their tokens are.
use crate::Kubernetes;
use lessor_engine::{
    Changes, CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams, TokenRole,
};
use lessor_label_selector::Selector;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Which of an account's names is the alias.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum AliasName {
    /// Never used again for another account.
    #[default]
    Uid,
    /// `namespace/name`, the same for an account that was made anew.
    Name,
}

impl AliasName {
    fn word(self) -> &'static str {
        match self {
            Self::Uid => "serviceaccount_uid",
            Self::Name => "serviceaccount_name",
        }
    }
    fn parse(word: &str) -> Result<Self> {
        match word {
            "" | "serviceaccount_uid" => Ok(Self::Uid),
            "serviceaccount_name" => Ok(Self::Name),
            _ => Err(Error::invalid(
                "invalid alias_name_source, must be one of: serviceaccount_uid, serviceaccount_name",
            )),
        }
    }
}

/// What is stored under `role/<name>`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    pub(crate) names: Vec<String>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) namespace_selector: String,
    pub(crate) audience: String,
    pub(crate) alias_name: AliasName,
    pub(crate) token: TokenRole,
    /// Whether the uses were last written under their older name.
    num_uses: bool,
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
    /// Accounts that are let in; * in a name stands for any text.
    bound_service_account_names: Option<CommaList>,
    /// Their namespaces; * in a name stands for any text.
    bound_service_account_namespaces: Option<CommaList>,
    /// Label selector, in JSON or YAML, for their namespaces.
    bound_service_account_namespace_selector: String,
    /// Audience the token has to be made for.
    audience: Option<String>,
    /// serviceaccount_uid, the default, or serviceaccount_name.
    alias_name_source: Option<String>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_num_uses.
    num_uses: Option<i64>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_period.
    period: Option<Seconds>,
    /// Older name of token_bound_cidrs.
    bound_cidrs: Option<CommaList>,
    #[param(flatten)]
    token: TokenParams,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

impl Role {
    fn check(&self) -> Result<()> {
        if self.names.is_empty() {
            return Err(Error::invalid("\"bound_service_account_names\" can not be empty"));
        }
        if self.namespaces.is_empty() && self.namespace_selector.is_empty() {
            return Err(Error::invalid(
                "\"bound_service_account_namespaces\" can not be empty if \
                 \"bound_service_account_namespace_selector\" is not set",
            ));
        }
        let mixed = |list: &[String]| list.len() > 1 && list.iter().any(|one| one == "*");
        if mixed(&self.names) || mixed(&self.namespaces) {
            return Err(Error::invalid("can not mix \"*\" with values"));
        }
        if !self.namespace_selector.is_empty() && Selector::parse(&self.namespace_selector).is_err() {
            return Err(Error::invalid("invalid \"bound_service_account_namespace_selector\" configured"));
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
        bound_cidrs: sent.bound_cidrs.clone(),
    };
    let mut token = sent.token.clone();
    if token.token_num_uses.is_some() || sent.num_uses.is_some() {
        role.num_uses = sent.num_uses.is_some();
    }
    token.token_num_uses = token.token_num_uses.or(sent.num_uses);
    role.token.apply(token, old)?;
    if let Some(names) = &sent.bound_service_account_names {
        role.names.clone_from(&names.0);
    }
    if let Some(namespaces) = &sent.bound_service_account_namespaces {
        role.namespaces.clone_from(&namespaces.0);
    }
    role.namespace_selector.clone_from(&sent.bound_service_account_namespace_selector);
    if let Some(audience) = &sent.audience {
        role.audience.clone_from(audience);
    }
    if let Some(word) = &sent.alias_name_source {
        role.alias_name = AliasName::parse(word)?;
    }
    role.check()?;
    Ok(role)
}

pub(crate) async fn exists(_: Arc<Kubernetes>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Kubernetes>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn write(_: Arc<Kubernetes>, cx: Context, sent: RoleParams) -> Result<Reply> {
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

pub(crate) async fn read(_: Arc<Kubernetes>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut shown = role.token.show();
    let mut add = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    add("alias_name_source", json!(role.alias_name.word()));
    add("bound_service_account_names", json!(role.names));
    add("bound_service_account_namespaces", json!(role.namespaces));
    add("bound_service_account_namespace_selector", json!(role.namespace_selector));
    if !role.audience.is_empty() {
        add("audience", json!(role.audience));
    }
    if role.num_uses && role.token.settings.num_uses > 0 {
        add("num_uses", json!(role.token.settings.num_uses));
    }
    shown.sort_keys();
    Ok(Reply::data(Value::Object(shown)))
}

pub(crate) async fn delete(_: Arc<Kubernetes>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}
