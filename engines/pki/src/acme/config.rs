//! `config/acme`.
use crate::Engine;
use crate::ca::{Ca, Record};
use lessor_engine::{Changes, CommaList, Context, Error, Params, Reply, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Whether ACME is offered, and to whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AcmeConfig {
    pub(crate) enabled: bool,
    pub(crate) allowed_roles: Vec<String>,
    pub(crate) allow_role_ext_key_usage: bool,
    pub(crate) allowed_issuers: Vec<String>,
    pub(crate) default_directory_policy: String,
    pub(crate) dns_resolver: String,
    pub(crate) eab_policy: String,
    pub(crate) max_ttl: u64,
    pub(crate) challenge_permitted_ip_ranges: Vec<String>,
    pub(crate) challenge_excluded_ip_ranges: Vec<String>,
}

impl Default for AcmeConfig {
    fn default() -> Self {
        let all = || vec!["*".to_owned()];
        Self {
            enabled: false,
            allowed_roles: all(),
            allow_role_ext_key_usage: false,
            allowed_issuers: all(),
            default_directory_policy: "sign-verbatim".to_owned(),
            dns_resolver: String::new(),
            eab_policy: "not-required".to_owned(),
            max_ttl: 90 * 86_400,
            challenge_permitted_ip_ranges: Vec::new(),
            challenge_excluded_ip_ranges: Vec::new(),
        }
    }
}

/// When an external account binding is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eab {
    NotRequired,
    NewAccount,
    Always,
}

