//! X.509 authorities: certificates for others, revocation lists, OCSP and ACME.
//!
//! Read `ca.rs` (what an authority is and how it is kept), `template.rs` (how a certificate is written and signed), `issue.rs`
//! with `names.rs` and `validity.rs` (what a role lets through), `revoke.rs` and `crl.rs` (how it ends), then `acme.rs`.
mod acme;
mod ca;
mod chain;
mod constraints;
mod crl;
mod crl_sign;
mod encode;
mod fetch;
mod generate;
mod import;
mod issue;
mod issuers;
mod jks;
mod key;
mod keys;
mod keystore;
mod lease;
mod names;
mod ocsp;
mod pkcs12;
mod policies;
mod revoke;
mod roles;
mod sans;
mod schedule;
mod settings;
mod sign_ca;
mod signature;
mod subject;
mod template;
mod tidy;
mod usage;
mod validity;
mod x509;

use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// One mount. Everything in here can be thrown away: it is read from storage again.
#[derive(Default)]
pub(crate) struct Engine {
    ca: Mutex<Option<Arc<ca::Ca>>>,
    roles: roles::Cache,
    builder: crl::Builder,
    finished: lease::Waiting,
    tidy: tidy::Tidy,
    nonces: acme::nonce::Nonces,
}

/// Makes `pki` mounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PkiFactory;

impl Factory for PkiFactory {
    fn kind(&self) -> &'static str {
        "pki"
    }
    fn description(&self) -> &'static str {
        "Issues and revokes X.509 certificates"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let engine = Arc::new(Engine::default());
        Ok(Backend::new(paths(&engine)).dynamic(Arc::clone(&engine) as _).rotating(engine))
    }
}

/// Everything this crate can mount.
pub fn factory() -> Arc<dyn Factory> {
    Arc::new(PkiFactory)
}

fn paths(engine: &Arc<Engine>) -> PathTable {
    let table = Paths::new(Arc::clone(engine));
    acme::paths(open_paths(manage_paths(issue_paths(table)))).build()
}

/// What makes certificates, and what ends them.
fn issue_paths(table: Paths<Engine>) -> Paths<Engine> {
    table
        .path("roles", "Lists roles.", |path| path.list(roles::list))
        .path("roles/{name}", "Manages a role: what may be issued under its name.", |path| {
            path.read(roles::read).write(roles::write).patch(roles::patch).delete(roles::delete)
        })
        .path("issue/{role}", "Makes a key and a certificate.", |path| path.write(issue::issue))
        .path("issuer/{issuer_ref}/issue/{role}", "Makes a key and a certificate by this issuer.", |path| {
            path.write(issue::issue)
        })
        .path("sign/{role}", "Signs a request under a role.", |path| path.write(issue::sign_csr))
        .path("issuer/{issuer_ref}/sign/{role}", "Signs a request under a role by this issuer.", |path| {
            path.write(issue::sign_csr)
        })
        .path("sign-verbatim", "Signs a request as it is.", |path| path.write(issue::sign_verbatim))
        .path("sign-verbatim/{role}", "Signs a request as it is, with a role's validity.", |path| {
            path.write(issue::sign_verbatim)
        })
        .path("issuer/{issuer_ref}/sign-verbatim", "Signs a request as it is by this issuer.", |path| {
            path.write(issue::sign_verbatim)
        })
        .path(
            "issuer/{issuer_ref}/sign-verbatim/{role}",
            "Signs a request as it is by this issuer, with a role's validity.",
            |path| path.write(issue::sign_verbatim),
        )
        .path("root/sign-intermediate", "Signs the request of an authority.", |path| path.write(sign_ca::intermediate))
        .path("issuer/{issuer_ref}/sign-intermediate", "Signs the request of an authority by this issuer.", |path| {
            path.write(sign_ca::intermediate)
        })
        .path("root/sign-self-issued", "Signs a self-issued certificate anew.", |path| {
            path.write(sign_ca::self_issued).sudo()
        })
        .path("issuer/{issuer_ref}/sign-self-issued", "Signs a self-issued certificate anew by this issuer.", |path| {
            path.write(sign_ca::self_issued)
        })
        .path("issuer/{issuer_ref}/resign-crls", "Merges lists of an issuer into a new one.", |path| {
            path.write(crl_sign::resign)
        })
        .path("issuer/{issuer_ref}/sign-revocation-list", "Signs a list of the caller's making.", |path| {
            path.write(crl_sign::make)
        })
        .path("revoke", "Revokes a certificate.", |path| path.write(revoke::revoke))
        .path("revoke-with-key", "Revokes a certificate for who has its key.", |path| {
            path.write(revoke::revoke_with_key)
        })
        .path("issuer/{issuer_ref}/revoke", "Revokes an issuer for good.", |path| path.write(issuers::revoke))
        .path("certs", "Lists the certificates that are stored.", |path| path.list(fetch::certs))
        .path("certs/detailed", "Lists the certificates that are stored, with what is in them.", |path| {
            path.list(fetch::detailed)
        })
        .path("certs/revoked", "Lists the certificates that are revoked.", |path| path.list(fetch::revoked))
        .path("crl/rotate", "Builds the lists now.", |path| path.read(crl::rotate).write(crl::rotate))
        .path("crl/rotate-delta", "Builds the delta lists now.", |path| {
            path.read(crl::rotate_delta).write(crl::rotate_delta)
        })
}

