//! Core's own endpoints, declared like any engine's: `sys/` and `auth/token/`.
mod audit;
mod keyring;
mod leases;
mod mounts;
mod policies;
mod reconcile;
mod rekey;
mod remount;
mod tokens;
mod ui;

use crate::active::Active;
use crate::mount::Mounted;
use crate::node::Core;
use crate::token::Token;
use lessor_engine::{Context, Error, Paths, Result};
use std::sync::{Arc, Weak};

/// What the handlers hold.
pub(crate) struct System {
    core: Weak<Core>,
}

impl System {
    fn core(&self) -> Result<Arc<Core>> {
        self.core.upgrade().ok_or_else(|| Error::Internal("the node has ended".into()))
    }
    fn active(&self) -> Result<Arc<Active>> {
        self.core()?.active()
    }
    /// The caller's token.
    async fn caller(&self, cx: &Context) -> Result<Token> {
        let active = self.active()?;
        let found = active.tokens.find(cx.caller.token.expose(), active.now()).await?;
        found.map(|(token, _)| token).ok_or_else(|| Error::Forbidden("permission denied".into()))
    }
}

/// The mounts that are always there.
pub(crate) fn mounts(core: &Arc<Core>) -> Vec<Arc<Mounted>> {
    let system = || Arc::new(System { core: Arc::downgrade(core) });
    let mut paths = Paths::new(system());
    for declare in [
        mounts::declare,
        leases::declare,
        audit::declare,
        policies::declare,
        keyring::declare,
        remount::declare,
        reconcile::declare,
        rekey::declare,
        ui::declare,
    ] {
        paths = declare(paths);
    }
    vec![
        Mounted::builtin("sys/", "system", "system endpoints used for control, policy and debugging", paths.build()),
        Mounted::builtin(
            "auth/token/",
            "token",
            "token based credentials",
            tokens::declare(Paths::new(system())).build(),
        ),
    ]
}
