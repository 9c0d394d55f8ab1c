//! `role/…`.
use crate::Aws;
use crate::bounds::BoundParams;
use crate::partition;
use crate::role::{AuthType, EC2_INSTANCE, Role, key};
use lessor_engine::{
    Changes, CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, Secret, TokenParams,
};
use rand::Rng;
use serde_json::Value;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    role: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    role: String,
    /// How one logs in: iam (the default) or ec2; cannot be changed.
    auth_type: String,
    /// Principals that are let in; a * at the end stands for any text.
    bound_iam_principal_arn: Option<CommaList>,
    /// Compares principals by the ids that AWS never uses again (the default) and not by their names; cannot be unset.
    resolve_aws_unique_ids: Option<bool>,
    /// ec2_instance lets only instances in, whose sessions bear their id.
    inferred_entity_type: Option<String>,
    /// The region that these instances are in.
    inferred_aws_region: Option<String>,
    /// Key of the tag of an instance that narrows what it may; of auth_type ec2 only.
    role_tag: Option<String>,
    /// Lets an instance log in without its nonce once it was stopped and started; of auth_type ec2 only.
    allow_instance_migration: Option<bool>,
    /// Lets an instance log in only once; of auth_type ec2 only.
    disallow_reauthentication: Option<bool>,
    #[param(flatten)]
    bounds: BoundParams,
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

/// A role that nobody had before.
fn fresh() -> Role {
    let tag_key = Secret::new(hex(&rand::rng().random::<[u8; 32]>()));
    Role { id: uuid(&rand::rng().random::<[u8; 16]>()), by_id: true, tag_key, ..Role::default() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}

fn auth_type(old: Option<&Role>, word: &str) -> Result<AuthType> {
    let wanted = match word {
        "" => return Ok(old.map(|role| role.auth_type).unwrap_or_default()),
        "iam" => AuthType::Iam,
        "ec2" => AuthType::Ec2,
        _ => return Err(Error::invalid(format!("unrecognized auth_type: {word}"))),
    };
    if old.is_some_and(|role| role.auth_type != wanted) {
        return Err(Error::invalid("changing auth_type on a role is not allowed"));
    }
    Ok(wanted)
}

/// The region of what is inferred, out of what is kept and what was sent.
fn inferred(old: Option<String>, sent: &RoleParams) -> Result<Option<String>> {
    let infers = match sent.inferred_entity_type.as_deref() {
        None => old.is_some(),
        Some("") => false,
        Some(EC2_INSTANCE) => true,
        Some(word) => return Err(Error::invalid(format!("specified invalid inferred_entity_type: {word}"))),
    };
    let kept = if infers || sent.inferred_entity_type.is_none() { old } else { None };
    let region = sent.inferred_aws_region.clone().or(kept).filter(|region| !region.is_empty());
    match region {
        None if infers => Err(Error::invalid("specified inferred_entity_type but not inferred_aws_region")),
        Some(_) if !infers => Err(Error::invalid("specified inferred_aws_region but not inferred_entity_type")),
        Some(region) if !partition::is_region(&region) => {
            Err(Error::invalid(format!("inferred_aws_region {region:?} is no region: use one like eu-central-1")))
        }
        region => Ok(region),
    }
}

/// Takes over what only instances have.
fn apply_ec2(role: &mut Role, sent: &RoleParams) -> Result<()> {
    let is_ec2 = role.auth_type == AuthType::Ec2;
    let only_ec2 = |text: &str| if is_ec2 { Ok(()) } else { Err(Error::invalid(text)) };
    if let Some(disallow) = sent.disallow_reauthentication {
        only_ec2("specified disallow_reauthentication when not using ec2 auth type")?;
        role.disallow_reauthentication = disallow;
    }
    if let Some(allow) = sent.allow_instance_migration {
        only_ec2("specified allow_instance_migration when not using ec2 auth type")?;
        role.allow_instance_migration = allow;
    }
    if let Some(tag) = &sent.role_tag {
        only_ec2("tried to enable role_tag when not using ec2 auth method")?;
        role.role_tag.clone_from(tag);
    }
    Ok(())
}

fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    let (auth_type, is_new) = (auth_type(old.as_ref(), &sent.auth_type)?, old.is_none());
    let mut role = Role { auth_type, ..old.unwrap_or_else(fresh) };
    let names = OldNames {
        policies: sent.policies.clone(),
        ttl: sent.ttl,
        max_ttl: sent.max_ttl,
        period: sent.period,
        bound_cidrs: None,
    };
    role.token.apply(sent.token.clone(), names)?;
    if let Some(by_id) = sent.resolve_aws_unique_ids {
        if role.by_id && !by_id && !is_new {
            return Err(Error::invalid("changing resolve_aws_unique_ids from true to false is not allowed"));
        }
        role.by_id = by_id;
    }
    if let Some(list) = &sent.bound_iam_principal_arn {
        role.principals.clone_from(&list.0);
        // Written anew, they are looked up anew: an operator accepts whoever bears the name now.
        role.principal_ids.clear();
    }
    role.bounds.apply(&sent.bounds);
    role.inferred_region = inferred(role.inferred_region, sent)?;
    apply_ec2(&mut role, sent)?;
    role.check()?;
    Ok(role)
}

pub(crate) async fn exists(_: Arc<Aws>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.version(&key(&at.role)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn write(aws: Arc<Aws>, cx: Context, sent: RoleParams) -> Result<Reply> {
    let key = key(&sent.role);
    loop {
        let (old, version) = cx.view.get_versioned(&key).await?.map_or((None, None), |(r, v)| (Some(r), Some(v)));
        let mut role = changed(old, &sent)?;
        aws.resolve(&cx, &mut role).await?;
        let changes = Changes::new().put(&key, &role)?.expect(&key, version);
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done.map(|()| Reply::empty()),
        }
    }
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.role)).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(Value::Object(role.show())))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.role)).await?;
    Ok(Reply::empty())
}
