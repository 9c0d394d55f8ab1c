//! `creds/<role>`: the plan of a token. The cluster is asked only for the labels of a namespace.
use crate::Engine;
use crate::dynamic::{Making, Plan};
use crate::naming;
use crate::objects::{Kind, Object};
use crate::roles::{Role, key, rules};
use lessor_engine::{CommaList, Context, Error, Grant, Issue, Params, Reply, Result, Seconds, Terms};
use lessor_label_selector::Selector;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Params)]
pub(crate) struct Asked {
    /// Name of the role.
    name: String,
    /// Where the account lies; may be left out where the role allows one namespace only.
    kubernetes_namespace: String,
    /// Binds the role in every namespace.
    cluster_role_binding: bool,
    /// Lifetime of the token.
    ttl: Option<Seconds>,
    /// Audiences of the token.
    audiences: Option<CommaList>,
}

fn namespace(role: &Role, asked: &str) -> Result<String> {
    let namespace = match (asked, role.namespaces.as_slice()) {
        ("", [only]) if only != "*" && role.namespace_selector.is_empty() => only.clone(),
        ("", _) => {
            return Err(Error::invalid(
                "'kubernetes_namespace' is required unless the Vault role has a single namespace specified",
            ));
        }
        (asked, _) => asked.to_lowercase(),
    };
    if naming::is_dns(&namespace) {
        return Ok(namespace);
    }
    Err(Error::invalid(format!("kubernetes_namespace: {namespace:?} is no name of a namespace")))
}

async fn check_namespace(engine: &Engine, cx: &Context, role: &Role, namespace: &str) -> Result<()> {
    if role.namespaces.iter().any(|name| name == "*" || name == namespace) {
        return Ok(());
    }
    if !role.namespace_selector.is_empty() {
        let selector = Selector::parse(&role.namespace_selector).map_err(Error::Invalid)?;
        let found = engine.cluster(cx).await?.get(&format!("/api/v1/namespaces/{namespace}")).await?;
        let labels = found.as_ref().and_then(|found| found.pointer("/metadata/labels")).and_then(Value::as_object);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels: BTreeMap<String, String> =
            labels.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
        if found.is_some() && selector.fits(&labels) {
            return Ok(());
        }
    }
    Err(Error::invalid(format!(
        "kubernetes_namespace '{namespace}' is not present in role's allowed_kubernetes_namespaces or does not match role's label selector allowed_kubernetes_namespace_selector"
    )))
}

/// How long the token is asked for: as long as the lease will be.
fn ttl(cx: &Context, role: &Role, asked: Option<Seconds>) -> Duration {
    let asked = asked.and_then(Seconds::nonzero).or(role.default_ttl.nonzero()).unwrap_or(cx.mount.default_ttl);
    let max = role.max_ttl.nonzero().map_or(cx.mount.max_ttl, |max| max.min(cx.mount.max_ttl));
    asked.min(max)
}

fn making(role: &Role, cluster_wide: bool, namespace: &str, name: &str) -> Result<Making> {
    let object = |kind| Object { kind, namespace: namespace.to_owned(), name: name.to_owned(), uid: String::new() };
    let binding = if cluster_wide { Kind::ClusterRoleBinding } else { Kind::RoleBinding };
    let mut objects = Vec::new();
    let rules = if role.rules.is_empty() {
        None
    } else {
        objects.push(object(role.role_kind));
        Some(rules(&role.rules)?)
    };
    objects.extend([object(binding), object(Kind::ServiceAccount)]);
    let bound = if rules.is_some() { name.to_owned() } else { role.kubernetes_role.clone() };
    Ok(Making {
        objects,
        rules,
        bound_kind: role.role_kind,
        bound,
        labels: role.labels.clone(),
        annotations: role.annotations.clone(),
    })
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&key(&asked.name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("role '{}' does not exist", asked.name)))?;
    let namespace = namespace(&role, &asked.kubernetes_namespace)?;
    if asked.cluster_role_binding && role.role_kind == Kind::Role && role.service_account.is_empty() {
        return Err(Error::invalid("a ClusterRoleBinding cannot ref a Role"));
    }
    if asked.cluster_role_binding && !role.cluster_wide && role.service_account.is_empty() {
        return Err(Error::invalid("cluster_role_binding is not allowed by allow_cluster_role_binding of the role"));
    }
    check_namespace(&engine, &cx, &role, &namespace).await?;
    let name = naming::name(&cx, &role.name_template, &asked.name)?;
    let existing = !role.service_account.is_empty();
    let account = if existing { role.service_account.clone() } else { name.clone() };
    let making = if existing { None } else { Some(making(&role, asked.cluster_role_binding, &namespace, &name)?) };
    let ttl = ttl(&cx, &role, asked.ttl);
    let audiences = asked.audiences.map(|list| list.0).filter(|list| !list.is_empty());
    let plan = Plan {
        role: asked.name,
        namespace: namespace.clone(),
        account,
        mark: hex::encode(rand::random::<[u8; 12]>()),
        seconds: ttl.as_secs(),
        audiences: audiences.unwrap_or(role.audiences),
        making,
        made: Vec::new(),
    };
    let grant = Grant {
        // Everything stands on one API server.
        target: "cluster".to_owned(),
        name: format!("{namespace}/{name}"),
        data: serde_json::to_value(plan)?,
        // Nothing but its own end ends the token of an account that stays.
        revocable: !existing,
    };
    let terms = Terms { default_ttl: role.default_ttl.nonzero(), max_ttl: role.max_ttl.nonzero() };
    let asked_for = asked.ttl.and_then(Seconds::nonzero);
    Ok(Reply::issue(Issue { grant, terms, ttl: asked_for, renewable: false }))
}
