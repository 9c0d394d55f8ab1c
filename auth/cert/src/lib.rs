//! Logins with a TLS client certificate.
//!
//! TLS has proven that the client holds the key of its certificate, and nothing else. Whether the certificate is trusted is
//! decided here, role by role: a role trusts authorities, or single certificates, and may ask for more (`constraints.rs`).
mod certificate;
mod chain;
mod config;
mod constraints;
mod crl;
mod crls;
mod fetch;
mod login;
mod ocsp;
mod roles;

use lessor_engine::{Backend, Factory, Fields, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
#[derive(Default)]
pub(crate) struct Cert {
    pub(crate) crls: crl::Cache,
    pub(crate) ocsp: ocsp::Cache,
}

fn role(fields: &Fields) -> Option<String> {
    fields.get("name").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths(cert: Arc<Cert>) -> PathTable {
    Paths::new(cert)
        .path("login", "Logs in with the client certificate of the connection.", |path| {
            path.write(login::login).open().login_role(role)
        })
        .path("certs", "Lists the roles.", |path| path.list(roles::list))
        .path("certs/{name}", "Manages a role: what certificates are let in, and as what.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .path("crls", "Lists the revocation lists.", |path| path.list(crls::list))
        .path("crls/{name}", "Manages a revocation list.", |path| {
            path.read(crls::read).write(crls::write).delete(crls::delete)
        })
        .path("config", "Settings of the mount.", |path| path.read(config::read).write(config::write))
        .build()
}

/// Makes `cert` mounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertFactory;

impl Factory for CertFactory {
    fn kind(&self) -> &'static str {
        "cert"
    }
    fn description(&self) -> &'static str {
        "Logins with a TLS client certificate"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let cert = Arc::new(Cert::default());
        let renewal = Arc::new(login::Renewal(Arc::clone(&cert)));
        Ok(Backend::new(paths(cert)).auth(renewal))
    }
}
