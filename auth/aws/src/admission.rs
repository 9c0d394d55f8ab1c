//! Whether a role lets a principal in: by its account, and by name or by the id that AWS never uses again.
use crate::Aws;
use crate::bounds::{arn_fits, lets_in};
use crate::cloud::Entity;
use crate::partition;
use crate::principal::{Kind, Principal};
use crate::role::Role;
use lessor_engine::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// ARNs that are remembered.
const REMEMBERED: usize = 4096;

/// Who called, as roles compare them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) account: String,
    /// That of a user has its path, that of a role has neither path nor session.
    pub(crate) arn: String,
    /// Without the session.
    #[serde(default)]
    pub(crate) unique_id: String,
}

/// Full ARNs of roles by their ids. Neither ever changes, and an id is never used again.
#[derive(Default)]
pub(crate) struct FullArns(Mutex<HashMap<String, String>>);

impl FullArns {
    fn get(&self, id: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
    fn put(&self, id: &str, arn: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(id.to_owned(), arn.to_owned());
    }
}

impl Aws {
    /// Looks a principal up in its own account.
    async fn look_up(&self, cx: &Context, wanted: &Principal, doing: &str) -> Result<Entity> {
        let session = self.cloud.session(cx, &wanted.account, partition::home(&wanted.partition)).await?;
        let entity = session.entity(wanted).await.map_err(|error| error.while_doing(doing))?;
        let account = Principal::parse(&entity.arn).map(|found| found.account).unwrap_or_default();
        if account == wanted.account {
            return Ok(entity);
        }
        let (own, text) = (&wanted.account, "that was found in account");
        Err(Error::invalid(format!("{doing}: it is of account {own}, {text} {account}: configure config/sts/{own}")))
    }

    /// Finds out the ids of the principals that a role names, where it compares them.
    pub(crate) async fn resolve(&self, cx: &Context, role: &mut Role) -> Result<()> {
        if !role.by_id {
            return Ok(());
        }
        for arn in role.principals.iter().filter(|arn| !arn.ends_with('*')) {
            if role.principal_ids.contains_key(arn) {
                continue;
            }
            let doing = format!("unable to resolve ARN {arn:?} to internal ID");
            let wanted = Principal::parse(arn).filter(|wanted| wanted.session.is_none());
            let wanted = wanted.ok_or_else(|| Error::invalid(format!("{doing}: it is no user and no role")))?;
            let entity = self.look_up(cx, &wanted, &doing).await?;
            role.principal_ids.insert(arn.clone(), entity.id);
        }
        Ok(())
    }

    /// Whether the role lets them in.
    pub(crate) async fn admits(&self, cx: &Context, role: &Role, who: &Who) -> Result<bool> {
        if !lets_in(&role.bounds.accounts, &who.account) {
            return Ok(false);
        }
        let (patterns, names): (Vec<&String>, Vec<&String>) =
            role.principals.iter().partition(|arn| arn.ends_with('*'));
        if role.principals.is_empty() || names.into_iter().any(|arn| names_them(role, arn, who)) {
            return Ok(true);
        }
        self.fits_any(cx, &patterns, who).await
    }

    async fn fits_any(&self, cx: &Context, patterns: &[&String], who: &Who) -> Result<bool> {
        let Some(principal) = Principal::parse(&who.arn) else { return Ok(false) };
        if principal.kind == Kind::User {
            return Ok(patterns.iter().any(|pattern| arn_fits(pattern, &who.arn)));
        }
        // IAM is asked for the role's path only where it decides something.
        let without_path = who.arn.strip_suffix(&principal.name).unwrap_or(&who.arn);
        if patterns.iter().any(|pattern| arn_fits(pattern, without_path)) {
            return Ok(true);
        }
        if !patterns.iter().any(|pattern| pattern.starts_with(without_path)) {
            return Ok(false);
        }
        let full = self.full_arn(cx, &principal, who).await?;
        Ok(patterns.iter().any(|pattern| arn_fits(pattern, &full)))
    }

    /// The ARN of a role with its path.
    async fn full_arn(&self, cx: &Context, principal: &Principal, who: &Who) -> Result<String> {
        if let Some(known) = self.full_arns.get(&who.unique_id) {
            return Ok(known);
        }
        let doing = format!("error looking up full ARN of {:?}", who.arn);
        let entity = self.look_up(cx, principal, &doing).await?;
        if entity.id != who.unique_id {
            return Err(Error::invalid(format!("{doing}: it was deleted and made again since the session began")));
        }
        self.full_arns.put(&entity.id, &entity.arn);
        Ok(entity.arn)
    }
}

/// Whether an ARN that is no pattern names them.
fn names_them(role: &Role, arn: &str, who: &Who) -> bool {
    if role.by_id {
        return role.principal_ids.get(arn).is_some_and(|id| *id == who.unique_id);
    }
    arn == who.arn || Principal::parse(&who.arn).is_some_and(|principal| principal.canonical() == arn)
}
