//! The Kubernetes secrets engine: tokens of service accounts, and accounts, bindings and roles that live as long as a
//! lease. Read `config.rs` (the cluster), `cluster.rs` (the calls), `objects.rs` (what is made), `roles.rs`, `creds.rs`,
//! then `dynamic.rs`; `renewal.rs` keeps the stored token alive.
mod cluster;
mod config;
mod creds;
mod dynamic;
mod naming;
mod objects;
mod renewal;
mod roles;
#[cfg(feature = "sim")]
pub mod sim;

use cluster::{Connect, Web};
pub use config::Surroundings;
use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
struct Engine {
    surroundings: Surroundings,
    connect: Arc<dyn Connect>,
}

struct KubernetesFactory {
    surroundings: Surroundings,
    /// `None` for a client per mount.
    connect: Option<Arc<dyn Connect>>,
}

impl Factory for KubernetesFactory {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }
    fn description(&self) -> &'static str {
        "Tokens of Kubernetes service accounts"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let connect = self.connect.clone().unwrap_or_else(|| Arc::new(Web::default()));
        let engine = Arc::new(Engine { surroundings: self.surroundings.clone(), connect });
        Ok(Backend::new(paths(&engine)).dynamic(engine.clone()).rotating(engine))
    }
}

/// Makes `kubernetes` mounts that find what a pod is given of its own cluster.
pub fn factory() -> Arc<dyn Factory> {
    factory_in(Surroundings::of_this_pod())
}

/// Makes `kubernetes` mounts in other surroundings.
pub fn factory_in(surroundings: Surroundings) -> Arc<dyn Factory> {
    Arc::new(KubernetesFactory { surroundings, connect: None })
}

fn paths(engine: &Arc<Engine>) -> PathTable {
    Paths::new(Arc::clone(engine))
        .path("config", "The cluster and the account that acts there.", |path| {
            path.read(config::read).write(config::write).delete(config::delete)
        })
        .path("check", "Tells whether this server runs in a pod, or whether the cluster takes its token.", |path| {
            path.read(config::check)
        })
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("roles/{name}", "A recipe for tokens.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .path("creds/{name}", "Makes a token by a role.", |path| path.write(creds::write))
        .build()
}
