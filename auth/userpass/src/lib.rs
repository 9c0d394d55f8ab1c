//! Logins of people with a user name and a password.
//!
//! Passwords are kept as bcrypt hashes. An unknown user costs a login as much time as a wrong password: both compare with a
//! hash of the same cost.
mod hashing;
mod login;
mod users;

use hashing::Hashing;
use lessor_engine::{Backend, Factory, Fields, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
pub(crate) struct Userpass {
    pub(crate) hashing: Arc<Hashing>,
}

fn username(fields: &Fields) -> Option<String> {
    fields.get("username").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths(userpass: Arc<Userpass>) -> PathTable {
    Paths::new(userpass)
        .path("login/{username}", "Logs in with a password.", |path| {
            path.write(login::login).open().locks_out(username)
        })
        .path("users", "Lists the users.", |path| path.list(users::list))
        .path("users/{username}", "Manages a user.", |path| {
            path.read(users::read).write(users::write).delete(users::delete).exists(users::exists)
        })
        .path("users/{username}/password", "Sets a user's password.", |path| path.write(users::password))
        .path("users/{username}/policies", "Sets a user's policies.", |path| path.write(users::policies))
        .build()
}

/// Makes `userpass` mounts. They share the bound on how many passwords are hashed at once.
#[derive(Clone, Default)]
pub struct UserpassFactory {
    hashing: Arc<Hashing>,
}

impl Factory for UserpassFactory {
    fn kind(&self) -> &'static str {
        "userpass"
    }
    fn description(&self) -> &'static str {
        "Logins of people with a user name and a password"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let userpass = Arc::new(Userpass { hashing: Arc::clone(&self.hashing) });
        Ok(Backend::new(paths(userpass)).auth(Arc::new(login::Renewal)))
    }
}
