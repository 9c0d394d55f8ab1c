//! The tunable part of a mount: how it is written, checked and shown.
use super::System;
use crate::lockout::LockoutConfig;
use crate::mount::entry::{Entry, folder};
use lessor_engine::{
    CommaList, Error, FieldError, FieldValue, KeyValues, Object, Params, Reply, Result, Seconds, TokenKind,
};
use serde_json::{Map, Value, json};

/// What can be changed of a mount.
#[derive(Params, Default)]
pub(super) struct Tune {
    /// Default lease TTL; `system` or 0 for the system's.
    default_lease_ttl: Option<String>,
    /// Upper bound of lease TTLs; `system` or 0 for the system's.
    max_lease_ttl: Option<String>,
    /// Fields of requests that audit shows in clear.
    audit_non_hmac_request_keys: Option<CommaList>,
    /// Fields of answers that audit shows in clear.
    audit_non_hmac_response_keys: Option<CommaList>,
    /// `unauth`, `hidden` or empty.
    listing_visibility: Option<String>,
    /// Request headers handed to the engine.
    passthrough_request_headers: Option<CommaList>,
    /// Response headers an engine may set.
    allowed_response_headers: Option<CommaList>,
    /// Auth methods only: `default-service`, `default-batch`, `service` or `batch`.
    token_type: Option<String>,
    /// Auth methods only: when failed logins lock an alias out.
    user_lockout_config: Option<Object>,
    /// The identity key that signs tokens for this mount.
    identity_token_key: Option<String>,
    /// Accepted and shown, without effect.
    allowed_managed_keys: Option<CommaList>,
    /// Accepted and shown, without effect.
    delegated_auth_accessors: Option<CommaList>,
    /// Accepted and shown, without effect: nothing of a mount is cached.
    force_no_cache: Option<bool>,
    /// The version of this build, or nothing: engines are part of the program.
    plugin_version: Option<String>,
}

#[derive(Params)]
struct Lockout {
    /// Failed logins until an alias is locked out.
    lockout_threshold: Option<i64>,
    /// How long it stays locked out.
    lockout_duration: Option<Seconds>,
    /// After so long without a failure the count begins anew.
    lockout_counter_reset_duration: Option<Seconds>,
    /// Never locks.
    lockout_disable: Option<bool>,
}

/// The auth methods whose failed logins can lock an alias out.
const LOCKING: [&str; 3] = ["userpass", "ldap", "approle"];

/// Whether a plugin version that is asked for is the one that is there.
fn is_own(version: &str) -> bool {
    version.is_empty() || version.trim_start_matches('v').trim_end_matches("+builtin") == env!("CARGO_PKG_VERSION")
}

/// `None` leaves it, 0 inherits from the system.
fn ttl(text: Option<&str>, name: &'static str) -> Result<Option<u64>> {
    match text {
        None | Some("") => Ok(None),
        Some("system") => Ok(Some(0)),
        Some(text) => match Seconds::coerce(Value::String(text.to_owned())) {
            Ok(Seconds(seconds)) => Ok(Some(seconds)),
            Err(reason) => Err(FieldError::Conversion { name: name.to_owned(), reason }.into()),
        },
    }
}

