//! Logins of members of a GitHub organisation with their personal token.
mod api;
mod config;
mod login;
mod mapping;

use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
pub(crate) struct Github;

fn paths() -> PathTable {
    Paths::new(Arc::new(Github))
        .path("login", "Logs in with a personal token.", |path| path.write(login::login).open())
        .path("config", "Says which organisation is let in.", |path| path.read(config::read).write(config::write))
        .path("map/teams", "Lists the teams that have policies.", |path| path.list(mapping::list_teams))
        .path("map/teams/{key}", "Manages a team's policies.", |path| {
            path.read(mapping::read_team).write(mapping::write_team).delete(mapping::delete_team)
        })
        .path("map/users", "Lists the users that have policies.", |path| path.list(mapping::list_users))
        .path("map/users/{key}", "Manages a user's policies.", |path| {
            path.read(mapping::read_user).write(mapping::write_user).delete(mapping::delete_user)
        })
        .build()
}

/// Makes `github` mounts.
pub struct GithubFactory;

impl Factory for GithubFactory {
    fn kind(&self) -> &'static str {
        "github"
    }
    fn description(&self) -> &'static str {
        "Logins of members of a GitHub organisation with their personal token"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        Ok(Backend::new(paths()).auth(Arc::new(login::Renewal)))
    }
}
