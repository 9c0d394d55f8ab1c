//! `creds/<role>` and `sts/<role>`: the plan of a credential. Nothing of it touches AWS.
use crate::Engine;
use crate::config::{Config, KEY};
use crate::dynamic::{Plan, Sts, User};
use crate::roles::{Kind, Role, key};
use crate::{lease_config, naming};
use lessor_engine::{Context, Error, Grant, Issue, Params, Reply, Result, Seconds, Terms};
use std::sync::Arc;
use std::time::Duration;

const STS_TTL: u64 = 3600;
/// All credentials of a mount stand in one account: its control plane is what gets slow.
pub(crate) const ACCOUNT: &str = "account";

#[derive(Params)]
pub(crate) struct Asked {
    /// Name of the role.
    name: String,
    /// Which of the role's `role_arns` to assume.
    role_arn: String,
    /// Name of the session.
    role_session_name: String,
    /// How long a temporary credential lives.
    ttl: Option<Seconds>,
    /// Code of the MFA device.
    #[param(secret)]
    mfa_code: String,
}

pub(crate) async fn creds(_: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    issue(cx, asked, "creds").await
}

pub(crate) async fn sts(_: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    issue(cx, asked, "sts").await
}

fn kind(role: &Role, name: &str, path: &str) -> Result<Kind> {
    let user = role.kinds.iter().copied().find(|kind| *kind == Kind::IamUser);
    let other = role.kinds.iter().copied().find(|kind| *kind != Kind::IamUser);
    let chosen = match (role.legacy, path) {
        (true, "sts") => other,
        (true, _) => user,
        (false, _) => user.or(other),
    };
    chosen.ok_or_else(|| {
        Error::invalid(format!(
            "role {name:?} is of the old form and issues nothing at {path}/: write it anew with credential_type"
        ))
    })
}

async fn issue(cx: Context, asked: Asked, path: &str) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&key(&asked.name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("Role {:?} not found", asked.name)))?;
    let kind = kind(&role, &asked.name, path)?;
    let config: Config = cx.view.get(KEY).await?.unwrap_or_default();
    if kind == Kind::IamUser {
        return user(&cx, &role, &asked, &config).await;
    }
    let ttl = duration(&cx, &role, asked.ttl);
    let (name, role_arn) = match kind {
        Kind::AssumedRole => {
            let arn = assumed(&role, &asked.role_arn)?;
            let name = if asked.role_session_name.is_empty() {
                naming::name(&cx, &config.username_template, naming::Kind::Iam, &asked.name)?
            } else {
                naming::session_name(&asked.role_session_name)
            };
            (name, arn)
        }
        _ => (naming::name(&cx, &config.username_template, naming::Kind::Sts, &asked.name)?, String::new()),
    };
    if kind == Kind::FederationToken
        && role.policy_document.is_empty()
        && role.policy_arns.is_empty()
        && role.iam_groups.is_empty()
    {
        return Err(Error::invalid(
            "a federation_token without policy would have all the root's power: give policy_document, policy_arns or iam_groups",
        ));
    }
    let plan = Plan::Sts(Sts {
        kind,
        role: asked.name,
        role_arn,
        seconds: ttl.as_secs(),
        policy_document: role.policy_document,
        policy_arns: role.policy_arns,
        groups: role.iam_groups,
        tags: role.session_tags,
        external_id: role.external_id,
        mfa_serial: role.mfa_serial_number,
        mfa_code: asked.mfa_code,
    });
    let grant = Grant { target: ACCOUNT.into(), name, data: serde_json::to_value(plan)?, revocable: false };
    let terms = Terms { default_ttl: Some(ttl), max_ttl: Some(ttl) };
    Ok(Reply::issue(Issue { grant, terms, ttl: Some(ttl), renewable: false }))
}

async fn user(cx: &Context, role: &Role, asked: &Asked, config: &Config) -> Result<Reply> {
    let name = naming::name(cx, &config.username_template, naming::Kind::Iam, &asked.name)?;
    let plan = Plan::User(User {
        role: asked.name.clone(),
        path: if role.user_path.is_empty() { "/".to_owned() } else { role.user_path.clone() },
        policy_document: role.policy_document.clone(),
        policy_arns: role.policy_arns.clone(),
        groups: role.iam_groups.clone(),
        tags: role.iam_tags.clone(),
        boundary: role.permissions_boundary_arn.clone(),
        wait_until_usable: role.wait_until_usable,
        wait_timeout: role.wait_timeout,
        planned: cx.now(),
        made: false,
    });
    let grant = Grant { target: ACCOUNT.into(), name, data: serde_json::to_value(plan)?, revocable: true };
    Ok(Reply::issue(Issue { grant, terms: lease_config::terms(cx).await?, ttl: None, renewable: true }))
}

fn assumed(role: &Role, asked: &str) -> Result<String> {
    match (asked, role.role_arns.as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", []) => Err(Error::invalid("the role has no role_arns to assume")),
        ("", _) => {
            Err(Error::invalid("did not supply a role_arn parameter and unable to determine one: the role has several"))
        }
        (asked, arns) if arns.iter().any(|arn| arn == asked) => Ok(asked.to_owned()),
        (asked, _) => Err(Error::invalid(format!("role_arn {asked:?} not in allowed role arns of the role"))),
    }
}

fn duration(cx: &Context, role: &Role, asked: Option<Seconds>) -> Duration {
    let asked = asked.map(|seconds| seconds.0).filter(|seconds| *seconds > 0);
    let wanted = asked.unwrap_or(if role.default_sts_ttl > 0 { role.default_sts_ttl } else { STS_TTL });
    let max = if role.max_sts_ttl > 0 { role.max_sts_ttl } else { cx.mount.max_ttl.as_secs() };
    Duration::from_secs(wanted.min(max))
}
