//! What is kept of a mount.
use crate::lockout::LockoutConfig;
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::{Error, Mount, Result, TokenKind};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// The tunable part. TTLs are in seconds; 0 inherits the system's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountConfig {
    /// Lease TTL when nobody names one.
    pub default_lease_ttl: u64,
    /// Upper bound of a lease.
    pub max_lease_ttl: u64,
    /// Accepted and shown, without effect: nothing of a mount is cached.
    pub force_no_cache: bool,
    /// Fields of requests that audit shows in clear.
    pub audit_non_hmac_request_keys: Vec<String>,
    /// Fields of answers that audit shows in clear.
    pub audit_non_hmac_response_keys: Vec<String>,
    /// `unauth`, `hidden` or empty.
    pub listing_visibility: String,
    /// Request headers handed to the engine.
    pub passthrough_request_headers: Vec<String>,
    /// Response headers an engine may set.
    pub allowed_response_headers: Vec<String>,
    /// Auth methods: the kind of token where the role leaves it open.
    pub token_type: TokenKind,
    /// Auth methods: when failed logins lock an alias out.
    pub user_lockout_config: Option<LockoutConfig>,
    /// The identity key that signs tokens for this mount.
    pub identity_token_key: String,
    /// Accepted and shown, without effect: there are no managed keys.
    pub allowed_managed_keys: Vec<String>,
    /// Accepted and shown, without effect: no engine delegates authentication.
    pub delegated_auth_accessors: Vec<String>,
}

/// One mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The namespace it lies in: empty for the root, else with a trailing slash.
    #[serde(default)]
    pub namespace: String,
    /// Within the namespace, with a trailing slash; auth methods begin with `auth/`.
    pub path: String,
    /// The engine.
    pub kind: String,
    /// For people.
    pub description: String,
    /// `<kind>_<8 hex>`; stays when it moves.
    pub accessor: String,
    /// Names its storage and its targets; never changes.
    pub uuid: String,
    /// `version` and the like.
    pub options: BTreeMap<String, String>,
    /// The tunable part.
    pub config: MountConfig,
    /// Shown; every node serves every mount.
    pub local: bool,
    /// Shown; everything is encrypted.
    pub seal_wrap: bool,
    /// Shown, without effect: all keys come from the system's randomness.
    #[serde(default)]
    pub external_entropy_access: bool,
    /// Being unmounted or moved: answers no client any more.
    pub tainted: bool,
}

/// A v4 UUID.
pub fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 0xf)]);
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(digit(byte >> 4));
        text.push(digit(byte));
    }
    text
}

impl Entry {
    /// A fresh mount at `path` (with or without the trailing slash).
    pub fn new(path: &str, kind: &str) -> Self {
        let random: [u8; 4] = rand::rng().random();
        Self {
            namespace: String::new(),
            path: folder(path),
            kind: kind.to_owned(),
            description: String::new(),
            accessor: format!("{kind}_{}", hex::encode(random)),
            uuid: uuid(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
            local: false,
            seal_wrap: false,
            external_entropy_access: false,
            tainted: false,
        }
    }
    /// A mount that every node and namespace has: its names follow from its path, and stay through restarts.
    pub fn builtin(path: &str, kind: &str) -> Self {
        let hash = hex::encode(digest(&SHA256, format!("builtin mount {path}").as_bytes()));
        let uuid = [&hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..32]].join("-");
        Self { accessor: format!("{kind}_{}", &hash[..8]), uuid, ..Self::new(path, kind) }
    }
    /// Whether it is an auth method.
    pub fn is_auth(&self) -> bool {
        self.path.starts_with("auth/")
    }
    /// Namespace and path.
    pub fn full_path(&self) -> String {
        format!("{}{}", self.namespace, self.path)
    }
    /// Its storage, behind the barrier.
    pub fn storage_prefix(&self) -> String {
        format!("logical/{}/", self.uuid)
    }
    /// What an engine is told, the system's TTLs filled in.
    pub fn for_engine(&self, default_ttl: Duration, max_ttl: Duration) -> Mount {
        let or = |own: u64, system: Duration| if own == 0 { system } else { Duration::from_secs(own) };
        let max_ttl = or(self.config.max_lease_ttl, max_ttl);
        Mount {
            path: self.path.clone(),
            accessor: self.accessor.clone(),
            uuid: self.uuid.clone(),
            default_ttl: or(self.config.default_lease_ttl, default_ttl).min(max_ttl),
            max_ttl,
            options: self.options.clone(),
        }
    }
}

/// `path` without surrounding slashes and with one behind.
pub fn folder(path: &str) -> String {
    format!("{}/", path.trim_matches('/'))
}

/// Refuses the paths that belong to the system: those of an auth method are judged by what follows `auth/`.
///
/// # Errors
/// [`Error::Invalid`] with `verb` (`mount`, `unmount`).
pub fn check_unprotected(path: &str, verb: &str) -> Result<()> {
    let protected = ["sys/", "cubbyhole/", "identity/", "audit/", "auth/token/"];
    if path == "auth/" || protected.iter().any(|prefix| path.starts_with(prefix)) {
        return Err(Error::invalid(format!("cannot {verb} \"{path}\"")));
    }
    let printable = path.chars().all(|c| !c.is_control()) && !path.contains("//") && path != "/";
    let plain = path.split('/').all(|segment| segment != ".." && segment != ".");
    (printable && plain)
        .then_some(())
        .ok_or_else(|| Error::invalid(format!("'{path}' is no mount path: use names separated by single slashes")))
}
