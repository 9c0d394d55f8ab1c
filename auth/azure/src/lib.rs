//! Logins of Azure's managed identities and service principals, with the token that their tenant signed; where a role
//! wants it, Azure's Resource Manager is asked whether the machine of that identity is the one that is named.
//!
//! Read `proof.rs` (whose signature is believed), `place.rs` (which machine is named), `arm.rs` (what is asked), then
//! `login.rs`.
mod arm;
mod config;
mod login;
mod place;
mod proof;
mod roles;

use config::Config;
use lessor_cloud_access::{Published, azure::Access};
use lessor_engine::{Backend, Error, Factory, Fields, PathTable, Paths, Result};
use lessor_platform_http::Http;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// One mount.
#[derive(Default)]
pub(crate) struct Azure {
    access: Access,
    /// The tenant's issuer and keys.
    tenant: Published<proof::Tenant>,
    http: OnceCell<Http>,
}

impl Azure {
    /// A client with the patience of the configuration.
    pub(crate) async fn http(&self, config: &Config) -> Result<Http> {
        let new = || async { Http::new("").map_err(|error| Error::Unavailable(error.to_string())) };
        Ok(self.http.get_or_try_init(new).await?.patient(config.patience()))
    }
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
