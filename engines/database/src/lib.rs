//! The database secrets engine: accounts on databases, made for a lease (dynamic) or kept and given new passwords
//! (static). What is particular to a platform is behind [`plugin::Plugin`].
mod config;
mod connections;
mod credential;
mod creds;
mod dynamic;
mod naming;
mod passwords;
pub mod plugin;
pub mod postgresql;
mod roles;
mod rotation;

#[cfg(feature = "sim")]
pub mod sim;
mod statements;
mod static_roles;

use connections::Connections;
use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use plugin::Plugin;
use std::{collections::BTreeMap, sync::Arc};

/// One mount.
struct Engine {
    plugins: Arc<[Arc<dyn Plugin>]>,
    connections: Connections,
}

struct DatabaseFactory {
    plugins: Arc<[Arc<dyn Plugin>]>,
}

impl Factory for DatabaseFactory {
    fn kind(&self) -> &'static str {
        "database"
    }
    fn description(&self) -> &'static str {
        "Accounts on databases"
    }
    fn plugins(&self) -> Vec<&'static str> {
        self.plugins.iter().map(|plugin| plugin.name()).collect()
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let plugins = Arc::clone(&self.plugins);
        let engine = Arc::new(Engine { plugins, connections: Connections::default() });
        Ok(Backend::new(paths(&engine)).dynamic(engine.clone()).rotating(engine))
    }
}

/// Makes `database` mounts with every plugin of this build.
pub fn factory() -> Arc<dyn Factory> {
    factory_with(vec![Arc::new(postgresql::Postgresql)])
}

/// Makes `database` mounts with these plugins.
pub fn factory_with(plugins: Vec<Arc<dyn Plugin>>) -> Arc<dyn Factory> {
    Arc::new(DatabaseFactory { plugins: plugins.into() })
}

fn paths(engine: &Arc<Engine>) -> PathTable {
    Paths::new(Arc::clone(engine))
        .path("config", "Lists the configured databases.", |path| path.list(config::list))
        .path("config/{name}", "A database: plugin, connection and root account.", |path| {
            path.read(config::read).write(config::write).delete(config::delete).exists(config::exists)
        })
        .path("reset/{name}", "Closes a database's connections and opens them again.", |path| path.write(config::reset))
        .path("reload/{plugin_name}", "Resets every database of a plugin.", |path| path.write(config::reload))
        .path("rotate-root/{name}", "Gives the root account a new password.", |path| path.write(config::rotate_root))
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("roles/{name}", "A recipe for accounts.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .path("creds/{name}", "Makes an account by a role.", |path| path.read(creds::read))
        .path("static-roles", "Lists the static roles.", |path| path.list(static_roles::list))
        .path("static-roles/{name}", "An account whose password is rotated.", |path| {
            path.read(static_roles::read)
                .write(static_roles::write)
                .delete(static_roles::delete)
                .exists(static_roles::exists)
        })
        .path("static-creds/{name}", "The present password of a static role.", |path| path.read(static_roles::creds))
        .path("rotate-role/{name}", "Rotates a static role now.", |path| path.write(static_roles::rotate))
        .build()
}
