//! The RabbitMQ secrets engine: users of a broker that live as long as a lease.
mod broker;
mod config;
mod creds;
mod dynamic;
mod lease;
mod management;
mod roles;
mod rotation;
#[cfg(feature = "sim")]
pub mod sim;

use broker::Brokers;
use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
struct Engine {
    brokers: Arc<dyn Brokers>,
}

struct RabbitmqFactory {
    brokers: Arc<dyn Brokers>,
}

impl Factory for RabbitmqFactory {
    fn kind(&self) -> &'static str {
        "rabbitmq"
    }
    fn description(&self) -> &'static str {
        "Users of RabbitMQ brokers"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let engine = Arc::new(Engine { brokers: Arc::clone(&self.brokers) });
        Ok(Backend::new(paths(&engine)).dynamic(engine.clone()).rotating(engine))
    }
}

/// Makes `rabbitmq` mounts.
pub fn factory() -> Arc<dyn Factory> {
    Arc::new(RabbitmqFactory { brokers: Arc::new(management::Management::default()) })
}

fn paths(engine: &Arc<Engine>) -> PathTable {
    Paths::new(Arc::clone(engine))
        .path("config/connection", "The broker, and how users are named.", |path| {
            path.read(config::read).write(config::write).delete(config::delete)
        })
        .path("config/lease", "How long users live.", |path| {
            path.read(lease::read).write(lease::write).delete(lease::delete)
        })
        .path("config/rotate-root", "Gives the configured user a new password.", |path| path.write(config::rotate))
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("roles/{name}", "A recipe for users.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete)
        })
        .path("creds/{name}", "Makes a user by a role.", |path| path.read(creds::read))
        .build()
}
