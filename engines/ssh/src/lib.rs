//! The SSH secrets engine: a certificate authority for users and hosts, and one-time passwords that a host redeems.
mod ca;
mod certificate;
mod guesses;
mod issuers;
mod otp;
mod pair;
mod principals;
mod public;
mod roles;
mod sign;
#[cfg(feature = "sim")]
pub mod sim;
mod templates;
mod wire;
mod zero;

use issuers::Known;
use lessor_engine::{Backend, Error, Factory, PathTable, Paths, Result};
use lessor_storage::Version;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Every lost race is somebody else's success; this only ends what would never end.
pub(crate) const ATTEMPTS: usize = 1000;

/// The CAs with the version of their record; `None` for no record.
type Held = (Option<Version>, Arc<Known>);

/// One mount.
#[derive(Default)]
struct Ssh {
    issuers: Mutex<Option<Held>>,
    /// Of this node alone: a client that asks several has as many allowances.
    guesses: guesses::Guesses,
}

/// Makes `ssh` mounts.
pub struct SshFactory;

impl Factory for SshFactory {
    fn kind(&self) -> &'static str {
        "ssh"
    }
    fn description(&self) -> &'static str {
        "SSH certificates of users and hosts, and one-time passwords"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let ssh = Arc::new(Ssh::default());
        Ok(Backend::new(paths(&ssh)).dynamic(ssh))
    }
}

/// Everything this crate can mount.
pub fn factory() -> Arc<dyn Factory> {
    Arc::new(SshFactory)
}

fn paths(ssh: &Arc<Ssh>) -> PathTable {
    Paths::new(Arc::clone(ssh))
        .path("config/ca", "The key pair that signs where a role names no other.", |path| {
            path.read(ca::read_default).write(ca::write).delete(ca::delete_all)
        })
        .path("public_key", "The public key of the default CA, or those of all, as text.", |path| {
            path.read(ca::public_key).open()
        })
        .path("issuers", "Lists the CAs.", |path| path.list(ca::list))
        .path("issuers/import", "Adds a CA.", |path| path.write(ca::import))
        .path("issuers/import/{issuer_name}", "Adds a CA with a name.", |path| path.write(ca::import))
        .path("issuer/{issuer_ref}", "Shows, renames and deletes a CA.", |path| {
            path.read(ca::read).write(ca::rename).delete(ca::delete)
        })
        .path("issuer/{issuer_ref}/public_key", "The public key of a CA, as text.", |path| {
            path.read(ca::issuer_public_key).open()
        })
        .path("config/issuers", "Which CA signs where a role names none.", |path| {
            path.read(ca::read_config).write(ca::write_config)
        })
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("roles/{role@}", "A recipe for certificates or one-time passwords.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete)
        })
        .path("config/zeroaddress", "OTP roles that may be used with any address.", |path| {
            path.read(zero::read).write(zero::write).delete(zero::delete)
        })
        .path("creds/{role@}", "Makes a one-time password for a host.", |path| path.write(otp::creds))
        .path("lookup", "Which OTP roles fit an address.", |path| path.write(otp::lookup))
        .path("verify", "Redeems a one-time password.", |path| path.write(otp::verify).open())
        .path("sign/{role@}", "Signs a public key.", |path| path.write(sign::sign))
        .path("issue/{role@}", "Makes a key pair and signs it.", |path| path.write(sign::issue))
        .path("tidy/dynamic-keys", "Removes what roles of the removed kind left behind.", |path| path.delete(otp::tidy))
        .build()
}

/// A random id in the form of a UUID.
pub(crate) fn uuid() -> Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
    // Version 4, variant 1 (RFC 9562, 5.4).
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    Ok(format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]))
}
