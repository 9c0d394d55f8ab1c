//! The login itself, and what a renewal asks again.
use crate::Azure;
use crate::arm::Manager;
use crate::config::Config;
use crate::place::Named;
use crate::proof::{Proof, prove};
use crate::roles::{Role, holds, key};
use async_trait::async_trait;
use lessor_engine::{Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the role.
    role: String,
    /// Token of the tenant, made for the resource of the configuration.
    #[param(secret)]
    jwt: Secret,
    /// Subscription of the machine.
    subscription_id: String,
    /// Resource group of the machine.
    resource_group_name: String,
    /// Name of the machine.
    vm_name: String,
    /// Name of its scale set.
    vmss_name: String,
    /// Id of the resource, where it is no machine.
    resource_id: String,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    role: String,
    principal: String,
    groups: Vec<String>,
}

fn no(why: impl Into<String>) -> Error {
    Error::invalid(why)
}

/// Whether the role's bounds hold the machine, and the machine runs as the token's principal.
async fn check_place(
    azure: &Azure,
    cx: &Context,
    config: &Config,
    role: &Role,
    named: &Named,
    proof: &Proof,
) -> Result<()> {
    let id = named.id()?.ok_or_else(|| no("one of vm_name, vmss_name and resource_id is required by the role"))?;
    if !role.subscriptions.is_empty() && !holds(&role.subscriptions, &id.subscription) {
        return Err(no("subscription not authorized"));
    }
    if !role.resource_groups.is_empty() && !holds(&role.resource_groups, &id.group) {
        return Err(no("resource group not authorized"));
    }
    // Whatever else is named, only a scale set is one.
    if !role.scale_sets.is_empty() && (!named.resource.is_empty() || !holds(&role.scale_sets, &named.scale_set)) {
        return Err(no("scale set not authorized"));
    }
    let manager = Manager::open(azure, cx, config).await?;
    let found = if named.resource.is_empty() {
        let (kind, name) = if named.scale_set.is_empty() {
            ("virtualMachines", &named.vm)
        } else {
            ("virtualMachineScaleSets", &named.scale_set)
        };
        manager.machine(&id.subscription, &id.group, kind, name).await?
    } else {
        manager.resource(&id.subscription, &id.segments()).await?
    };
    let found = found.ok_or_else(|| no("the machine or resource does not exist"))?;
    if !found.runs_as(&proof.principal) {
        return Err(no("the token's principal is none of the machine's or resource's identities"));
    }
    if !role.locations.is_empty() && !holds(&role.locations, &found.location) {
        return Err(no("location not authorized"));
    }
    Ok(())
}

fn metadata(role: &str, named: &Named) -> BTreeMap<String, String> {
    let names = [
        ("role", role),
        ("subscription_id", &named.subscription),
        ("resource_group_name", &named.group),
        ("vm_name", &named.vm),
        ("vmss_name", &named.scale_set),
        ("resource_id", &named.resource),
    ];
    let there = names.into_iter().filter(|(_, value)| !value.is_empty());
    there.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(crate) async fn login(azure: Arc<Azure>, cx: Context, sent: LoginParams) -> Result<Reply> {
    if sent.jwt.is_empty() {
        return Err(no("jwt is required"));
    }
    if sent.role.is_empty() {
        return Err(no("role is required"));
    }
    let name = sent.role.to_lowercase();
    let config = Config::load(&cx).await?;
    let role: Option<Role> = cx.view.get(&key(&name)).await?;
    let role = role.ok_or_else(|| no(format!("invalid role name {:?}", sent.role)))?;
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let proof = prove(&azure, &config, &sent.jwt, cx.now()).await?;
    role.admit(&proof.principal, &proof.groups)?;
    let named = Named {
        subscription: sent.subscription_id,
        group: sent.resource_group_name,
        vm: sent.vm_name,
        scale_set: sent.vmss_name,
        resource: sent.resource_id,
    };
    let mut proven = named.is_empty() || named.check(proof.place.as_deref())?;
    if role.wants_place() {
        check_place(&azure, &cx, &config, &role, &named, &proof).await?;
        proven = true;
    }
    // Names that nothing vouches for are not repeated: policies may be written with them.
    let metadata = metadata(&name, &if proven { named } else { Named::default() });
    let origin = Origin { role: name.clone(), principal: proof.principal, groups: proof.groups.clone() };
    Ok(Reply::login(Login {
        display_name: proof.subject.clone(),
        alias: Some(Alias { name: proof.subject, metadata: metadata.clone() }),
        groups: proof.groups,
        metadata,
        token: role.token.settings,
        renewal: json!(origin),
        renewable: true,
        role: name,
    }))
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let role: Option<Role> = cx.view.get(&key(&origin.role)).await?;
        let role = role.ok_or_else(|| no(format!("role {} does not exist during renewal", origin.role)))?;
        role.admit(&origin.principal, &origin.groups)?;
        Ok(Renewed { token: role.token.settings, same_policies: false, groups: None })
    }
}
