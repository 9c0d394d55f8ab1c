//! Logins with a token that somebody else signed: `jwt` takes the token itself, `oidc` sends people to a provider and
//! fetches it there. Both are one method under two names, as in Vault.
//!
//! Read `provider.rs` (whose keys are believed), `identity.rs` (who the claims speak of), then `login.rs`, and `oidc/` for
//! the way over the browser; `custom/` has the providers with ways of their own.
mod config;
mod custom;
mod identity;
mod login;
mod oidc;
mod provider;
mod role;
mod roles;
#[cfg(test)]
mod testing;

use lessor_cloud_access::google::Access;
use lessor_engine::{Backend, Context, Factory, Fields, PathTable, Paths, Result};
use lessor_platform_http::Http;
use provider::Providers;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// One mount.
#[derive(Default)]
pub(crate) struct Jwt {
    pub(crate) providers: Providers,
    /// For `provider_config` gsuite.
    pub(crate) google: Access,
    pub(crate) google_http: OnceCell<Http>,
}

/// The role that is asked for, or the default one.
async fn role(_: Arc<Jwt>, cx: Context, raw: Fields) -> Option<String> {
    let asked = raw.get("role").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    config::Config::load(&cx).await.ok()?.role_name(&asked).ok()
}

fn paths(jwt: Arc<Jwt>) -> PathTable {
    Paths::new(jwt)
        .path("login", "Logs in with a signed token.", |path| path.write(login::login).open().login_role_by(role))
        .path("oidc/auth_url", "Begins a login over a browser.", |path| {
            path.write(oidc::auth_url).open().login_role_by(role)
        })
        .path("oidc/callback", "Ends a login over a browser.", |path| {
            path.read(oidc::callback).write(oidc::form_post).open()
        })
        .path("oidc/poll", "Tells how a direct or device login ended.", |path| path.write(oidc::poll).open())
        .path("config", "Says whose tokens are taken.", |path| path.read(config::read).write(config::write))
        .path("role", "Lists the roles.", |path| path.list(roles::list))
        .path("role/{name}", "Manages a role.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .build()
}

/// Makes mounts of one of the two names.
pub struct JwtFactory(&'static str);

impl JwtFactory {
    /// For mounts of type `jwt`.
    pub fn jwt() -> Self {
        Self("jwt")
    }
    /// For mounts of type `oidc`.
    pub fn oidc() -> Self {
        Self("oidc")
    }
}

impl Factory for JwtFactory {
    fn kind(&self) -> &'static str {
        self.0
    }
    fn description(&self) -> &'static str {
        "Logins with tokens of a provider, sent or fetched over a browser"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        Ok(Backend::new(paths(Arc::default())).auth(Arc::new(login::Renewal)))
    }
}
