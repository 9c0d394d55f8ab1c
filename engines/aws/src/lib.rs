//! The AWS secrets engine: IAM users made for a lease, temporary credentials of STS, and the keys of users that exist.
mod call;
mod config;
mod creds;
mod dynamic;
mod lease_config;
mod legacy;
mod naming;
mod roles;
mod rotation;
mod sdk;
mod session;
#[cfg(feature = "sim")]
pub mod sim;
mod static_roles;

use call::Cloud;
use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use session::Sessions;
use std::{collections::BTreeMap, sync::Arc};

/// One mount.
struct Engine {
    sessions: Sessions,
}

struct AwsFactory {
    cloud: Arc<dyn Cloud>,
}

impl Factory for AwsFactory {
    fn kind(&self) -> &'static str {
        "aws"
    }
    fn description(&self) -> &'static str {
        "Credentials of Amazon Web Services"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let engine = Arc::new(Engine { sessions: Sessions::new(Arc::clone(&self.cloud)) });
        Ok(Backend::new(paths(&engine)).dynamic(engine.clone()).rotating(engine))
    }
}

/// Makes `aws` mounts.
pub fn factory() -> Arc<dyn Factory> {
    Arc::new(AwsFactory { cloud: Arc::new(sdk::Sdk::default()) })
}

fn paths(engine: &Arc<Engine>) -> PathTable {
    Paths::new(Arc::clone(engine))
        .path("config/root", "The root credential and how AWS is reached.", |path| {
            path.read(config::read).write(config::write).delete(config::delete)
        })
        .path("config/rotate-root", "Replaces the root access key.", |path| path.write(config::rotate_root))
        .path("config/lease", "Default and longest lease of IAM users.", |path| {
            path.read(lease_config::read).write(lease_config::write)
        })
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("roles/{name@}", "A recipe for credentials.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .path("creds/{name@}", "Makes a credential by a role.", |path| path.read(creds::creds).write(creds::creds))
        .path("sts/{name@}", "Makes a temporary credential by a role.", |path| path.read(creds::sts).write(creds::sts))
        .path("static-roles", "Lists the static roles.", |path| path.list(static_roles::list))
        .path("static-roles/{name@}", "An IAM user whose access key is rotated.", |path| {
            path.read(static_roles::read)
                .write(static_roles::write)
                .delete(static_roles::delete)
                .exists(static_roles::exists)
        })
        .path("static-creds/{name@}", "The present key of a static role.", |path| path.read(static_roles::creds))
        .path("rotate-role/{name@}", "Rotates a static role now.", |path| path.write(static_roles::rotate))
        .build()
}
