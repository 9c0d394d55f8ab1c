//! `role/<name>/<setting>`: one setting of a role at a time.
use crate::Approle;
use crate::role::{self, Role};
use crate::roles::{At, uses};
use lessor_engine::path::{PathBuilder, Paths};
use lessor_engine::{CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams, TokenSettings};
use serde_json::{Value, json};
use std::sync::Arc;

/// The parameters of one such path, and what they do to a role.
trait Setting: Params + Sync {
    fn role_name(&self) -> &str;
    /// Takes over what was sent.
    fn set(&self, role: &mut Role) -> Result<()>;
    /// Back to the default.
    fn reset(role: &mut Role) -> Result<()>;
    /// The `data` of a read.
    fn show(role: &Role) -> Value;
    const DEPRECATED: Option<&'static str> = None;
}

async fn read<S: Setting>(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = approle.role(&cx, &role::name(&at.role_name)?).await? else { return Ok(Reply::missing()) };
    let reply = Reply::data(S::show(&role));
    Ok(match S::DEPRECATED {
        Some(warning) => reply.warn(warning),
        None => reply,
    })
}

async fn write<S: Setting>(approle: Arc<Approle>, cx: Context, sent: S) -> Result<Reply> {
    let name = role::name(sent.role_name())?;
    let change = |old: Option<Role>| {
        let mut role = old.ok_or_else(|| role::unknown(&name))?;
        sent.set(&mut role)?;
        Ok(role)
    };
    approle.change(&cx, &name, change).await?;
    Ok(Reply::empty())
}

async fn reset<S: Setting>(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    let name = role::name(&at.role_name)?;
    if approle.role(&cx, &name).await?.is_none() {
        return Ok(Reply::empty());
    }
    let change = |old: Option<Role>| {
        let mut role = old.ok_or_else(|| role::unknown(&name))?;
        S::reset(&mut role)?;
        Ok(role)
    };
    approle.change(&cx, &name, change).await?;
    Ok(Reply::empty())
}

fn all<S: Setting>(path: PathBuilder<Approle>) -> PathBuilder<Approle> {
    path.read(read::<S>).write(write::<S>).delete(reset::<S>)
}

pub(crate) fn add(paths: Paths<Approle>) -> Paths<Approle> {
    paths
        .path("role/{role_name}/policies", "Policies of the role's tokens.", all::<Policies>)
        .path("role/{role_name}/secret-id-num-uses", "Logins with one secret id.", all::<SecretIdNumUses>)
        .path("role/{role_name}/secret-id-ttl", "Lifetime of a secret id.", all::<SecretIdTtl>)
        .path("role/{role_name}/token-ttl", "Initial TTL of the role's tokens.", all::<TokenTtl>)
        .path("role/{role_name}/token-max-ttl", "Longest life of the role's tokens.", all::<TokenMaxTtl>)
        .path("role/{role_name}/token-num-uses", "Uses of the role's tokens.", all::<TokenNumUses>)
        .path("role/{role_name}/bind-secret-id", "Whether a login needs a secret id.", all::<BindSecretId>)
        .path("role/{role_name}/bound-cidr-list", "Older name of secret-id-bound-cidrs.", all::<BoundCidrList>)
        .path("role/{role_name}/secret-id-bound-cidrs", "Address blocks that may log in.", all::<SecretIdBoundCidrs>)
        .path("role/{role_name}/token-bound-cidrs", "Address blocks of the role's tokens.", all::<TokenBoundCidrs>)
        .path("role/{role_name}/period", "Period of the role's tokens.", all::<Period>)
        .path("role/{role_name}/local-secret-ids", "Whether secret ids are local to a cluster.", |path| {
            path.read(local_secret_ids)
        })
}

async fn local_secret_ids(approle: Arc<Approle>, cx: Context, at: At) -> Result<Reply> {
    let role = approle.role(&cx, &role::name(&at.role_name)?).await?;
    let show = |role: Role| Reply::data(json!({ "local_secret_ids": role.local_secret_ids }));
    Ok(role.map_or_else(Reply::missing, show))
}

fn required<T>(sent: Option<T>, field: &str) -> Result<T> {
    sent.ok_or_else(|| Error::invalid(format!("missing {field}")))
}

