//! Identity tokens: signed statements about an entity, for whoever trusts this issuer's keys; and the OpenID Connect
//! provider on top of them.
mod authorize;
mod clients;
mod exchange;
mod keys;
mod plugins;
mod providers;
mod roles;
mod template;
mod tokens;

pub(crate) use plugins::MountTokens;

use super::Open;
use super::paths::Endpoints;
use super::tx::Tx;
use crate::settings::Settings;
use lessor_engine::{Error, Paths, Reply, Result};
use serde_json::json;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    let mut paths = paths;
    for declare in [
        keys::declare,
        roles::declare,
        tokens::declare,
        clients::declare,
        providers::declare,
        authorize::declare,
        exchange::declare,
        plugins::declare,
    ] {
        paths = declare(paths);
    }
    paths
}

const CONFIG: &str = "oidc/config";

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Config {
    issuer: String,
}

impl Config {
    /// The address tokens name as their issuer, without the path.
    fn base(&self, settings: &Settings) -> String {
        let own = || settings.api_addr.trim_end_matches('/').to_owned();
        if self.issuer.is_empty() { own() } else { self.issuer.clone() }
    }
}

impl Open {
    /// The address tokens name as their issuer, without the path.
    async fn issuer_base(&self, tx: &mut Tx) -> Result<String> {
        let config = tx.get::<Config>(CONFIG).await?.unwrap_or_default();
        Ok(config.base(self.settings()))
    }
}

/// `https://host:port/v1/[namespace/]identity/oidc`.
fn issuer(base: &str, namespace: &str) -> String {
    format!("{base}/v1/{namespace}identity/oidc")
}

/// Said with every issuer that is set by hand.
const ISSUER_WARNING: &str = "If \"issuer\" is set explicitly, all tokens must be validated against that address, including \
                              those issued by secondary clusters. Setting issuer to \"\" will restore the default \
                              behavior of using the cluster's api_addr as the issuer.";

/// Scheme, host and port and nothing else.
fn check_issuer(issuer: &str) -> Result<()> {
    let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
        return Err(Error::invalid(
            "invalid issuer, which must include only a scheme, host, and optional port (e.g. https://example.com:8200)",
        ));
    }
    Ok(())
}

/// An error in OAuth's form (RFC 6749, section 5.2).
fn oauth_error(status: u16, error: &str, description: &str) -> Reply {
    Reply::bare(status, json!({ "error": error, "error_description": description }))
}

/// Random letters and digits.
fn random_text(length: usize) -> String {
    use rand::Rng;
    use rand::distr::Alphanumeric;
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}
