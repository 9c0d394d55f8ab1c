//! Codes that change with time (RFC 6238): for Lessor's users to log in elsewhere, and to check the codes of others.
mod algorithm;
mod barcode;
mod code;
mod keys;
mod record;
mod url;

use lessor_engine::{Backend, Factory, Paths, Result};
use std::{collections::BTreeMap, sync::Arc};

/// Makes `totp` mounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotpFactory;

/// The engine of one mount; everything is in storage.
pub(crate) struct Totp;

impl Factory for TotpFactory {
    fn kind(&self) -> &'static str {
        "totp"
    }
    fn description(&self) -> &'static str {
        "Makes and checks codes that change with time"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let paths = Paths::new(Arc::new(Totp))
            .path("keys", "Lists keys.", |path| path.list(keys::list))
            .path("keys/{name@}", "Makes, shows and deletes a key.", |path| {
                path.read(keys::read).write(keys::write).delete(keys::delete)
            })
            .path("code/{name@}", "Makes the current code of a key, and checks a code.", |path| {
                path.read(code::generate).write(code::validate)
            })
            .build();
        Ok(Backend::new(paths))
    }
}

/// Everything this crate can mount.
pub fn factory() -> Arc<dyn Factory> {
    Arc::new(TotpFactory)
}
