//! `auth/token/create*`.
use super::super::System;
use super::roles::{Role, read_role};
use crate::active::Active;
use crate::identity::LoginAt;
use crate::lease::ttl::{Bounds, effective};
use crate::token::record::fresh_text;
use crate::token::{Kind, Token};
use jiff::Timestamp;
use lessor_engine::auth::policy_names;
use lessor_engine::glob;
use lessor_engine::{Context, Error, KeyValues, Params, Paths, Reply, Result, Secret, StringList, TokenKind, duration};
use lessor_storage::Batch;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("create", "Makes a child token.", |path| path.write(create))
        .path("create-orphan", "Makes a token without parent.", |path| path.write(create_orphan))
        .path("create/{role_name}", "Makes a token by a token role.", |path| path.write(create_by_role))
}

/// What can be asked of a token.
#[derive(Params)]
struct Create {
    /// The token's text, instead of a random one.
    #[param(secret)]
    id: Secret,
    /// Policies; the parent's where none are given.
    policies: StringList,
    /// Audited with every request.
    meta: KeyValues,
    /// Makes an orphan.
    no_parent: bool,
    /// Leaves out the default policy.
    no_default_policy: bool,
    /// Whether it can be renewed.
    #[param(default = "true")]
    renewable: bool,
    /// How long it lives.
    ttl: String,
    /// Deprecated name of `ttl`.
    lease: String,
    /// `service` or `batch`.
    #[param(name = "type")]
    kind: String,
    /// An upper bound that renewals do not pass.
    explicit_max_ttl: String,
    /// For people.
    #[param(default = "token")]
    display_name: String,
    /// Ends after so many uses; 0 for no limit.
    num_uses: i64,
    /// Renewals reset the TTL to this, without upper bound.
    period: String,
    /// The alias of the identity entity it is for; only together with a token role.
    entity_alias: String,
}

#[derive(Params)]
struct CreateByRole {
    /// The token role.
    role_name: String,
    #[param(flatten)]
    create: Create,
}

async fn create(system: Arc<System>, cx: Context, create: Create) -> Result<Reply> {
    make(&system, &cx, create, None, false).await
}

async fn create_orphan(system: Arc<System>, cx: Context, create: Create) -> Result<Reply> {
    make(&system, &cx, create, None, true).await
}

async fn create_by_role(system: Arc<System>, cx: Context, asked: CreateByRole) -> Result<Reply> {
    let role = read_role(&cx, &asked.role_name).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("unknown role {}", asked.role_name)))?;
    make(&system, &cx, asked.create, Some(role), false).await
}

fn parse(text: &str, name: &str) -> Result<Duration> {
    if text.starts_with('-') {
        return Err(Error::invalid(format!("{name} must be positive")));
    }
    duration::parse(text).map_err(|_| Error::invalid(format!("time: invalid duration \"{text}\"")))
}

fn display_name(asked: &str) -> String {
    let mut name = String::from("token");
    if asked != "token" && !asked.is_empty() {
        name.push('-');
        for c in asked.chars() {
            let kept = if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
            if kept != '-' || !name.ends_with('-') {
                name.push(kept);
            }
        }
    }
    name
}

fn with_default(names: BTreeSet<String>, add: bool) -> BTreeSet<String> {
    let mut names = names;
    if names.contains("root") {
        return BTreeSet::from(["root".to_owned()]);
    }
    if add {
        names.insert("default".to_owned());
    }
    names
}

/// Without a role, or with one that names no policies, a child may have what its parent has.
fn policies(create: &Create, parent: &Token, role: Option<&Role>, sudo: bool) -> Result<Vec<String>> {
    let asked: BTreeSet<String> = policy_names(&create.policies).into_iter().collect();
    let inherited = || parent.policies.iter().cloned().collect::<BTreeSet<String>>();
    let names = match role.filter(|role| role.names_policies()) {
        Some(role) => role.policies(asked, inherited(), create.no_default_policy, with_default)?,
        None => {
            let add = !create.no_default_policy && role.is_none_or(|role| !role.token.no_default_policy);
            let given = !asked.is_empty();
            let mut names = if given { asked } else { inherited() };
            let subset = names.iter().all(|name| name == "default" || parent.policies.contains(name));
            if given && !sudo && !subset {
                return Err(Error::invalid("child policies must be subset of parent"));
            }
            if create.no_default_policy {
                names.remove("default");
            }
            with_default(names, add)
        }
    };
    if names.contains("root") && !parent.is_root() {
        return Err(Error::invalid("root tokens may not be created without parent token being root"));
    }
    if names.contains(crate::token::record::WRAPPING_POLICY) {
        return Err(Error::invalid("cannot assign policy \"response-wrapping\""));
    }
    Ok(names.into_iter().collect())
}