impl AcmeConfig {
    /// The policy in force: the environment may demand more than the configuration.
    pub(crate) fn eab(&self) -> Eab {
        let forced = ["VAULT_DISABLE_PUBLIC_ACME", "BAO_DISABLE_PUBLIC_ACME"];
        let is_set =
            |name: &&str| std::env::var(name).is_ok_and(|value| matches!(value.as_str(), "1" | "true" | "TRUE"));
        match self.eab_policy.as_str() {
            _ if forced.iter().any(is_set) => Eab::Always,
            "always-required" => Eab::Always,
            "new-account-required" => Eab::NewAccount,
            _ => Eab::NotRequired,
        }
    }
    /// Whether validations may connect to an address.
    pub(crate) fn permits(&self, ip: IpAddr) -> bool {
        let within = |ranges: &[String]| {
            ranges.iter().filter_map(|range| range.parse::<ipnet::IpNet>().ok()).any(|range| range.contains(&ip))
        };
        !within(&self.challenge_excluded_ip_ranges)
            && (self.challenge_permitted_ip_ranges.is_empty() || within(&self.challenge_permitted_ip_ranges))
    }
    pub(crate) fn allows_role(&self, name: &str) -> bool {
        self.allowed_roles.iter().any(|role| role == "*" || role == name)
    }
    pub(crate) fn allows_issuer(&self, ca: &Ca, id: &str) -> bool {
        self.allowed_issuers
            .iter()
            .any(|issuer| issuer == "*" || ca.find_issuer(issuer).is_some_and(|found| found.record.id == id))
    }
    fn show(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[derive(Params)]
pub(crate) struct Asked {
    /// Whether ACME is offered.
    enabled: Option<bool>,
    /// Roles that may be used; `*` for all.
    allowed_roles: Option<CommaList>,
    /// Whether certificates get the role's extended key usages, and not that of servers only.
    allow_role_ext_key_usage: Option<bool>,
    /// Issuers that may be used; `*` for all.
    allowed_issuers: Option<CommaList>,
    /// What a directory without a role does: forbid, sign-verbatim or role:<name>.
    default_directory_policy: Option<String>,
    /// The DNS server that is asked, as address and port; the system's if empty.
    dns_resolver: Option<String>,
    /// When an external account binding is needed: not-required, new-account-required or always-required.
    eab_policy: Option<String>,
    /// The longest validity.
    max_ttl: Option<Seconds>,
    /// Networks that validations may connect to; all if empty.
    challenge_permitted_ip_ranges: Option<CommaList>,
    /// Networks that validations must not connect to.
    challenge_excluded_ip_ranges: Option<CommaList>,
}

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

/// A list of names, or `*` alone.
fn check_list(field: &str, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return refuse(format!("{field} must not be empty: use * for all"));
    }
    if names.len() > 1 && names.iter().any(|name| name == "*") {
        return refuse(format!("{field}: * has to stand alone"));
    }
    Ok(())
}

fn update(config: &mut AcmeConfig, asked: &Asked) {
    let list = |given: &Option<CommaList>, into: &mut Vec<String>| {
        if let Some(list) = given {
            into.clone_from(&list.0);
        }
    };
    let text = |given: &Option<String>, into: &mut String| {
        if let Some(text) = given {
            into.clone_from(text);
        }
    };
    config.enabled = asked.enabled.unwrap_or(config.enabled);
    config.allow_role_ext_key_usage = asked.allow_role_ext_key_usage.unwrap_or(config.allow_role_ext_key_usage);
    list(&asked.allowed_roles, &mut config.allowed_roles);
    list(&asked.allowed_issuers, &mut config.allowed_issuers);
    list(&asked.challenge_permitted_ip_ranges, &mut config.challenge_permitted_ip_ranges);
    list(&asked.challenge_excluded_ip_ranges, &mut config.challenge_excluded_ip_ranges);
    text(&asked.default_directory_policy, &mut config.default_directory_policy);
    text(&asked.dns_resolver, &mut config.dns_resolver);
    text(&asked.eab_policy, &mut config.eab_policy);
    config.max_ttl = asked.max_ttl.map_or(config.max_ttl, |ttl| ttl.0);
}

fn check(ca: &Ca, record: &Record, roles: &[String]) -> Result<()> {
    let config = &record.acme;
    check_list("allowed_roles", &config.allowed_roles)?;
    check_list("allowed_issuers", &config.allowed_issuers)?;
    let known = |name: &str| roles.iter().any(|role| role == name);
    for name in config.allowed_roles.iter().filter(|name| *name != "*") {
        if !known(name) {
            return refuse(format!("unable to load allowed_roles: role {name} not found"));
        }
    }
    for name in config.allowed_issuers.iter().filter(|name| *name != "*") {
        if ca.find_issuer(name).is_none() {
            return refuse(format!("unable to load allowed_issuers: issuer {name} not found"));
        }
    }
    match config.default_directory_policy.as_str() {
        "forbid" | "sign-verbatim" => {}
        policy => match policy.strip_prefix("role:") {
            Some(name) if !known(name) => return refuse(format!("default directory policy role {name} not found")),
            Some(name) if !config.allows_role(name) => {
                return refuse(format!("default directory policy role {name} is not in allowed_roles"));
            }
            Some(_) => {}
            None => {
                return refuse(format!(
                    "string {policy:?} not a valid ACME directory policy: use forbid, sign-verbatim or role:<name>"
                ));
            }
        },
    }
    if !config.dns_resolver.is_empty() && config.dns_resolver.parse::<SocketAddr>().is_err() {
        return refuse(format!(
            "failed to parse DNS resolver address {:?}: expected address and port",
            config.dns_resolver
        ));
    }
    if !matches!(config.eab_policy.as_str(), "not-required" | "new-account-required" | "always-required") {
        return refuse(format!(
            "invalid eab_policy {:?}: use not-required, new-account-required or always-required",
            config.eab_policy
        ));
    }
    if config.max_ttl == 0 {
        return refuse("max_ttl must be greater than zero");
    }
    for range in config.challenge_permitted_ip_ranges.iter().chain(&config.challenge_excluded_ip_ranges) {
        if range.parse::<ipnet::IpNet>().is_err() {
            return refuse(format!("{range:?} is no network such as 10.0.0.0/8"));
        }
    }
    if config.enabled && record.cluster.path.is_empty() {
        return refuse("ACME feature requires local cluster 'path' field configuration to be set");
    }
    Ok(())
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(engine.ca(&cx).await?.record.acme.show()))
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let roles = cx.view.list(crate::roles::ROLES).await?;
    let shown = engine
        .change(&cx, |ca, record| {
            update(&mut record.acme, &asked);
            check(ca, record, &roles)?;
            Ok((record.acme.show(), Changes::new()))
        })
        .await?;
    Ok(Reply::data(shown))
}
