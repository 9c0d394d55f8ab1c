//! Logins of machines: a role id that names the role, and a secret id that proves it.
//!
//! Neither is a key in storage: both are found by an HMAC under a key of the mount. A secret id is kept below its role's own
//! `id`, which a role of the same name made later does not share, so deleting a role ends its secret ids in one commit
//! however many there are; `tidy.rs` clears away what is left of them.
mod hash;
mod login;
mod role;
mod roles;
mod secret_id;
mod secret_ids;
mod settings;
mod tidy;

use hash::Hasher;
use lessor_engine::{Backend, Context, Error, Factory, Fields, PathTable, Paths, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// One mount.
pub(crate) struct Approle {
    hasher: OnceCell<Hasher>,
    /// Writers of one record wait for each other here instead of failing each other's guards; the guards stay, for the
    /// other nodes of a cluster.
    turns: Vec<Mutex<()>>,
    tidying: AtomicBool,
    /// When expired secret ids are looked for again, in seconds since 1970.
    next_sweep: AtomicI64,
}

const TURNS: usize = 64;

impl Approle {
    fn new() -> Self {
        Self {
            hasher: OnceCell::new(),
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
            tidying: AtomicBool::new(false),
            next_sweep: AtomicI64::new(0),
        }
    }
    pub(crate) async fn hasher(&self, cx: &Context) -> Result<&Hasher> {
        self.hasher.get_or_try_init(|| Hasher::of(&cx.view)).await
    }
    /// Waits until nobody else in this process changes what `name` stands for (different names may share a turn).
    pub(crate) async fn turn(&self, name: &str) -> MutexGuard<'_, ()> {
        let sum = name.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.turns[sum % TURNS].lock().await
    }
}

/// Whether somebody else was faster: read again and decide anew.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Storage(lessor_storage::Error::Conflict { .. }))
}

fn role_id(fields: &Fields) -> Option<String> {
    fields.get("role_id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
}

fn paths(approle: Arc<Approle>) -> PathTable {
    let paths = Paths::new(approle)
        .path("login", "Logs in with a role id and a secret id.", |path| {
            path.write(login::login).open().locks_out(role_id).login_role_by(login::role)
        })
        .path("role", "Lists the roles.", |path| path.list(roles::list))
        .path("role/{role_name}", "Manages a role.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .path("role/{role_name}/role-id", "Reads or sets the role's id.", |path| {
            path.read(roles::read_role_id).write(roles::write_role_id)
        })
        .path("tidy/secret-id", "Removes what is left of expired secret ids and deleted roles.", |path| {
            path.write(tidy::start)
        });
    settings::add(secret_ids::add(paths)).build()
}

/// Makes `approle` mounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApproleFactory;

impl Factory for ApproleFactory {
    fn kind(&self) -> &'static str {
        "approle"
    }
    fn description(&self) -> &'static str {
        "Logins of machines with a role id and a secret id"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let approle = Arc::new(Approle::new());
        let method = Arc::new(login::Renewal);
        Ok(Backend::new(paths(approle)).auth(method))
    }
}
