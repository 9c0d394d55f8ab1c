//! What a server prints when it is up.
use crate::dev::Dev;
use crate::listen::Listening;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::path::Path;
use std::sync::Arc;

/// The configuration in a few lines.
pub fn server(listening: &[Arc<Listening>], version: &str) -> String {
    let lines: Vec<String> = listening
        .iter()
        .map(|one| {
            let tls = if one.listener().tls.is_some() { "enabled" } else { "disabled" };
            let kind = if one.is_unix() { "unix" } else { "tcp" };
            format!("              Listener: {kind} (addr: \"{}\", tls: \"{tls}\")", one.address())
        })
        .collect();
    format!(
        "==> Lessor server configuration:\n\n{}\n               Version: Lessor v{version}\n\n\
         ==> Lessor server started! Log data will stream in below:",
        lines.join("\n")
    )
}

/// The same for dev mode, with its secrets; `authority` is the file to trust, with TLS.
pub fn dev(server: &str, address: &str, authority: Option<&Path>, dev: &Dev) -> String {
    let scheme = if authority.is_some() { "https" } else { "http" };
    let trust = authority.map(|path| format!("\n    $ export VAULT_CACERT='{}'", path.display())).unwrap_or_default();
    format!(
        "{server}\n\nWARNING! dev mode is enabled! It keeps everything in memory and starts unsealed, with one key \
         share.\n\nYou may need to set the following environment variables:\n\n    $ export \
         VAULT_ADDR='{scheme}://{address}'{trust}\n\nThe unseal key and root token are displayed below in case you want \
         to seal/unseal or re-authenticate.\n\nUnseal Key: {}\nRoot Token: {}\n\nDevelopment mode should NOT be used in \
         production installations!\n",
        STANDARD.encode(&dev.share),
        dev.token.expose()
    )
}
