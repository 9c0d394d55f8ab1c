//! `auth/token/roles`: what tokens made by a role may be.
use super::super::System;
use crate::token::Token;
use ipnet::IpNet;
use lessor_engine::auth::{policy_names, show_cidr};
use lessor_engine::{
    CommaList, Context, Error, Params, Paths, Reply, Result, Seconds, TokenKind, TokenParams, TokenSettings,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("roles", "Lists the token roles.", |path| path.list(list)).path(
        "roles/{role_name}",
        "Writes, reads and deletes a token role.",
        |path| path.read(read).write(write).delete(delete).exists(exists),
    )
}

/// A token role.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Role {
    pub(super) name: String,
    allowed_policies: Vec<String>,
    disallowed_policies: Vec<String>,
    allowed_policies_glob: Vec<String>,
    disallowed_policies_glob: Vec<String>,
    /// Lower case, with `*` for any text.
    pub(super) allowed_entity_aliases: Option<Vec<String>>,
    pub(super) orphan: bool,
    pub(super) renewable: bool,
    pub(super) path_suffix: String,
    pub(super) token: TokenSettings,
}

/// Shell-style, with `*` anywhere.
fn matches(globs: &[String], name: &str) -> bool {
    globs.iter().any(|glob| lessor_engine::glob::fits(glob, name))
}

/// At least three characters, a word's at both ends.
fn is_suffix(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = text.starts_with(word) && text.ends_with(word);
    text.len() > 2 && ends && text.chars().all(|c| word(c) || c == '-' || c == '.')
}

impl Role {
    /// Whether the role has rules of its own about policies.
    pub(super) fn names_policies(&self) -> bool {
        let lists = [
            &self.allowed_policies,
            &self.disallowed_policies,
            &self.allowed_policies_glob,
            &self.disallowed_policies_glob,
        ];
        lists.iter().any(|list| !list.is_empty())
    }
    /// The policies of a token by this role's rules. `finish` adds the default policy where it is told to.
    pub(super) fn policies(
        &self,
        asked: BTreeSet<String>,
        inherited: BTreeSet<String>,
        no_default: bool,
        finish: impl Fn(BTreeSet<String>, bool) -> BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let refused = |name: &str| {
            self.disallowed_policies.iter().any(|policy| policy == name)
                || matches(&self.disallowed_policies_glob, name)
        };
        let add = !no_default && !self.token.no_default_policy && !refused("default");
        let allows_some = !self.allowed_policies.is_empty() || !self.allowed_policies_glob.is_empty();
        let names = if !allows_some {
            finish(if asked.is_empty() { inherited } else { asked }, add)
        } else if asked.is_empty() {
            finish(self.allowed_policies.iter().cloned().collect(), add)
        } else {
            self.check_allowed(&finish(asked.clone(), add), add)?;
            finish(asked, add)
        };
        if let Some(name) = names.iter().find(|name| refused(name)) {
            return Err(Error::invalid(format!("token policy {name:?} is disallowed by this role")));
        }
        Ok(names)
    }
    fn check_allowed(&self, asked: &BTreeSet<String>, default: bool) -> Result<()> {
        let allowed = |name: &String| {
            self.allowed_policies.contains(name)
                || matches(&self.allowed_policies_glob, name)
                || (default && name == "default")
        };
        if asked.iter().all(allowed) {
            return Ok(());
        }
        let list = |names: &[String]| {
            format!("[{}]", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" "))
        };
        let asked: Vec<String> = asked.iter().filter(|name| name.as_str() != "default").cloned().collect();
        Err(Error::invalid(format!(
            "token policies ({}) must be subset of the role's allowed policies ({}) or glob policies ({})",
            list(&asked),
            list(&self.allowed_policies),
            list(&self.allowed_policies_glob)
        )))
    }
    /// Where tokens of this role may be used from.
    pub(super) fn bound_cidrs(&self, parent: &Token, cx: &Context) -> Vec<IpNet> {
        match cx.connection.address {
            Some(address) if self.token.strictly_bind_ip => vec![IpNet::from(address)],
            _ if self.token.bound_cidrs.is_empty() => parent.bound_cidrs.clone(),
            _ => self.token.bound_cidrs.clone(),
        }
    }
    fn check(&self) -> Result<()> {
        if matches!(self.token.kind, TokenKind::Batch | TokenKind::DefaultBatch) && !self.orphan {
            let text = "'token_type' cannot be 'batch' when role is set to generate non-orphan tokens";
            return Err(Error::invalid(text));
        }
        if self.path_suffix.is_empty() || is_suffix(&self.path_suffix) {
            return Ok(());
        }
        let text = "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w";
        Err(Error::invalid(text))
    }
}

/// Where a role lies, in the storage of its namespace's token mount.
fn key(cx: &Context, name: &str) -> String {
    format!("{}role/{}", crate::keys::namespace(&cx.namespace), name.to_lowercase())
}

