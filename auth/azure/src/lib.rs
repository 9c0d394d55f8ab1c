//! Logins of Azure's managed identities and service principals, with the token that their tenant signed; where a role
//! wants it, Azure's Resource Manager is asked whether the machine of that identity is the one that is named.
//!
//! Read `proof.rs` (whose signature is believed), `place.rs` (which machine is named), `arm.rs` (what is asked), then
//! `login.rs`.
mod access;
mod arm;
mod config;
mod login;
mod place;
mod proof;
mod roles;

use lessor_engine::{Backend, Factory, Fields, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
#[derive(Default)]
pub(crate) struct Azure {
    access: access::Kept,
}

fn role(fields: &Fields) -> Option<String> {
    fields.get("role").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths() -> PathTable {
    Paths::new(Arc::new(Azure::default()))
        .path("login", "Logs in with a token of the tenant.", |path| path.write(login::login).open().login_role(role))
        .path("config", "Says which tenant is believed, and who asks Azure.", |path| {
            path.read(config::read).write(config::write).delete(config::delete)
        })
        .path("role", "Lists the roles.", |path| path.list(roles::list))
        .path("role/{name}", "Manages a role.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .build()
}

/// Makes `azure` mounts.
pub struct AzureFactory;

impl Factory for AzureFactory {
    fn kind(&self) -> &'static str {
        "azure"
    }
    fn description(&self) -> &'static str {
        "Logins of Azure's managed identities and service principals"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        Ok(Backend::new(paths()).auth(Arc::new(login::Renewal)))
    }
}
