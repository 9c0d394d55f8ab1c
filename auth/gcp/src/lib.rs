//! Logins of Google Cloud's service accounts (`iam`) and Compute Engine instances (`gce`), with a token that the account
//! or Google itself signed; Google is asked whether account and instance still exist and are what the role wants.
//!
//! Read `proof.rs` (whose signature is believed), `google.rs` (what is asked), `account.rs` and `instance.rs` (what a role
//! wants), then `login.rs`.
mod account;
mod bounds;
mod config;
mod google;
mod instance;
mod login;
mod names;
mod proof;
mod role;
mod roles;

use lessor_cloud_access::{Published, google::Access};
use lessor_engine::{Backend, Factory, Fields, PathTable, Paths, Result};
use lessor_platform_http::Http;
use lessor_signed_token::KeySet;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// One mount.
#[derive(Default)]
pub(crate) struct Gcp {
    access: Access,
    /// Google's own keys.
    keys: Published<KeySet>,
    http: OnceCell<Http>,
}

fn role(fields: &Fields) -> Option<String> {
    fields.get("role").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths(gcp: Arc<Gcp>) -> PathTable {
    Paths::new(gcp)
        .path("login", "Logs in with a signed token.", |path| path.write(login::login).open().login_role(role))
        .path("config", "Says who asks Google, and what names aliases.", |path| {
            path.read(config::read).write(config::write)
        })
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("role", "Lists the roles.", |path| path.list(roles::list))
        .path("role/{name}", "Manages a role.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .path("role/{name}/service-accounts", "Adds and removes service accounts of an iam role.", |path| {
            path.write(bounds::accounts)
        })
        .path("role/{name}/labels", "Adds and removes labels of a gce role.", |path| path.write(bounds::labels))
        .build()
}

/// Makes `gcp` mounts.
pub struct GcpFactory;

impl Factory for GcpFactory {
    fn kind(&self) -> &'static str {
        "gcp"
    }
    fn description(&self) -> &'static str {
        "Logins of Google Cloud's service accounts and instances"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let gcp = Arc::new(Gcp::default());
        Ok(Backend::new(paths(gcp.clone())).auth(Arc::new(login::Renewal(gcp))))
    }
}