/// The role of that name.
pub(super) async fn read_role(cx: &Context, name: &str) -> Result<Option<Role>> {
    cx.view.get(&key(cx, name)).await
}

#[derive(Params)]
struct Of {
    /// Name of the role.
    role_name: String,
}

#[derive(Params)]
struct Write {
    /// Name of the role.
    role_name: String,
    /// Policies its tokens may have, whatever the caller has.
    allowed_policies: Option<CommaList>,
    /// Policies its tokens never have.
    disallowed_policies: Option<CommaList>,
    /// The same as `allowed_policies`, with `*` in the names.
    allowed_policies_glob: Option<CommaList>,
    /// The same as `disallowed_policies`, with `*` in the names.
    disallowed_policies_glob: Option<CommaList>,
    /// Entity aliases its tokens may be made for, with `*` in the names.
    allowed_entity_aliases: Option<CommaList>,
    /// Makes orphans.
    orphan: Option<bool>,
    /// Whether its tokens can be renewed.
    renewable: Option<bool>,
    /// Ends the path its tokens are listed under.
    path_suffix: Option<String>,
    /// Deprecated name of `token_period`.
    period: Option<Seconds>,
    /// Deprecated name of `token_explicit_max_ttl`.
    explicit_max_ttl: Option<Seconds>,
    /// Deprecated name of `token_bound_cidrs`.
    bound_cidrs: Option<CommaList>,
    #[param(flatten)]
    token: TokenParams,
}

async fn exists(_: Arc<System>, cx: Context, of: Of) -> Result<bool> {
    Ok(read_role(&cx, &of.role_name).await?.is_some())
}

async fn list(_: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list(&key(&cx, "")).await?))
}

async fn read(_: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    let Some(role) = read_role(&cx, &of.role_name).await? else { return Ok(Reply::missing()) };
    let mut shown = json!({
        "allowed_entity_aliases": role.allowed_entity_aliases,
        "allowed_policies": role.allowed_policies,
        "allowed_policies_glob": role.allowed_policies_glob,
        "disallowed_policies": role.disallowed_policies,
        "disallowed_policies_glob": role.disallowed_policies_glob,
        "explicit_max_ttl": role.token.explicit_max_ttl,
        "name": role.name,
        "orphan": role.orphan,
        "path_suffix": role.path_suffix,
        "period": role.token.period,
        "renewable": role.renewable,
    });
    if !role.token.bound_cidrs.is_empty() {
        shown["bound_cidrs"] = role.token.bound_cidrs.iter().map(show_cidr).collect::<Vec<_>>().into();
    }
    let mut token = role.token.show();
    for absent in ["token_ttl", "token_max_ttl", "token_policies"] {
        token.remove(absent);
    }
    if role.token.kind == TokenKind::Default {
        token.insert("token_type".to_owned(), Value::from(TokenKind::DefaultService.word()));
    }
    if let Value::Object(shown) = &mut shown {
        shown.extend(token);
    }
    Ok(Reply::data(shown))
}

async fn write(_: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    let Write { role_name, mut token, .. } = write;
    let fresh = || Role { name: role_name.to_lowercase(), renewable: true, ..Role::default() };
    let mut role = read_role(&cx, &role_name).await?.unwrap_or_else(fresh);
    for (sent, place) in [
        (write.allowed_policies, &mut role.allowed_policies),
        (write.disallowed_policies, &mut role.disallowed_policies),
        (write.allowed_policies_glob, &mut role.allowed_policies_glob),
        (write.disallowed_policies_glob, &mut role.disallowed_policies_glob),
    ] {
        if let Some(names) = sent {
            *place = policy_names(&names);
        }
    }
    if let Some(aliases) = write.allowed_entity_aliases {
        role.allowed_entity_aliases = Some(aliases.iter().map(|alias| alias.to_lowercase()).collect());
    }
    role.orphan = write.orphan.unwrap_or(role.orphan);
    role.renewable = write.renewable.unwrap_or(role.renewable);
    role.path_suffix = write.path_suffix.unwrap_or(role.path_suffix);
    token.token_period = token.token_period.or(write.period);
    token.token_explicit_max_ttl = token.token_explicit_max_ttl.or(write.explicit_max_ttl);
    token.token_bound_cidrs = token.token_bound_cidrs.or(write.bound_cidrs);
    // Tokens of a role take these from the call that makes them.
    (token.token_ttl, token.token_max_ttl, token.token_policies) = (None, None, None);
    role.token.apply(token)?;
    role.check()?;
    cx.view.put(&key(&cx, &role_name), &role).await?;
    Ok(Reply::empty())
}

async fn delete(_: Arc<System>, cx: Context, of: Of) -> Result<Reply> {
    cx.view.delete(&key(&cx, &of.role_name)).await?;
    Ok(Reply::empty())
}
