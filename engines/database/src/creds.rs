//! `creds/<role>`: the plan of an account. Nothing of it touches the database.
use crate::Engine;
use crate::config::Config;
use crate::dynamic::Plan;
use crate::roles::{Named, Role, key};
use crate::{naming, passwords};
use lessor_engine::{Context, Error, Grant, Issue, Reply, Result, Terms};
use std::sync::Arc;
use std::time::Duration;

/// By how much an account outlives its lease, so that it never ends before it.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

fn set(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The terms of a role's leases.
pub(crate) fn terms(role: &Role) -> Terms {
    Terms { default_ttl: set(role.default_ttl), max_ttl: set(role.max_ttl) }
}

/// How long the lease will be.
fn ttl(cx: &Context, role: &Role) -> Duration {
    let wanted = set(role.default_ttl).unwrap_or(cx.mount.default_ttl);
    let max = set(role.max_ttl).map_or(cx.mount.max_ttl, |max| max.min(cx.mount.max_ttl));
    wanted.min(max)
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&key(&at.name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("unknown role: {}", at.name)))?;
    let (config, _) = Config::load(&cx, &role.db_name).await?;
    config.check_allowed(&at.name)?;
    let plugin = engine.plugin(&config.plugin_name)?;
    if !plugin.credential_types().contains(&role.credential_type.as_str()) {
        return Err(Error::invalid(format!("unsupported credential_type: {:?}", role.credential_type)));
    }
    if config.is_self_managed() {
        return Err(Error::invalid("a self-managed database has static roles only"));
    }
    plugin.check_creation(&role.creation_statements)?;
    let own = config.text("username_template");
    let template = if own.is_empty() { plugin.username_template() } else { own };
    let name = naming::username(&cx, template, &at.name)?;
    if name.text.len() > plugin.longest_name() {
        return Err(Error::invalid(format!(
            "the username template generates a name of {} bytes: the platform takes {}",
            name.text.len(),
            plugin.longest_name()
        )));
    }
    let policy = role.password_policy().unwrap_or(&config.password_policy);
    if role.scram_iterations.is_some() {
        passwords::check_strength(&cx, policy).await?;
    }
    let password = passwords::generate(&cx, policy).await?;
    let told = naming::is_of(&cx.mount.uuid, &name.text);
    let plan = Plan {
        role: at.name,
        password: Some(password),
        creation_statements: role.creation_statements.clone(),
        revocation_statements: role.revocation_statements.clone(),
        expires: cx.now() + ttl(&cx, &role) + GRACE,
        marker: (!told).then(|| naming::marker(&cx.mount.uuid)),
        unique: name.unique,
        scram_iterations: role.scram_iterations,
    };
    let grant =
        Grant { target: role.db_name.clone(), name: name.text, data: serde_json::to_value(plan)?, revocable: true };
    Ok(Reply::issue(Issue { grant, terms: terms(&role), ttl: None, renewable: true }))
}
