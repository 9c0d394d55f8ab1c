//! `roles/<name>`: what tokens are made for.
use crate::Engine;
use crate::config::or_null;
use crate::naming;
use crate::objects::Kind;
use lessor_engine::{Changes, CommaList, Context, Error, KeyValues, Params, Reply, Result, Seconds};
use lessor_label_selector::Selector;
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) namespaces: Vec<String>,
    pub(crate) namespace_selector: String,
    pub(crate) service_account: String,
    pub(crate) kubernetes_role: String,
    /// As they were written.
    pub(crate) rules: String,
    pub(crate) role_kind: Kind,
    pub(crate) default_ttl: Seconds,
    pub(crate) max_ttl: Seconds,
    pub(crate) audiences: Vec<String>,
    pub(crate) name_template: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Whether a request may bind the role in every namespace.
    #[serde(default = "yes")]
    pub(crate) cluster_wide: bool,
}

fn yes() -> bool {
    true
}

impl Default for Role {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            namespace_selector: String::new(),
            service_account: String::new(),
            kubernetes_role: String::new(),
            rules: String::new(),
            role_kind: Kind::Role,
            default_ttl: Seconds(0),
            max_ttl: Seconds(0),
            audiences: Vec::new(),
            name_template: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            cluster_wide: true,
        }
    }
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

/// One rule of a role, in the words of Kubernetes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    api_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<String>,
    #[serde(default, rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    non_resource_urls: Vec<String>,
    verbs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rules: Vec<Rule>,
}

/// The rules of a generated role, in JSON or YAML, as a list.
pub(crate) fn rules(text: &str) -> Result<Value> {
    let read: Rules = serde_norway::from_str(text).map_err(|error| {
        Error::invalid(format!("failed to parse 'generated_role_rules' as k8s.io/api/rbac/v1/Policy object: {error}"))
    })?;
    if read.rules.is_empty() {
        return Err(Error::invalid("generated_role_rules: 'rules' is empty"));
    }
    Ok(serde_json::to_value(read.rules)?)
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// Namespaces that tokens may be made in; * for any.
    allowed_kubernetes_namespaces: Option<CommaList>,
    /// Label selector, in JSON or YAML: namespaces with such labels are allowed too.
    allowed_kubernetes_namespace_selector: Option<String>,
    /// An existing account that tokens are made of.
    service_account_name: Option<String>,
    /// An existing role that accounts are made for.
    kubernetes_role_name: Option<String>,
    /// Role or ClusterRole.
    kubernetes_role_type: Option<String>,
    /// Rules, in JSON or YAML, of a role that is made with the account.
    generated_role_rules: Option<String>,
    /// TTL of tokens; 0 for the mount's.
    token_default_ttl: Option<Seconds>,
    /// Upper bound of TTLs; 0 for the mount's.
    token_max_ttl: Option<Seconds>,
    /// Audiences of tokens that are asked for without.
    token_default_audiences: Option<CommaList>,
    /// Names of what is made.
    name_template: Option<String>,
    /// Labels of what is made.
    extra_labels: Option<KeyValues>,
    /// Annotations of what is made.
    extra_annotations: Option<KeyValues>,
    /// Whether a request may ask for cluster_role_binding, which reaches beyond the allowed namespaces; true unless set.
    allow_cluster_role_binding: Option<bool>,
}

