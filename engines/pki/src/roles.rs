//! `roles/`: what may be issued under a name.
use crate::Engine;
use crate::key::Kind;
use crate::subject::SubjectParams;
use crate::{names, policies, sans, usage, validity};
use lessor_engine::{
    Changes, CommaList, Context, Error, FieldError, FieldSpec, Fields, Params, Reply, Result, Seconds,
};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) const ROLES: &str = "roles/";
/// Roles held in memory, parsed.
const CACHED: usize = 1024;

/// The parameters of a role; also what is stored and shown of it.
#[derive(Clone, Params, Serialize, Deserialize)]
pub(crate) struct Role {
    /// Name of the role.
    #[serde(skip_serializing, default)]
    pub(crate) name: String,
    /// Reference (name or id) to the issuer that signs.
    #[param(default = "default")]
    pub(crate) issuer_ref: String,
    /// How long certificates are valid where the request does not say; 0 is the mount's default.
    pub(crate) ttl: Seconds,
    /// The longest validity; 0 is the mount's.
    pub(crate) max_ttl: Seconds,
    /// How far the beginning of the validity lies in the past.
    #[param(default = "30")]
    pub(crate) not_before_duration: Seconds,
    /// A fixed end of the validity, such as `2030-01-31T23:59:59Z`, instead of a TTL.
    pub(crate) not_after: String,
    /// A fixed beginning of the validity.
    pub(crate) not_before: String,
    /// Whether a request may set not_before: permit, duration (no earlier than not_before_duration) or forbid.
    #[param(default = "permit")]
    pub(crate) not_before_bound: String,
    /// Whether a request may set not_after: permit (within the longest validity), ttl-limited, forbid, or until this moment.
    #[param(default = "permit")]
    pub(crate) not_after_bound: String,
    /// Whether localhost is a name that passes.
    #[param(default = "true")]
    pub(crate) allow_localhost: bool,
    /// Domains that names may lie in.
    pub(crate) allowed_domains: CommaList,
    /// Whether allowed_domains may hold identity templates.
    pub(crate) allowed_domains_template: bool,
    /// Whether what is filled into a template may hold wildcards.
    pub(crate) allow_globs_in_identity_templates: bool,
    /// Whether a domain itself passes.
    pub(crate) allow_bare_domains: bool,
    /// Whether names below a domain pass.
    pub(crate) allow_subdomains: bool,
    /// Whether domains may be patterns with `*`.
    pub(crate) allow_glob_domains: bool,
    /// Whether names with a wildcard pass at all.
    #[param(default = "true")]
    pub(crate) allow_wildcard_certificates: bool,
    /// Whether every name passes.
    pub(crate) allow_any_name: bool,
    /// Whether names have to be host names.
    #[param(default = "true")]
    pub(crate) enforce_hostnames: bool,
    /// Whether IP addresses are allowed as alternative names.
    #[param(default = "true")]
    pub(crate) allow_ip_sans: bool,
    /// Networks that IP addresses have to lie in; empty for all.
    pub(crate) allowed_ip_sans_cidr: CommaList,
    /// Patterns that URIs have to fit; none is allowed if empty.
    pub(crate) allowed_uri_sans: CommaList,
    /// Whether allowed_uri_sans may hold identity templates.
    pub(crate) allowed_uri_sans_template: bool,
    /// Other names that are allowed: `<oid>;UTF8:<pattern>`, or `*`.
    pub(crate) allowed_other_sans: CommaList,
    /// Patterns that the subject's serial number has to fit.
    pub(crate) allowed_serial_numbers: CommaList,
    /// Patterns that user ids have to fit.
    pub(crate) allowed_user_ids: CommaList,
    /// Where the subject's serial number may come from: json-csr or json.
    #[param(default = "json-csr")]
    pub(crate) serial_number_source: String,
    /// Whether certificates are for servers.
    #[param(default = "true")]
    pub(crate) server_flag: bool,
    /// Whether certificates are for clients.
    #[param(default = "true")]
    pub(crate) client_flag: bool,
    /// Whether certificates are for signing code.
    pub(crate) code_signing_flag: bool,
    /// Whether certificates are for e-mail.
    pub(crate) email_protection_flag: bool,
    /// Algorithm of keys: rsa, ec, ed25519 or any.
    #[param(default = "rsa")]
    pub(crate) key_type: String,
    /// Size of keys; 0 is the algorithm's default.
    pub(crate) key_bits: i64,
    /// Digest of signatures by RSA: 256, 384 or 512; 0 for the default.
    pub(crate) signature_bits: i64,
    /// Whether RSA signs with PSS.
    pub(crate) use_pss: bool,
    /// Key usages by their names.
    #[param(default = "DigitalSignature,KeyAgreement,KeyEncipherment")]
    pub(crate) key_usage: CommaList,
    /// Extended key usages by their names.
    pub(crate) ext_key_usage: CommaList,
    /// Extended key usages by their object identifiers.
    pub(crate) ext_key_usage_oids: CommaList,
    /// Whether the common name comes from the request's CSR.
    #[param(default = "true")]
    pub(crate) use_csr_common_name: bool,
    /// Whether alternative names come from the request's CSR.
    #[param(default = "true")]
    pub(crate) use_csr_sans: bool,
    /// The subject's other parts.
    #[param(flatten)]
    #[serde(flatten)]
    pub(crate) subject: SubjectParams,
    /// Whether a common name has to be there.
    #[param(default = "true")]
    pub(crate) require_cn: bool,
    /// What a common name has to be: email, hostname, or disabled alone.
    #[param(default = "email,hostname")]
    pub(crate) cn_validations: CommaList,
    /// Policies, as object identifiers or JSON objects with oid, notice and cps.
    pub(crate) policy_identifiers: Policies,
    /// Whether certificates say that they are none of an authority.
    pub(crate) basic_constraints_valid_for_non_ca: bool,
    /// Whether certificates are leased.
    pub(crate) generate_lease: bool,
    /// Whether certificates are not stored.
    pub(crate) no_store: bool,
    /// Whether a common name may be the token's display name.
    pub(crate) allow_token_displayname: bool,
}