fn kind(create: &Create, role: Option<&Role>) -> Result<Kind> {
    let asked = match create.kind.as_str() {
        "" => None,
        "service" => Some(Kind::Service),
        "batch" => Some(Kind::Batch),
        _ => return Err(Error::invalid("invalid 'token_type' value")),
    };
    Ok(match role.map_or(TokenKind::Default, |role| role.token.kind) {
        TokenKind::Service => Kind::Service,
        TokenKind::Batch => Kind::Batch,
        TokenKind::DefaultBatch => asked.unwrap_or(Kind::Batch),
        TokenKind::Default | TokenKind::DefaultService => asked.unwrap_or(Kind::Service),
    })
}

/// The numbers of a token, of the call and of the role: the smaller one that is set counts.
struct Limits {
    explicit_max: u64,
    period: u64,
    num_uses: u64,
    warnings: Vec<String>,
}

fn limits(create: &Create, role: Option<&Role>) -> Result<Limits> {
    let num_uses = u64::try_from(create.num_uses).map_err(|_| Error::invalid("number of uses cannot be negative"))?;
    let mut limits = Limits {
        explicit_max: parse(&create.explicit_max_ttl, "explicit_max_ttl")?.as_secs(),
        period: parse(&create.period, "period")?.as_secs(),
        num_uses,
        warnings: Vec::new(),
    };
    let Some(role) = role else { return Ok(limits) };
    for (name, mine, theirs, unit) in [
        ("Explicit max TTL", &mut limits.explicit_max, role.token.explicit_max_ttl, " seconds"),
        ("Period", &mut limits.period, role.token.period, " seconds"),
        ("Number of uses", &mut limits.num_uses, u64::from(role.token.num_uses), ""),
    ] {
        if *mine > 0 && theirs > 0 && *mine != theirs {
            let lesser = (*mine).min(theirs);
            limits.warnings.push(format!(
                "{name} specified both during creation call and in role; using the lesser value of {lesser}{unit}"
            ));
            *mine = lesser;
        } else if *mine == 0 {
            *mine = theirs;
        }
    }
    Ok(limits)
}

fn check_batch(limits: &Limits, policies: &[String]) -> Result<()> {
    let set = [
        ("period", limits.period > 0),
        ("num_uses", limits.num_uses > 0),
        ("explicit_max_ttl", limits.explicit_max > 0),
    ];
    if let Some((name, _)) = set.into_iter().find(|(_, set)| *set) {
        return Err(Error::invalid(format!("batch tokens cannot have {name:?} set")));
    }
    if policies == ["root"] {
        return Err(Error::invalid("batch tokens cannot be root tokens"));
    }
    Ok(())
}

fn check_id(create: &Create, cx: &Context) -> Result<Option<Secret>> {
    let id = create.id.expose();
    if id.is_empty() {
        return Ok(None);
    }
    if !cx.namespace.is_empty() {
        return Err(Error::invalid("token IDs can only be manually specified in the root namespace"));
    }
    if let Some(prefix) = ["s.", "hvs."].into_iter().find(|prefix| id.starts_with(prefix)) {
        return Err(Error::invalid(format!("custom token ID cannot have the '{prefix}' prefix")));
    }
    if id.contains('.') {
        return Err(Error::invalid("custom token ID cannot have a '.' in the value"));
    }
    Ok(Some(create.id.clone()))
}

/// An alias is compared without case; `*` in the role's list stands for any text.
fn check_alias(alias: &str, role: Option<&Role>) -> Result<()> {
    if alias.is_empty() {
        return Ok(());
    }
    let Some(role) = role else {
        return Err(Error::invalid("'entity_alias' is only allowed in combination with token role"));
    };
    let alias = alias.to_lowercase();
    let allowed = role.allowed_entity_aliases.iter().flatten().any(|glob| glob::fits(glob, &alias));
    if allowed { Ok(()) } else { Err(Error::invalid("invalid 'entity_alias' value")) }
}

/// The entity of an alias at the token mount, which is made with its first token.
async fn entity_of_alias(active: &Active, cx: &Context, alias: &str) -> Result<Option<String>> {
    if alias.is_empty() {
        return Ok(None);
    }
    let at = LoginAt { namespace: &cx.namespace, accessor: &cx.mount.accessor, path: &cx.mount.path, kind: "token" };
    active.identity.entity_of_token_role(&at, alias).await.map(Some)
}