/// Authorities, keys and settings.
fn manage_paths(table: Paths<Engine>) -> Paths<Engine> {
    table
        .path("issuers", "Lists the issuers.", |path| path.list(issuers::list).open())
        .path("root", "Deletes all issuers and keys.", |path| path.delete(issuers::delete_all).sudo())
        .path("root/replace", "Changes the default issuer.", |path| path.write(settings::replace_root))
        .path("root/generate/{exported}", "Makes a root.", |path| path.write(generate::root))
        .path("issuers/generate/root/{exported}", "Makes a root.", |path| path.write(generate::root))
        .path("root/rotate/{exported}", "Makes a root that is to be the next.", |path| {
            path.write(generate::rotate_root)
        })
        .path("intermediate/generate/{exported}", "Makes the request of an intermediate.", |path| {
            path.write(generate::intermediate)
        })
        .path("issuers/generate/intermediate/{exported}", "Makes the request of an intermediate.", |path| {
            path.write(generate::intermediate)
        })
        .path("intermediate/cross-sign", "Makes a request with a key that is there.", |path| {
            path.write(generate::cross_sign)
        })
        .path("intermediate/set-signed", "Imports a signed intermediate.", |path| path.write(import::signed))
        .path("issuers/import/bundle", "Imports issuers and keys.", |path| path.write(import::bundle))
        .path("issuers/import/cert", "Imports issuers without keys.", |path| path.write(import::certs))
        .path("config/ca", "Imports issuers and keys.", |path| path.write(import::bundle))
        .path("keys", "Lists the keys.", |path| path.list(keys::list))
        .path("keys/generate/{exported}", "Makes a key.", |path| path.write(generate::key))
        .path("keys/import", "Imports a key.", |path| path.write(import::key))
        .path("key/{key_ref}", "Shows, renames and deletes a key.", |path| {
            path.read(keys::read).write(keys::rename).delete(keys::delete)
        })
        .path("config/issuers", "Which issuer is the default.", |path| {
            path.read(settings::read_issuers).write(settings::write_issuers)
        })
        .path("config/keys", "Which key is the default.", |path| {
            path.read(settings::read_keys).write(settings::write_keys)
        })
        .path("config/urls", "The addresses that certificates name.", |path| {
            path.read(settings::read_urls).write(settings::write_urls)
        })
        .path("config/cluster", "Where this cluster is found.", |path| {
            path.read(settings::read_cluster).write(settings::write_cluster)
        })
        .path("config/crl", "How revocations are published.", |path| {
            path.read(settings::read_crl).write(settings::write_crl)
        })
        .path("config/auto-tidy", "What is tidied by itself.", |path| {
            path.read(tidy::read_auto).write(tidy::write_auto)
        })
        .path("tidy", "Throws away what is not needed any more.", |path| path.write(tidy::start))
        .path("tidy-cancel", "Stops tidying.", |path| path.write(tidy::cancel))
        .path("tidy-status", "How far tidying is.", |path| path.read(tidy::status))
}

/// What everybody may read.
fn open_paths(table: Paths<Engine>) -> Paths<Engine> {
    table
        .path("ca", "The default issuer in DER.", |path| path.read(fetch::ca_der).open())
        .path("ca/pem", "The default issuer in PEM.", |path| path.read(fetch::ca_pem).open())
        .path("ca_chain", "The default issuer's chain in PEM.", |path| path.read(fetch::ca_chain).open())
        .path("crl", "The default issuer's revocation list in DER.", |path| path.read(fetch::crl).open())
        .path("crl/pem", "The default issuer's revocation list in PEM.", |path| path.read(fetch::crl_pem).open())
        .path("crl/delta", "The default issuer's delta list in DER.", |path| path.read(fetch::delta).open())
        .path("crl/delta/pem", "The default issuer's delta list in PEM.", |path| path.read(fetch::delta_pem).open())
        .path("cert/{serial:}", "A certificate.", |path| path.read(fetch::cert).open())
        .path("cert/{serial:}/raw", "A certificate in DER.", |path| path.read(fetch::cert_raw).open())
        .path("cert/{serial:}/raw/pem", "A certificate in PEM.", |path| path.read(fetch::cert_raw_pem).open())
        .path("ocsp", "Whether a certificate is revoked.", |path| path.write(ocsp::post).open())
        .path("ocsp/{req+}", "Whether a certificate is revoked.", |path| path.read(ocsp::get).open())
        .path("issuer/{issuer_ref}", "Shows, changes and deletes an issuer.", |path| {
            path.read(issuers::read).write(issuers::write).patch(issuers::patch).delete(issuers::delete)
        })
        .path("issuer/{issuer_ref}/json", "An issuer's certificate and chain.", |path| {
            path.read(fetch::issuer_json).open()
        })
        .path("issuer/{issuer_ref}/der", "An issuer's certificate in DER.", |path| path.read(fetch::issuer_der).open())
        .path("issuer/{issuer_ref}/pem", "An issuer's certificate in PEM.", |path| path.read(fetch::issuer_pem).open())
        .path("issuer/{issuer_ref}/crl", "An issuer's revocation list.", |path| path.read(fetch::issuer_crl).open())
        .path("issuer/{issuer_ref}/crl/der", "An issuer's revocation list in DER.", |path| {
            path.read(fetch::issuer_crl_der).open()
        })
        .path("issuer/{issuer_ref}/crl/pem", "An issuer's revocation list in PEM.", |path| {
            path.read(fetch::issuer_crl_pem).open()
        })
        .path("issuer/{issuer_ref}/crl/delta", "An issuer's delta list.", |path| path.read(fetch::issuer_delta).open())
        .path("issuer/{issuer_ref}/crl/delta/der", "An issuer's delta list in DER.", |path| {
            path.read(fetch::issuer_delta_der).open()
        })
        .path("issuer/{issuer_ref}/crl/delta/pem", "An issuer's delta list in PEM.", |path| {
            path.read(fetch::issuer_delta_pem).open()
        })
}
