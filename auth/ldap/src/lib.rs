//! Logins of people with the password they have in a directory.
//!
//! Read `directory.rs` (one conversation with the directory), `person.rs` (who somebody is there), then `login.rs`; `rotation.rs`
//! replaces the bind password.
mod config;
mod directory;
mod dn;
mod login;
mod mapping;
mod person;
mod rotation;
mod token_groups;

use lessor_engine::{Backend, Factory, Fields, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
pub(crate) struct Ldap;

fn username(fields: &Fields) -> Option<String> {
    fields.get("username").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths() -> PathTable {
    Paths::new(Arc::new(Ldap))
        .path("login/{username+}", "Logs in with a password.", |path| {
            path.write(login::login).open().locks_out(username)
        })
        .path("config", "Says where the directory is.", |path| path.read(config::read).write(config::write))
        .path("config/rotate-root", "Gives the account that searches a new password.", |path| {
            path.write(rotation::rotate)
        })
        .path("groups", "Lists the groups that have policies.", |path| path.list(mapping::list_groups))
        .path("groups/{name+}", "Manages a group's policies.", |path| {
            path.read(mapping::read_group).write(mapping::write_group).delete(mapping::delete_group)
        })
        .path("users", "Lists the users that have policies or groups here.", |path| path.list(mapping::list_users))
        .path("users/{name+}", "Manages a user's policies and groups.", |path| {
            path.read(mapping::read_user).write(mapping::write_user).delete(mapping::delete_user)
        })
        .build()
}

/// Makes `ldap` mounts.
pub struct LdapFactory;

impl Factory for LdapFactory {
    fn kind(&self) -> &'static str {
        "ldap"
    }
    fn description(&self) -> &'static str {
        "Logins of people with the password they have in a directory"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        Ok(Backend::new(paths()).auth(Arc::new(login::Renewal)).rotating(Arc::new(rotation::Root)))
    }
}
