//! Logins of workloads with the token that Kubernetes gave their service account.
//!
//! The cluster itself is asked whether a token is alive: one of a deleted account or pod is refused at once.
//! Read `account.rs` (what a token says), `cluster.rs` (what the cluster says), then `login.rs`.
mod account;
mod cluster;
mod config;
mod login;
mod roles;

use lessor_engine::{Backend, Factory, Fields, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
pub(crate) struct Kubernetes;

fn role(fields: &Fields) -> Option<String> {
    fields.get("role").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths() -> PathTable {
    Paths::new(Arc::new(Kubernetes))
        .path("login", "Logs in with a service account's token.", |path| {
            path.write(login::login).open().login_role(role)
        })
        .path("config", "Says where the cluster is.", |path| path.read(config::read).write(config::write))
        .path("role", "Lists the roles.", |path| path.list(roles::list))
        .path("role/{name}", "Manages a role.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .build()
}

/// Makes `kubernetes` mounts.
pub struct KubernetesFactory;

impl Factory for KubernetesFactory {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }
    fn description(&self) -> &'static str {
        "Logins of workloads with the token of their service account"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        Ok(Backend::new(paths()).auth(Arc::new(login::Renewal)))
    }
}