fn deduplicated(list: Vec<String>) -> Vec<String> {
    let mut seen = Vec::new();
    for item in list {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

fn kind(word: &str) -> Result<Kind> {
    match word.to_lowercase().as_str() {
        "" | "role" => Ok(Kind::Role),
        "clusterrole" => Ok(Kind::ClusterRole),
        _ => Err(Error::invalid("kubernetes_role_type must be either 'Role' or 'ClusterRole'")),
    }
}

fn merge(role: &mut Role, sent: Write) -> Result<()> {
    for (new, place) in [
        (sent.allowed_kubernetes_namespace_selector, &mut role.namespace_selector),
        (sent.service_account_name, &mut role.service_account),
        (sent.kubernetes_role_name, &mut role.kubernetes_role),
        (sent.generated_role_rules, &mut role.rules),
        (sent.name_template, &mut role.name_template),
    ] {
        if let Some(text) = new {
            *place = text;
        }
    }
    for (new, place) in [(sent.token_default_ttl, &mut role.default_ttl), (sent.token_max_ttl, &mut role.max_ttl)] {
        if let Some(ttl) = new {
            *place = ttl;
        }
    }
    for (new, place) in [(sent.extra_labels, &mut role.labels), (sent.extra_annotations, &mut role.annotations)] {
        if let Some(map) = new {
            *place = map.0;
        }
    }
    if let Some(list) = sent.allowed_kubernetes_namespaces {
        role.namespaces = deduplicated(list.iter().map(|name| name.to_lowercase()).collect());
    }
    if let Some(list) = sent.token_default_audiences {
        role.audiences = deduplicated(list.0);
    }
    if let Some(word) = sent.kubernetes_role_type {
        role.role_kind = kind(&word)?;
    }
    role.cluster_wide = sent.allow_cluster_role_binding.unwrap_or(role.cluster_wide);
    check(role)
}

fn check(role: &Role) -> Result<()> {
    if role.namespaces.is_empty() && role.namespace_selector.is_empty() {
        return Err(Error::invalid(
            "one (at least) of allowed_kubernetes_namespaces or allowed_kubernetes_namespace_selector must be set",
        ));
    }
    for name in role.namespaces.iter().filter(|name| *name != "*") {
        if !naming::is_dns(name) {
            return Err(Error::invalid(format!("allowed_kubernetes_namespaces: {name:?} is no name of a namespace")));
        }
    }
    if !role.namespace_selector.is_empty() {
        Selector::parse(&role.namespace_selector).map_err(|why| {
            Error::invalid(format!(
                "failed to parse 'allowed_kubernetes_namespace_selector' as k8s.io/api/meta/v1/LabelSelector object: {why}"
            ))
        })?;
    }
    let modes = [&role.service_account, &role.kubernetes_role, &role.rules];
    if modes.iter().filter(|text| !text.is_empty()).count() != 1 {
        return Err(Error::invalid(
            "one (and only one) of service_account_name, kubernetes_role_name or generated_role_rules must be set",
        ));
    }
    if !role.service_account.is_empty() && !naming::is_dns(&role.service_account) {
        return Err(Error::invalid(format!(
            "service_account_name: {:?} is no name of an account",
            role.service_account
        )));
    }
    if !role.rules.is_empty() {
        rules(&role.rules)?;
    }
    if role.max_ttl.0 > 0 && role.default_ttl > role.max_ttl {
        return Err(Error::invalid(format!(
            "token_default_ttl {}s cannot be greater than token_max_ttl {}s",
            role.default_ttl.0, role.max_ttl.0
        )));
    }
    naming::check(&role.name_template)
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

/// Changes what is given.
pub(crate) async fn write(_: Arc<Engine>, cx: Context, sent: Write) -> Result<Reply> {
    let key = key(&sent.name);
    let stored: Option<(Role, Version)> = cx.view.get_versioned(&key).await?;
    let version = stored.as_ref().map(|(_, version)| *version);
    let mut role = stored.map(|(role, _)| role).unwrap_or_default();
    merge(&mut role, sent)?;
    cx.view.commit(Changes::new().expect(&key, version).put(&key, &role)?).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut data = json!({
        "allowed_kubernetes_namespace_selector": role.namespace_selector,
        "allowed_kubernetes_namespaces": or_null(&role.namespaces, role.namespaces.is_empty()),
        "extra_annotations": or_null(&role.annotations, role.annotations.is_empty()),
        "extra_labels": or_null(&role.labels, role.labels.is_empty()),
        "generated_role_rules": role.rules,
        "kubernetes_role_name": role.kubernetes_role,
        "kubernetes_role_type": role.role_kind.word(),
        "name": at.name.to_lowercase(),
        "name_template": role.name_template,
        "service_account_name": role.service_account,
        "token_default_audiences": or_null(&role.audiences, role.audiences.is_empty()),
        "token_default_ttl": role.default_ttl,
        "token_max_ttl": role.max_ttl,
    });
    if !role.cluster_wide {
        data["allow_cluster_role_binding"] = json!(false);
    }
    Ok(Reply::data(data))
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}