impl Tune {
    /// Refuses a new mount whose two TTLs contradict each other.
    ///
    /// # Errors
    /// When both are given and the default is the longer one.
    pub(super) fn check_new(&self) -> Result<()> {
        let default = ttl(self.default_lease_ttl.as_deref(), "default_lease_ttl")?;
        let max = ttl(self.max_lease_ttl.as_deref(), "max_lease_ttl")?.filter(|max| *max > 0);
        let longer = default.zip(max).is_some_and(|(default, max)| default > max);
        let text = "given default lease TTL greater than given max lease TTL";
        if longer { Err(Error::invalid(text)) } else { Ok(()) }
    }
    /// The first parameter that is given of those that `sys/`, `identity/` and `cubbyhole/` do not have.
    fn beyond_builtin(&self) -> Option<&'static str> {
        let given = [
            ("default_lease_ttl", self.default_lease_ttl.is_some()),
            ("max_lease_ttl", self.max_lease_ttl.is_some()),
            ("listing_visibility", self.listing_visibility.is_some()),
            ("token_type", self.token_type.is_some()),
            ("passthrough_request_headers", self.passthrough_request_headers.is_some()),
            ("allowed_response_headers", self.allowed_response_headers.is_some()),
            ("user_lockout_config", self.user_lockout_config.is_some()),
            ("plugin_version", self.plugin_version.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
    /// Puts the values into `entry`; `max` is the system's bound of lease TTLs in seconds.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn apply(self, entry: &mut Entry, max: u64) -> Result<()> {
        let (is_auth, kind) = (entry.is_auth(), entry.kind.clone());
        let config = &mut entry.config;
        if let Some(seconds) = ttl(self.default_lease_ttl.as_deref(), "default_lease_ttl")? {
            config.default_lease_ttl = seconds;
        }
        if let Some(seconds) = ttl(self.max_lease_ttl.as_deref(), "max_lease_ttl")? {
            config.max_lease_ttl = seconds;
        }
        for (new, place) in [
            (self.audit_non_hmac_request_keys, &mut config.audit_non_hmac_request_keys),
            (self.audit_non_hmac_response_keys, &mut config.audit_non_hmac_response_keys),
            (self.passthrough_request_headers, &mut config.passthrough_request_headers),
            (self.allowed_response_headers, &mut config.allowed_response_headers),
            (self.allowed_managed_keys, &mut config.allowed_managed_keys),
            (self.delegated_auth_accessors, &mut config.delegated_auth_accessors),
        ] {
            if let Some(list) = new {
                *place = list.0;
            }
        }
        if let Some(visibility) = self.listing_visibility {
            if !matches!(visibility.as_str(), "" | "hidden" | "unauth") {
                let text = format!("invalid listing_visibility '{visibility}': use unauth, hidden or nothing");
                return Err(Error::invalid(text));
            }
            config.listing_visibility = visibility;
        }
        if let Some(version) = self.plugin_version.filter(|version| !is_own(version)) {
            return Err(Error::invalid(format!("plugin not found in the catalog: {kind}, version={version}")));
        }
        config.force_no_cache = self.force_no_cache.unwrap_or(config.force_no_cache);
        if let Some(key) = self.identity_token_key {
            config.identity_token_key = key;
        }
        if let Some(word) = self.token_type {
            if !is_auth {
                return Err(Error::invalid("'token_type' can only be modified on auth mounts"));
            }
            if kind == "token" {
                let text = "'token_type' cannot be set for 'token' or 'ns_token' auth mounts";
                return Err(Error::invalid(text));
            }
            config.token_type = TokenKind::parse(&word)?;
        }
        if let Some(lockout) = self.user_lockout_config {
            if !is_auth {
                return Err(Error::invalid("'user_lockout_config' can only be modified on auth mounts"));
            }
            if !LOCKING.contains(&kind.as_str()) {
                let text = format!("tuning of user lockout configuration for auth type {kind:?} not allowed");
                return Err(Error::invalid(text));
            }
            config.user_lockout_config = Some(lockout_config(lockout, config.user_lockout_config.take())?);
        }
        let max = if config.max_lease_ttl == 0 { max } else { config.max_lease_ttl };
        if config.default_lease_ttl > max {
            return Err(Error::invalid(format!(
                "backend max lease TTL of {max} would be less than backend default lease TTL of {}",
                config.default_lease_ttl
            )));
        }
        Ok(())
    }
}

fn lockout_config(mut sent: Object, old: Option<LockoutConfig>) -> Result<LockoutConfig> {
    let sent = Lockout::parse(&mut sent.0)?;
    let mut config = old.unwrap_or_default();
    if let Some(threshold) = sent.lockout_threshold {
        config.lockout_threshold =
            u64::try_from(threshold).map_err(|_| Error::invalid("lockout_threshold cannot be negative"))?;
    }
    if let Some(Seconds(seconds)) = sent.lockout_duration {
        config.lockout_duration = seconds;
    }
    if let Some(Seconds(seconds)) = sent.lockout_counter_reset_duration {
        config.lockout_counter_reset_duration = seconds;
    }
    if let Some(disable) = sent.lockout_disable {
        config.lockout_disable = disable;
    }
    Ok(config)
}

/// A mount as lists show it: TTLs as they were set, 0 for the system's.
pub(super) fn show(namespace: &str, entry: &Entry) -> Value {
    let everywhere = matches!(entry.kind.as_str(), "system" | "identity" | "cubbyhole" | "token");
    let kind = if everywhere && !namespace.is_empty() { format!("ns_{}", entry.kind) } else { entry.kind.clone() };
    let config = &entry.config;
    let mut shown = Map::from_iter([
        ("default_lease_ttl".to_owned(), json!(config.default_lease_ttl)),
        ("max_lease_ttl".to_owned(), json!(config.max_lease_ttl)),
        ("force_no_cache".to_owned(), json!(config.force_no_cache)),
    ]);
    show_set(entry, &mut shown);
    if entry.is_auth() {
        shown.insert("token_type".to_owned(), json!(token_type(entry)));
        if let Some(lockout) = &config.user_lockout_config {
            shown.insert("user_lockout_config".to_owned(), json!(lockout));
        }
    }
    json!({
        "accessor": entry.accessor,
        "config": shown,
        "deprecation_status": "supported",
        "description": entry.description,
        "external_entropy_access": entry.external_entropy_access,
        "local": entry.local || entry.kind == "cubbyhole",
        "options": if entry.options.is_empty() { Value::Null } else { json!(entry.options) },
        "plugin_version": "",
        "running_plugin_version": concat!("v", env!("CARGO_PKG_VERSION"), "+builtin"),
        "running_sha256": "",
        "seal_wrap": entry.seal_wrap,
        "type": kind,
        "uuid": entry.uuid,
    })
}

/// The word of an auth mount's kind of tokens.
fn token_type(entry: &Entry) -> &'static str {
    match entry.config.token_type {
        TokenKind::Default => TokenKind::DefaultService.word(),
        kind => kind.word(),
    }
}