fn set_token(role: &mut Role, token: TokenParams) -> Result<()> {
    role.token.apply(token, OldNames::default())
}

#[derive(Params)]
struct Policies {
    /// Name of the role, in lower case.
    role_name: String,
    /// Policies of the tokens.
    token_policies: Option<CommaList>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
}

impl Setting for Policies {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        required(self.token_policies.as_ref().or(self.policies.as_ref()), "token_policies")?;
        let token = TokenParams { token_policies: self.token_policies.clone(), ..TokenParams::default() };
        role.token.apply(token, OldNames { policies: self.policies.clone(), ..OldNames::default() })
    }
    fn reset(role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_policies: Some(CommaList(Vec::new())), ..TokenParams::default() })
    }
    fn show(role: &Role) -> Value {
        both_names(role, "policies", "token_policies")
    }
}

/// A setting under its name, and under the older one where that was used.
fn both_names(role: &Role, old: &str, new: &str) -> Value {
    let mut shown = role.token.show();
    shown.retain(|name, _| name == old || name == new);
    shown.sort_keys();
    Value::Object(shown)
}

#[derive(Params)]
struct SecretIdNumUses {
    /// Name of the role, in lower case.
    role_name: String,
    /// Logins with one secret id; 0 for no limit.
    secret_id_num_uses: Option<i64>,
}

impl Setting for SecretIdNumUses {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        role.secret_id_num_uses = uses(required(self.secret_id_num_uses, "secret_id_num_uses")?, "secret_id_num_uses")?;
        Ok(())
    }
    fn reset(role: &mut Role) -> Result<()> {
        role.secret_id_num_uses = 0;
        Ok(())
    }
    fn show(role: &Role) -> Value {
        json!({ "secret_id_num_uses": role.secret_id_num_uses })
    }
}

#[derive(Params)]
struct SecretIdTtl {
    /// Name of the role, in lower case.
    role_name: String,
    /// Lifetime of a secret id; 0 for ever.
    secret_id_ttl: Option<Seconds>,
}

impl Setting for SecretIdTtl {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        role.secret_id_ttl = required(self.secret_id_ttl, "secret_id_ttl")?.0;
        Ok(())
    }
    fn reset(role: &mut Role) -> Result<()> {
        role.secret_id_ttl = 0;
        Ok(())
    }
    fn show(role: &Role) -> Value {
        json!({ "secret_id_ttl": role.secret_id_ttl })
    }
}

#[derive(Params)]
struct TokenTtl {
    /// Name of the role, in lower case.
    role_name: String,
    /// Initial TTL and TTL of a renewal; 0 for the mount's default.
    token_ttl: Option<Seconds>,
}

impl Setting for TokenTtl {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        let ttl = required(self.token_ttl, "token_ttl")?;
        set_token(role, TokenParams { token_ttl: Some(ttl), ..TokenParams::default() })
    }
    fn reset(role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_ttl: Some(Seconds(0)), ..TokenParams::default() })
    }
    fn show(role: &Role) -> Value {
        json!({ "token_ttl": role.token.settings.ttl })
    }
}

#[derive(Params)]
struct TokenMaxTtl {
    /// Name of the role, in lower case.
    role_name: String,
    /// Upper bound, counted from the login; 0 for the mount's maximum.
    token_max_ttl: Option<Seconds>,
}

impl Setting for TokenMaxTtl {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        let ttl = required(self.token_max_ttl, "token_max_ttl")?;
        set_token(role, TokenParams { token_max_ttl: Some(ttl), ..TokenParams::default() })
    }
    fn reset(role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_max_ttl: Some(Seconds(0)), ..TokenParams::default() })
    }
    fn show(role: &Role) -> Value {
        json!({ "token_max_ttl": role.token.settings.max_ttl })
    }
}

#[derive(Params)]
struct TokenNumUses {
    /// Name of the role, in lower case.
    role_name: String,
    /// Uses of the token; 0 for no limit.
    token_num_uses: Option<i64>,
}