/// `policy_identifiers`: texts, and objects or their JSON.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Policies(pub(crate) Vec<Value>);

impl lessor_engine::FieldValue for Policies {
    const KIND: lessor_engine::FieldKind = lessor_engine::FieldKind::CommaList;
    fn coerce(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => Ok(Self(items)),
            Value::String(text) if text.trim_start().starts_with('[') => {
                serde_json::from_str(&text).map(Self).map_err(|error| error.to_string())
            }
            Value::String(text) => {
                let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                Ok(Self(names.map(Value::from).collect()))
            }
            _ => Err("expected a list of object identifiers".to_owned()),
        }
    }
    fn absent() -> Self {
        Self::default()
    }
}

/// The same fields where those that are not given stay as they are.
pub(crate) struct RolePatch {
    name: String,
    given: Fields,
}

impl Params for RolePatch {
    const FIELDS: &'static [FieldSpec] = Role::FIELDS;
    fn parse(raw: &mut Fields) -> Result<Self, FieldError> {
        let name = raw.remove("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let known = Role::FIELDS.iter().filter_map(|field| raw.remove_entry(field.name));
        Ok(Self { name, given: known.collect() })
    }
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    name: String,
}

#[derive(Params)]
pub(crate) struct Page {
    /// Names behind this one only.
    pub(crate) after: String,
    /// At most so many; all if 0 or less.
    pub(crate) limit: i64,
}

impl Page {
    pub(crate) fn of(&self, names: Vec<String>) -> Vec<String> {
        let limit = usize::try_from(self.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let start = if self.after.is_empty() {
            0
        } else {
            names
                .iter()
                .position(|name| *name == self.after)
                .map_or_else(|| names.iter().take_while(|name| **name < self.after).count(), |at| at + 1)
        };
        names.into_iter().skip(start).take(limit).collect()
    }
}

/// Roles as they were last read.
#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<String, (Version, Arc<Role>)>>);

fn record(name: &str) -> String {
    format!("{ROLES}{name}")
}

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

impl Role {
    /// Fills in what is implied, refuses what makes no sense; answers what to warn of.
    fn settle(&mut self) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        if self.max_ttl.0 > 0 && self.ttl.0 > self.max_ttl.0 {
            return refuse("\"ttl\" value must be less than \"max_ttl\" value");
        }
        validity::check_role(self)?;
        if self.key_type == "any" {
            if self.key_bits != 0 && self.key_bits != 2048 {
                return refuse("key_bits says nothing where key_type is any");
            }
        } else {
            self.key_bits = i64::from(Kind::named(&self.key_type, self.key_bits)?.bits());
        }
        check_signature_bits(self.signature_bits)?;
        usage::key_usage(&self.key_usage)?;
        usage::extended(&self.ext_key_usage)?;
        usage::oids(&self.ext_key_usage_oids)?;
        policies::extension(&self.policy_identifiers.0)?;
        names::check_validations(&self.cn_validations)?;
        for cidr in self.allowed_ip_sans_cidr.iter() {
            if cidr.parse::<ipnet::IpNet>().is_err() {
                return refuse(format!("invalid allowed_ip_sans_cidr {cidr:?}: expected a network such as 10.0.0.0/8"));
            }
        }
        if !matches!(self.serial_number_source.as_str(), "json-csr" | "json") {
            return refuse(format!(
                "unknown serial_number_source {:?}: use json-csr or json",
                self.serial_number_source
            ));
        }
        if self.allowed_other_sans.iter().any(|pattern| pattern == "*") {
            if self.allowed_other_sans.len() > 1 {
                return refuse("allowed_other_sans: `*` has to stand alone");
            }
        } else {
            for pattern in self.allowed_other_sans.iter() {
                sans::other(pattern)?;
            }
        }
        if self.no_store && self.generate_lease {
            self.generate_lease = false;
            warnings.push("mutually exclusive values no_store=true and generate_lease=true were both specified; no_store=true takes priority".to_owned());
        }
        if self.generate_lease {
            warnings.push("it is encouraged to disable generate_lease and rely on PKI's native capabilities when possible; this option can cause instance-wide issues with large numbers of issued certificates".to_owned());
        }
        Ok(warnings)
    }
    /// As it is read and answered.
    fn show(&self) -> Map<String, Value> {
        let Ok(Value::Object(map)) = serde_json::to_value(self) else { return Map::new() };
        map
    }
}

/// Refuses digests that RSA does not sign with here.
pub(crate) fn check_signature_bits(bits: i64) -> Result<()> {
    if matches!(bits, 0 | 256 | 384 | 512) {
        return Ok(());
    }
    refuse(format!("invalid signature_bits {bits}: use 256, 384 or 512, or 0 for the default"))
}

impl Engine {
    /// The role of this name.
    pub(crate) async fn find_role(&self, cx: &Context, name: &str) -> Result<Option<Arc<Role>>> {
        let at = record(name);
        let lock = || self.roles.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(version) = cx.view.version(&at).await? else {
            lock().remove(name);
            return Ok(None);
        };
        if let Some((_, role)) = lock().get(name).filter(|(known, _)| *known == version) {
            return Ok(Some(Arc::clone(role)));
        }
        let Some((role, version)) = cx.view.get_versioned::<Role>(&at).await? else { return Ok(None) };
        let role = Arc::new(role);
        let mut known = lock();
        if known.len() >= CACHED {
            known.clear();
        }
        known.insert(name.to_owned(), (version, Arc::clone(&role)));
        Ok(Some(role))
    }
    /// # Errors
    /// When there is no such role.
    pub(crate) async fn role(&self, cx: &Context, name: &str) -> Result<Arc<Role>> {
        let found = self.find_role(cx, name).await?;
        found.ok_or_else(|| Error::Invalid(format!("unknown role: {name}")))
    }
}

async fn store(engine: &Engine, cx: &Context, mut role: Role) -> Result<Reply> {
    let settled = role.settle()?;
    let ca = engine.ca(cx).await?;
    let mut warnings = Vec::new();
    if ca.find_issuer(&role.issuer_ref).is_none() {
        warnings.push(if role.issuer_ref == "default" {
            "Issuing Certificate was set to default, but no default issuing certificate (configurable at /config/issuers) is currently set".to_owned()
        } else {
            format!("Issuer {} could not be found; it has to be there before certificates are issued", role.issuer_ref)
        });
    }
    warnings.extend(settled);
    cx.view.commit(Changes::new().put(&record(&role.name), &role)?).await?;
    let mut reply = Reply::data(Value::Object(role.show()));
    reply.warnings = warnings;
    Ok(reply)
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, role: Role) -> Result<Reply> {
    store(&engine, &cx, role).await
}

pub(crate) async fn patch(engine: Arc<Engine>, cx: Context, asked: RolePatch) -> Result<Reply> {
    let found = engine.find_role(&cx, &asked.name).await?;
    let found = found.ok_or_else(|| Error::NotFound(format!("unable to fetch role entry to patch: {}", asked.name)))?;
    let mut fields = found.show();
    fields.extend(asked.given);
    fields.insert("name".to_owned(), asked.name.into());
    store(&engine, &cx, Role::parse(&mut fields)?).await
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let found = engine.find_role(&cx, &at.name).await?;
    Ok(found.map_or_else(Reply::missing, |role| Reply::data(Value::Object(role.show()))))
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    Ok(Reply::list(page.of(cx.view.list(ROLES).await?)))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.delete(&record(&at.name)).await?;
    Ok(Reply::empty())
}
