//! Encryption, signatures and HMACs with keys that never leave the server, unless their maker wanted it.
//!
//! Read `record.rs` (what a key is), `store.rs` (how keys are found and changed), `cipher.rs` and `asymmetric.rs`
//! (what is done with them), and then the endpoints. Ciphertexts, signatures and backups have the form of Vault and
//! OpenBao, byte for byte, so that they move between the three.
mod aead;
mod asymmetric;
mod backup;
mod batch;
mod certificates;
mod cipher;
mod derive;
mod encoding;
mod encrypt;
mod export;
mod hash;
mod hmac;
mod import;
mod keys;
mod kind;
mod portable;
mod record;
mod rotation;
mod settings;
mod sign;
mod store;
mod tools;
mod view;
mod wrap;

use lessor_engine::{Backend, Factory, PathTable, Paths, Result};
use std::{collections::BTreeMap, sync::Arc};
use store::Keyring;

/// Makes `transit` mounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransitFactory;

impl Factory for TransitFactory {
    fn kind(&self) -> &'static str {
        "transit"
    }
    fn description(&self) -> &'static str {
        "Encrypts, signs and authenticates data with keys that stay here"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let keys = Arc::new(Keyring::default());
        Ok(Backend::new(paths(&keys)).rotating(keys))
    }
}

fn paths(keyring: &Arc<Keyring>) -> PathTable {
    let table = Paths::new(Arc::clone(keyring));
    use_paths(manage_paths(table)).build()
}

/// What is done to keys.
fn manage_paths(table: Paths<Keyring>) -> Paths<Keyring> {
    table
        .path("keys", "Lists keys.", |path| path.list(keys::list))
        .path("keys/{name}", "Creates, shows and deletes a key.", |path| {
            path.read(keys::read).write(keys::create).delete(keys::delete)
        })
        .path("keys/{name}/config", "Configures a key.", |path| path.write(keys::configure))
        .path("keys/{name}/rotate", "Makes a new version of a key.", |path| path.write(keys::rotate))
        .path("keys/{name}/trim", "Destroys old versions of a key.", |path| path.write(keys::trim))
        .path("keys/{name}/soft-delete", "Puts a key aside.", |path| path.delete(keys::soft_delete))
        .path("keys/{name}/soft-delete-restore", "Takes a key back that was put aside.", |path| {
            path.write(keys::soft_delete_restore)
        })
        .path("keys/{name}/import", "Imports a key that was made elsewhere.", |path| path.write(import::import))
        .path("keys/{name}/import_version", "Imports a version of an imported key.", |path| {
            path.write(import::import_version)
        })
        .path("keys/{name}/csr", "Signs a certificate request with a key.", |path| path.write(certificates::csr))
        .path("keys/{name}/set-certificate", "Keeps the certificates of a key.", |path| {
            path.write(certificates::set_certificate)
        })
        .path("wrapping_key", "Shows the public key that imports are wrapped with.", |path| {
            path.read(import::wrapping_key)
        })
        .path("export/{type}/{name}", "Exports a key.", |path| path.read(export::export))
        .path("export/{type}/{name}/{version}", "Exports a version of a key.", |path| path.read(export::export))
        .path("byok-export/{destination}/{source}", "Exports a key, wrapped with another.", |path| {
            path.read(export::byok)
        })
        .path("byok-export/{destination}/{source}/{version}", "Exports a version, wrapped with another key.", |path| {
            path.read(export::byok)
        })
        .path("backup/{name}", "Backs a key up in clear.", |path| path.read(backup::backup))
        .path("restore", "Restores a key from a backup.", |path| path.write(backup::restore))
        .path("restore/{name}", "Restores a key from a backup, under this name.", |path| path.write(backup::restore))
        .path("cache-config", "How many keys are held in memory.", |path| {
            path.read(settings::read_cache).write(settings::write_cache)
        })
        .path("config/keys", "How keys come into being.", |path| {
            path.read(settings::read_keys).write(settings::write_keys)
        })
}

/// What is done with keys.
fn use_paths(table: Paths<Keyring>) -> Paths<Keyring> {
    table
        .path("encrypt/{name}", "Encrypts; makes the key if there is none.", |path| {
            path.write(encrypt::encrypt).exists(encrypt::exists)
        })
        .path("decrypt/{name}", "Decrypts.", |path| path.write(encrypt::decrypt))
        .path("rewrap/{name}", "Encrypts anew what an older version encrypted.", |path| path.write(encrypt::rewrap))
        .path("datakey/{plaintext}/{name}", "Makes a key for use elsewhere, encrypted with this one.", |path| {
            path.write(encrypt::data_key)
        })
        .path("hmac/{name}", "Computes an HMAC.", |path| path.write(hmac::generate))
        .path("hmac/{name}/{urlalgorithm}", "Computes an HMAC with this digest.", |path| path.write(hmac::generate))
        .path("sign/{name}", "Signs.", |path| path.write(sign::sign))
        .path("sign/{name}/{urlalgorithm}", "Signs with this digest.", |path| path.write(sign::sign))
        .path("verify/{name}", "Checks a signature or HMAC.", |path| path.write(sign::verify))
        .path("verify/{name}/{urlalgorithm}", "Checks a signature or HMAC with this digest.", |path| {
            path.write(sign::verify)
        })
        .path("random", "Makes random bytes.", |path| path.write(tools::random))
        .path("random/{source}", "Makes random bytes from this source, or so many.", |path| path.write(tools::random))
        .path("random/{source}/{urlbytes}", "Makes so many random bytes from this source.", |path| {
            path.write(tools::random)
        })
        .path("hash", "Computes a digest.", |path| path.write(tools::hash))
        .path("hash/{urlalgorithm}", "Computes a digest with this algorithm.", |path| path.write(tools::hash))
}

/// Everything this crate can mount.
pub fn factory() -> Arc<dyn Factory> {
    Arc::new(TransitFactory)
}
