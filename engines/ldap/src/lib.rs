//! Accounts in LDAP directories: made for a lease (dynamic roles), kept and given new passwords (static roles), and lent
//! (the library). The old Active Directory engine is the same code with lazy roles.
//!
//! Read `directory.rs` (what is asked of a directory) and `client.rs` (the real one), then `recipes.rs` and `dynamic.rs`
//! (dynamic roles), `static_roles.rs` and `rotation.rs`, `library.rs` and `loans.rs`, at last `ad.rs`.
mod account;
mod ad;
mod client;
mod config;
mod creds;
mod directory;
mod dynamic;
mod ldif;
mod library;
mod loans;
mod managed;
mod migration;
mod names;
mod naming;
mod passwords;
mod recipes;
mod roles;
mod rotation;
mod schema;
mod static_roles;

#[cfg(any(test, feature = "sim"))]
pub mod sim;

use config::Config;
use directory::{Directory, Opener};
use lessor_engine::{Backend, Context, Factory, PathTable, Paths, Result};
use lessor_storage::Version;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Accounts that are checked in at a time, at most.
const LOCKS: usize = 64;

/// The two engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flavour {
    Ldap,
    Ad,
}

#[derive(Clone)]
struct Open {
    version: Version,
    directory: Arc<dyn Directory>,
}

/// One mount.
struct Engine {
    flavour: Flavour,
    opener: Arc<dyn Opener>,
    /// Opened on first use; a configuration that was written meanwhile, here or by another node, is opened anew.
    open: Mutex<Option<Open>>,
    locks: [tokio::sync::Mutex<()>; LOCKS],
}

impl Engine {
    fn new(flavour: Flavour, opener: Arc<dyn Opener>) -> Arc<Self> {
        let locks = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        Arc::new(Self { flavour, opener, open: Mutex::new(None), locks })
    }
    /// The configuration, and the directory by it.
    async fn directory(&self, cx: &Context) -> Result<(Config, Arc<dyn Directory>)> {
        let (config, version) = Config::load(cx).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_ref().filter(|open| open.version == version) {
            return Ok((config, Arc::clone(&open.directory)));
        }
        let directory = self.opener.open(&config, cx.now())?;
        *open = Some(Open { version, directory: Arc::clone(&directory) });
        drop(open);
        Ok((config, directory))
    }
    /// One check-in of an account at a time.
    async fn lock(&self, account: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        account.to_lowercase().hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        self.locks[at].lock().await
    }
}

struct LdapFactory {
    kind: &'static str,
    flavour: Flavour,
    opener: Arc<dyn Opener>,
}

impl Factory for LdapFactory {
    fn kind(&self) -> &'static str {
        self.kind
    }
    fn description(&self) -> &'static str {
        match self.flavour {
            Flavour::Ldap => "Accounts in LDAP directories",
            Flavour::Ad => "Passwords of accounts in Active Directory, replaced when they are read",
        }
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let engine = Engine::new(self.flavour, Arc::clone(&self.opener));
        let paths = match self.flavour {
            Flavour::Ldap => ldap_paths(&engine),
            Flavour::Ad => ad_paths(&engine),
        };
        Ok(Backend::new(paths).dynamic(engine.clone()).rotating(engine))
    }
}

fn made(kind: &'static str, flavour: Flavour) -> Arc<dyn Factory> {
    Arc::new(LdapFactory { kind, flavour, opener: Arc::new(client::LdapOpener) })
}

/// Makes `ldap` mounts.
pub fn factory() -> Arc<dyn Factory> {
    made("ldap", Flavour::Ldap)
}

/// Makes `openldap` mounts: an older name of the same.
pub fn openldap_factory() -> Arc<dyn Factory> {
    made("openldap", Flavour::Ldap)
}

/// Makes `ad` mounts.
pub fn ad_factory() -> Arc<dyn Factory> {
    made("ad", Flavour::Ad)
}

fn ldap_paths(engine: &Arc<Engine>) -> PathTable {
    let paths = Paths::new(Arc::clone(engine))
        .path("config", "The directory, and Lessor's account in it.", |path| {
            path.read(config::read).write(config::write).delete(config::delete).exists(config::exists)
        })
        .path("rotate-root", "Gives Lessor's account a new password.", |path| path.write(config::rotate_root))
        .path("static-role", "Lists the static roles.", |path| path.list(names::static_roles))
        .path("static-role/{name+}", "An account whose password is rotated.", |path| {
            path.read(static_roles::read)
                .write(static_roles::write)
                .delete(static_roles::delete)
                .list(names::static_roles_below)
                .exists(static_roles::exists)
        })
        .path("static-cred/{name+}", "The present password of a static role.", |path| path.read(static_roles::creds))
        .path("rotate-role/{name+}", "Rotates a static role now.", |path| path.write(static_roles::rotate))
        .path("role", "Lists the dynamic roles.", |path| path.list(names::roles))
        .path("role/{name+}", "A recipe for accounts.", |path| {
            path.read(roles::read)
                .write(roles::write)
                .delete(roles::delete)
                .list(names::roles_below)
                .exists(roles::exists)
        })
        .path("creds/{name+}", "Makes an account by a role.", |path| path.read(creds::read))
        .path(
            "static-migration",
            "Whether static roles are rotated by the rotation manager; they always are.",
            |path| path.read(migration::read).write(migration::write),
        )
        .path("static-migration/stop", "Stops nothing: there is nothing to migrate.", |path| {
            path.write(migration::stop)
        });
    library_paths(paths).build()
}

fn ad_paths(engine: &Arc<Engine>) -> PathTable {
    let paths = Paths::new(Arc::clone(engine))
        .path("config", "The directory, Lessor's account in it, and how passwords are made.", |path| {
            path.read(config::read_ad).write(config::write_ad).delete(config::delete).exists(config::exists)
        })
        .path("rotate-root", "Gives Lessor's account a new password.", |path| {
            path.read(config::rotate_root).write(config::rotate_root)
        })
        .path("roles", "Lists the roles.", |path| path.list(ad::list))
        .path("roles/{name}", "An account whose password is replaced when it is read and too old.", |path| {
            path.read(ad::read).write(ad::write).delete(ad::delete).exists(ad::exists)
        })
        .path("creds/{name}", "The password of a role, replaced first where it is due.", |path| path.read(ad::creds))
        .path("rotate-role/{name}", "Rotates a role now.", |path| path.write(ad::rotate));
    library_paths(paths).build()
}

fn library_paths(paths: Paths<Engine>) -> Paths<Engine> {
    paths
        .path("library", "Lists the sets.", |path| path.list(names::sets))
        .path("library/manage/{set+}/check-in", "Takes accounts back from anybody.", |path| path.write(library::manage))
        .path("library/{set+}/check-out", "Lends an account of a set.", |path| path.write(library::check_out))
        .path("library/{set+}/check-in", "Takes accounts back.", |path| path.write(library::check_in))
        .path("library/{set+}/status", "Who has which account of a set.", |path| path.read(library::status))
        .path("library/{set+}", "A set of accounts that are lent.", |path| {
            path.read(library::read)
                .write(library::write)
                .delete(library::delete)
                .list(library::below)
                .exists(library::exists)
        })
}
