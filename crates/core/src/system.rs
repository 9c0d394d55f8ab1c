//! Core's own endpoints, declared like any engine's: `sys/` and `auth/token/`.
mod acl_policies;
mod audit;
mod audit_headers;
mod capabilities;
mod config;
mod counters;
mod cubbyhole;
mod edition;
mod generate_root;
mod keyring;
mod leases;
mod locked_users;
mod loggers;
mod metrics;
mod mfa;
mod mounts;
mod namespaces;
mod node_info;
mod openapi;
mod plugins;
mod policies;
mod quotas;
mod raw;
mod reconcile;
mod rekey;
mod remount;
mod rotation;
mod snapshots;
mod tokens;
mod tools;
mod tune;
mod ui;
mod wrapping;

use crate::active::Active;
use crate::mount::Mounted;
use crate::node::Core;
use crate::policy::Acl;
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
    /// The caller's token, as the pipeline found it; on paths that are open to everybody it may be missing.
    async fn caller(&self, cx: &Context) -> Result<Arc<Token>> {
        if let Some(token) = cx.caller.record.clone().and_then(|record| record.downcast::<Token>().ok()) {
            return Ok(token);
        }
        let active = self.active()?;
        let found = active.tokens.find(cx.caller.token.expose(), active.now()).await?;
        let found = found.filter(|found| !cx.caller.token.is_empty() && found.token.num_uses >= 0);
        found.map(|found| found.token).ok_or_else(|| Error::Forbidden("permission denied".into()))
    }
    /// What the caller may do.
    async fn acl(&self, cx: &Context) -> Result<Arc<Acl>> {
        let token = self.caller(cx).await?;
        self.active()?.acl(&token, None).await
    }
}

/// The mounts that are always there.
pub(crate) fn mounts(core: &Arc<Core>) -> Vec<Arc<Mounted>> {
    let system = || Arc::new(System { core: Arc::downgrade(core) });
    let mut paths = Paths::new(system());
    for declare in [
        mounts::declare,
        namespaces::declare,
        wrapping::declare,
        locked_users::declare,
        leases::declare,
        audit::declare,
        audit_headers::declare,
        policies::declare,
        acl_policies::declare,
        capabilities::declare,
        keyring::declare,
        remount::declare,
        reconcile::declare,
        snapshots::declare,
        rotation::declare,
        quotas::declare,
        tools::declare,
        openapi::declare,
        plugins::declare,
        loggers::declare,
        node_info::declare,
        counters::declare,
        edition::declare,
        ui::declare,
        config::declare,
        metrics::declare,
        mfa::declare,
    ] {
        paths = declare(paths);
    }
    let settings = core.settings();
    paths = rekey::declare(paths, settings.open_rekey);
    paths = generate_root::declare(paths, settings.open_generate_root);
    if settings.raw_storage_endpoint {
        paths = raw::declare(paths);
    }
    vec![
        Mounted::builtin("sys/", "system", "system endpoints used for control, policy and debugging", paths.build()),
        Mounted::builtin(
            "cubbyhole/",
            "cubbyhole",
            "per-token private secret storage",
            cubbyhole::declare(Paths::new(system())).build(),
        ),
        Mounted::builtin(
            "auth/token/",
            "token",
            "token based credentials",
            tokens::declare(Paths::new(system())).build(),
        ),
        crate::identity::mount(core),
    ]
}