impl Setting for TokenNumUses {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        let uses = required(self.token_num_uses, "token_num_uses")?;
        set_token(role, TokenParams { token_num_uses: Some(uses), ..TokenParams::default() })
    }
    fn reset(role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_num_uses: Some(0), ..TokenParams::default() })
    }
    fn show(role: &Role) -> Value {
        json!({ "token_num_uses": role.token.settings.num_uses })
    }
}

#[derive(Params)]
struct BindSecretId {
    /// Name of the role, in lower case.
    role_name: String,
    /// Whether a login needs a secret id.
    bind_secret_id: Option<bool>,
}

impl Setting for BindSecretId {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        role.bind_secret_id = required(self.bind_secret_id, "bind_secret_id")?;
        Ok(())
    }
    fn reset(role: &mut Role) -> Result<()> {
        role.bind_secret_id = true;
        Ok(())
    }
    fn show(role: &Role) -> Value {
        json!({ "bind_secret_id": role.bind_secret_id })
    }
}

#[derive(Params)]
struct SecretIdBoundCidrs {
    /// Name of the role, in lower case.
    role_name: String,
    /// Address blocks that may log in.
    secret_id_bound_cidrs: Option<CommaList>,
}

impl Setting for SecretIdBoundCidrs {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        set_blocks(role, self.secret_id_bound_cidrs.as_ref())
    }
    fn reset(role: &mut Role) -> Result<()> {
        role.secret_id_bound_cidrs.clear();
        Ok(())
    }
    fn show(role: &Role) -> Value {
        json!({ "secret_id_bound_cidrs": role::show_blocks(&role.secret_id_bound_cidrs) })
    }
}

fn set_blocks(role: &mut Role, sent: Option<&CommaList>) -> Result<()> {
    if let Some(texts) = sent {
        role.secret_id_bound_cidrs = role::blocks(texts, "CIDR blocks")?;
    }
    Ok(())
}

#[derive(Params)]
struct BoundCidrList {
    /// Name of the role, in lower case.
    role_name: String,
    /// Address blocks that may log in.
    bound_cidr_list: Option<CommaList>,
}

impl Setting for BoundCidrList {
    const DEPRECATED: Option<&'static str> = Some(
        "The \"bound_cidr_list\" field is deprecated and will be removed. Please use \"secret_id_bound_cidrs\" instead.",
    );
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        set_blocks(role, self.bound_cidr_list.as_ref())
    }
    fn reset(role: &mut Role) -> Result<()> {
        SecretIdBoundCidrs::reset(role)
    }
    fn show(role: &Role) -> Value {
        json!({ "bound_cidr_list": role::show_blocks(&role.secret_id_bound_cidrs) })
    }
}

#[derive(Params)]
struct TokenBoundCidrs {
    /// Name of the role, in lower case.
    role_name: String,
    /// Addresses from which one may log in and use the token.
    token_bound_cidrs: Option<CommaList>,
}

impl Setting for TokenBoundCidrs {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_bound_cidrs: self.token_bound_cidrs.clone(), ..TokenParams::default() })
    }
    fn reset(role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_bound_cidrs: Some(CommaList(Vec::new())), ..TokenParams::default() })
    }
    fn show(role: &Role) -> Value {
        json!({ "token_bound_cidrs": TokenSettings::show(&role.token.settings)["token_bound_cidrs"] })
    }
}

#[derive(Params)]
struct Period {
    /// Name of the role, in lower case.
    role_name: String,
    /// Renewals reset the TTL to this, without upper bound.
    token_period: Option<Seconds>,
    /// Older name of token_period.
    period: Option<Seconds>,
}

impl Setting for Period {
    fn role_name(&self) -> &str {
        &self.role_name
    }
    fn set(&self, role: &mut Role) -> Result<()> {
        required(self.token_period.or(self.period), "period")?;
        let token = TokenParams { token_period: self.token_period, ..TokenParams::default() };
        role.token.apply(token, OldNames { period: self.period, ..OldNames::default() })
    }
    fn reset(role: &mut Role) -> Result<()> {
        set_token(role, TokenParams { token_period: Some(Seconds(0)), ..TokenParams::default() })
    }
    fn show(role: &Role) -> Value {
        both_names(role, "period", "token_period")
    }
}