/// The fields that are only shown where they are set.
fn show_set(entry: &Entry, shown: &mut Map<String, Value>) {
    let config = &entry.config;
    for (name, list) in [
        ("audit_non_hmac_request_keys", &config.audit_non_hmac_request_keys),
        ("audit_non_hmac_response_keys", &config.audit_non_hmac_response_keys),
        ("passthrough_request_headers", &config.passthrough_request_headers),
        ("allowed_response_headers", &config.allowed_response_headers),
        ("allowed_managed_keys", &config.allowed_managed_keys),
        ("delegated_auth_accessors", &config.delegated_auth_accessors),
    ] {
        if !list.is_empty() {
            shown.insert(name.to_owned(), json!(list));
        }
    }
    for (name, text) in
        [("listing_visibility", &config.listing_visibility), ("identity_token_key", &config.identity_token_key)]
    {
        if !text.is_empty() {
            shown.insert(name.to_owned(), json!(text));
        }
    }
}

/// The answer of a tune read: TTLs resolved.
pub(super) fn read(system: &System, namespace: &str, path: &str) -> Result<Reply> {
    let active = system.active()?;
    let path = folder(path);
    let mounted = active.mounts.at(namespace, &path);
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("cannot fetch sysview for path \"{path}\"")))?;
    let entry = &mounted.entry;
    let resolved = entry.for_engine(active.settings.default_ttl, active.settings.max_ttl);
    let mut shown = Map::from_iter([
        ("default_lease_ttl".to_owned(), json!(resolved.default_ttl.as_secs())),
        ("max_lease_ttl".to_owned(), json!(resolved.max_ttl.as_secs())),
        ("force_no_cache".to_owned(), json!(entry.config.force_no_cache)),
        ("description".to_owned(), json!(entry.description)),
    ]);
    show_set(entry, &mut shown);
    if entry.is_auth() {
        shown.insert("token_type".to_owned(), json!(token_type(entry)));
        if let Some(lockout) = &entry.config.user_lockout_config {
            shown.insert("user_lockout_threshold".to_owned(), json!(lockout.lockout_threshold));
            shown.insert("user_lockout_duration".to_owned(), json!(lockout.lockout_duration));
            let reset = lockout.lockout_counter_reset_duration;
            shown.insert("user_lockout_counter_reset_duration".to_owned(), json!(reset));
            shown.insert("user_lockout_disable".to_owned(), json!(lockout.lockout_disable));
        }
    }
    if !entry.options.is_empty() {
        shown.insert("options".to_owned(), json!(entry.options));
    }
    Ok(Reply::data(Value::Object(shown)))
}

/// Changes a mount.
pub(super) async fn write(
    system: &System,
    namespace: &str,
    path: &str,
    tune: Tune,
    description: Option<String>,
    options: Option<KeyValues>,
) -> Result<Reply> {
    let active = system.active()?;
    let path = folder(path);
    let Some(mounted) = active.mounts.at(namespace, &path) else {
        return Err(Error::invalid(format!("tune of path \"{path}\" failed: no mount entry found")));
    };
    if matches!(path.as_str(), "sys/" | "cubbyhole/" | "identity/") {
        let described = description.is_some().then_some("description").or(options.is_some().then_some("options"));
        if let Some(name) = tune.beyond_builtin().or(described) {
            return Err(Error::invalid(format!("cannot tune parameter {name} of {path}")));
        }
    }
    let mut entry = mounted.entry.clone();
    tune.apply(&mut entry, active.settings.max_ttl.as_secs())?;
    if let Some(description) = description {
        entry.description = description;
    }
    entry.options.extend(options.unwrap_or_default().0);
    entry.options.retain(|_, value| !value.is_empty());
    if active.mounts.is_builtin(&entry) {
        active.mounts.tune_builtin(namespace, &entry).await?;
        return Ok(Reply::empty());
    }
    active.mounts.update(&mounted.entry.uuid, |stored| *stored = entry.clone()).await?;
    Ok(Reply::empty())
}
