//! `creds/<role>`: the plan of a user. Nothing of it touches the broker.
use crate::Engine;
use crate::config::Config;
use crate::dynamic::Plan;
use crate::lease::terms;
use crate::roles::{Named, Role, key};
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Grant, Issue, Reply, Result, Secret};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::json;
use std::sync::Arc;

const TEMPLATE: &str = r#"{{ printf "%s-%s" (.DisplayName) (uuid) }}"#;
/// Of a user's name, in bytes; a short string of AMQP 0-9-1.
const LONGEST: usize = 255;
const PASSWORD: usize = 36;

/// Reads a template and renders it on trial.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_template(source: &str) -> Result<Template> {
    let template = Template::parse(source)
        .map_err(|error| Error::invalid(format!("unable to initialize username template: {error}")))?;
    let data = json!({ "DisplayName": "", "RoleName": "" });
    template.render(&data).map_err(|error| Error::invalid(format!("invalid username template: {error}")))?;
    Ok(template)
}

fn username(cx: &Context, config: &Config, role: &str) -> Result<String> {
    let template = if config.username_template.is_empty() { TEMPLATE } else { &config.username_template };
    // A colon would end the name where it is sent together with the password.
    let display = cx.caller.display_name.replace(':', "-");
    let data = json!({ "DisplayName": display, "RoleName": role });
    let name = parse_template(template)?.render_at(cx.now(), &data)?;
    if name.is_empty() || name.len() > LONGEST {
        return Err(Error::invalid(format!(
            "the username template generates a name of {} bytes: the broker takes 1 to {LONGEST}",
            name.len()
        )));
    }
    Ok(name)
}

/// A password by the configuration's policy, or 36 letters and digits.
///
/// # Errors
/// 500 when there is no such policy.
pub(crate) async fn password(cx: &Context, policy: &str) -> Result<Secret> {
    if policy.is_empty() {
        return Ok(Secret::new(random(PASSWORD)));
    }
    let made = cx.policies.generate(policy).await;
    made.map_err(|error| Error::Refused { status: 500, message: format!("failed to generate password: {error}") })
}

fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&key(&at.name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("unknown role: {}", at.name)))?;
    let config = Config::load(&cx).await?;
    let plan = Plan {
        role_name: at.name.clone(),
        role,
        password: password(&cx, &config.password_policy).await?,
        marker: format!("lessor.{}.{}", cx.mount.uuid, random(16)),
    };
    let grant = Grant {
        target: config.connection_uri.clone(),
        name: username(&cx, &config, &at.name)?,
        data: serde_json::to_value(plan)?,
        revocable: true,
    };
    Ok(Reply::issue(Issue { grant, terms: terms(&cx, &at.name).await?, ttl: None, renewable: true }))
}
