use std::time::Duration;

use crate::{RateLimit, SrvLookup, TlsSettings, Token};

/// Where a client goes when nothing was configured.
pub const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";
/// Retries after the first attempt.
pub const DEFAULT_MAX_RETRIES: u32 = 2;
/// Time limit of one attempt, from connecting to the last byte.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything a [`crate::Client`] needs to know before its first request.
#[derive(Clone)]
pub struct Config {
    /// `http://`, `https://` or `unix:///path/to/socket`.
    pub address: String,
    /// Sent as `X-Vault-Token` when present.
    pub token: Option<Token>,
    /// Sent as `X-Vault-Namespace`; a trailing slash is added.
    pub namespace: Option<String>,
    /// Sent as `X-Vault-Wrap-TTL` on requests that allow wrapping.
    pub wrap_ttl: Option<String>,
    /// Sent as one `X-Vault-MFA` header each.
    pub mfa: Vec<String>,
    /// Sent as `X-Vault-Policy-Override: true`.
    pub policy_override: bool,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Trust roots, client certificate, server name.
    pub tls: TlsSettings,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// Retries on 412, on 5xx but 501, and on connections that fail.
    pub max_retries: u32,
    /// Shortest and longest pause before the first retry; later pauses grow linearly.
    pub retry_wait: (Duration, Duration),
    /// Follow one redirect (never from https to http).
    pub follow_redirects: bool,
    /// Look up `_http._tcp.<host>` in the DNS where the address names no port, and go where the record points.
    pub srv_lookup: Option<SrvLookup>,
    /// How often it asks at most; without it as often as it likes.
    pub rate_limit: Option<RateLimit>,
    /// Proxy for all requests; without it `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply.
    pub proxy: Option<String>,
}

impl std::fmt::Debug for Config {
    /// Headers and MFA values may be secret: only where requests go is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: DEFAULT_ADDRESS.to_owned(),
            token: None,
            namespace: None,
            wrap_ttl: None,
            mfa: Vec::new(),
            policy_override: false,
            headers: Vec::new(),
            tls: TlsSettings::default(),
            timeout: DEFAULT_TIMEOUT,
            max_retries: DEFAULT_MAX_RETRIES,
            retry_wait: (Duration::from_secs(1), Duration::from_millis(1500)),
            follow_redirects: true,
            srv_lookup: None,
            rate_limit: None,
            proxy: None,
        }
    }
}