async fn make(system: &System, cx: &Context, create: Create, role: Option<Role>, orphan: bool) -> Result<Reply> {
    let parent = system.caller(cx).await?;
    let role = role.as_ref();
    if parent.kind == Kind::Batch {
        return Err(Error::Forbidden("batch tokens cannot create more tokens".to_owned()));
    }
    if parent.num_uses != 0 {
        return Err(Error::invalid("restricted use token cannot generate child tokens"));
    }
    let active = system.active()?;
    let here = format!("{}auth/token/{}", cx.namespace, cx.path);
    let sudo = active.acl(&parent, None).await?.allows_sudo(&here);
    for (asked, what) in [
        (!create.id.is_empty(), "specify token id"),
        (create.no_parent && role.is_none(), "create orphan token"),
        (!create.period.is_empty(), "create periodic token"),
    ] {
        if asked && !sudo {
            return Err(Error::invalid(format!("root or sudo privileges required to {what}")));
        }
    }
    check_alias(&create.entity_alias, role)?;
    let chosen = check_id(&create, cx)?;
    let policies = policies(&create, &parent, role, sudo)?;
    let kind = kind(&create, role)?;
    let mut limits = limits(&create, role)?;
    if kind == Kind::Batch {
        check_batch(&limits, &policies)?;
    }
    let now = cx.now();
    let ttl = parse(if create.ttl.is_empty() { &create.lease } else { &create.ttl }, "ttl")?;
    let term = Term::new(cx, &policies, ttl, &limits, now)?;
    if term.expires.is_none() && parent.expires.is_some() {
        return Err(Error::invalid("expiring root tokens cannot create non-expiring root tokens"));
    }
    limits.warnings.extend(term.warning);
    let alias_entity = entity_of_alias(&active, cx, &create.entity_alias).await?;
    let orphan = role.map_or(orphan || create.no_parent, |role| role.orphan);
    let token = Token {
        parent: (!orphan).then(|| parent.key.clone()),
        policies,
        meta: create.meta.0,
        display_name: display_name(&create.display_name),
        creation_ttl: term.ttl,
        expires: term.expires,
        explicit_max_ttl: limits.explicit_max,
        period: limits.period,
        num_uses: i64::try_from(limits.num_uses).unwrap_or(i64::MAX),
        renewable: create.renewable
            && term.expires.is_some()
            && kind == Kind::Service
            && role.is_none_or(|role| role.renewable),
        kind,
        entity_id: alias_entity.unwrap_or_else(|| if orphan { String::new() } else { parent.entity_id.clone() }),
        bound_cidrs: role.map_or_else(|| parent.bound_cidrs.clone(), |role| role.bound_cidrs(&parent, cx)),
        role: role.map(|role| role.name.clone()).unwrap_or_default(),
        namespace: cx.namespace.clone(),
        ..Token::new(now, path(cx, role))
    };
    for name in &token.policies {
        if !active.policies.exists(&cx.namespace, name, now).await? {
            limits.warnings.push(format!("Policy {name:?} does not exist"));
        }
    }
    let suffix = active.namespace_suffix(&cx.namespace);
    let (token, text) = match (kind, chosen) {
        (Kind::Service, chosen) => {
            let text = chosen.unwrap_or_else(|| fresh_text(now, &suffix));
            active.tokens.create_as(token, text, Batch::new()).await?
        }
        (Kind::Batch, Some(_)) => return Err(Error::invalid("batch tokens cannot have a custom id")),
        (Kind::Batch, None) => active.tokens.create(token, &suffix).await?,
    };
    crate::metrics::count_token("token", "auth/token/", &token);
    if let Some(due) = token.due().filter(|_| kind == Kind::Service) {
        active.wake_for(&due);
    }
    let mut reply = Reply::auth(active.auth_of(&token, text.expose()).await?);
    reply.warnings = limits.warnings;
    Ok(reply)
}

fn path(cx: &Context, role: Option<&Role>) -> String {
    let suffix = role.map(|role| role.path_suffix.as_str()).filter(|suffix| !suffix.is_empty());
    suffix.map_or_else(|| format!("auth/token/{}", cx.path), |suffix| format!("auth/token/{}/{suffix}", cx.path))
}

/// How long a token lives from now.
struct Term {
    ttl: u64,
    expires: Option<Timestamp>,
    warning: Option<String>,
}

impl Term {
    fn new(cx: &Context, policies: &[String], ttl: Duration, limits: &Limits, now: Timestamp) -> Result<Self> {
        if policies == ["root"] && ttl.is_zero() && limits.period == 0 && limits.explicit_max == 0 {
            return Ok(Self { ttl: 0, expires: None, warning: None });
        }
        let set = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        let bounds = Bounds {
            wanted: Some(ttl).filter(|ttl| !ttl.is_zero()),
            default: cx.mount.default_ttl,
            max: cx.mount.max_ttl,
            explicit_max: set(limits.explicit_max),
            period: set(limits.period),
            ..Bounds::default()
        };
        let term = effective(&bounds, now, now)?;
        Ok(Self { ttl: term.ttl.as_secs(), expires: Some(now + term.ttl), warning: term.warning })
    }
}
