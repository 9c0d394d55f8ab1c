//! `roles/`: recipes for certificates and one-time passwords.
use crate::Ssh;
use crate::pair::RsaDigest;
use crate::zero;
use ipnet::IpNet;
use lessor_engine::{Context, Error, KeyValues, Object, Params, Reply, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const ROLES: &str = "roles/";

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    role: String,
}

/// What a client writes; what is absent takes its default, whatever was there.
#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    role: String,
    /// Kind of credential: ca for certificates, otp for one-time passwords.
    key_type: String,
    /// The user where none is asked for; for certificates several, separated by commas.
    default_user: String,
    /// Whether default_user holds identity templates.
    default_user_template: bool,
    /// The users that may be asked for, separated by commas; * for any.
    allowed_users: String,
    /// Whether allowed_users holds identity templates.
    allowed_users_template: bool,
    /// Address blocks of the hosts that one-time passwords are for, separated by commas.
    cidr_list: String,
    /// Address blocks taken out of cidr_list.
    exclude_cidr_list: String,
    /// The port clients are told.
    #[param(default = "22")]
    port: i64,
    /// The domains that host certificates may be for, separated by commas; * for any.
    allowed_domains: String,
    /// Whether allowed_domains holds identity templates.
    allowed_domains_template: bool,
    /// Whether a domain itself may be asked for.
    allow_bare_domains: bool,
    /// Whether names below a domain may be asked for.
    allow_subdomains: bool,
    /// Whether certificates of users are signed.
    allow_user_certificates: bool,
    /// Whether certificates of hosts are signed.
    allow_host_certificates: bool,
    /// How long a certificate is valid where nothing is asked for.
    ttl: Seconds,
    /// The longest a certificate may be valid; 0 for the mount's maximum.
    max_ttl: Seconds,
    /// How far before now the validity begins.
    #[param(default = "30s")]
    not_before_duration: Seconds,
    /// The critical options that may be asked for, separated by commas; empty for any.
    allowed_critical_options: String,
    /// The extensions that may be asked for, separated by commas; empty for none, * for any.
    allowed_extensions: String,
    /// Critical options where none are asked for.
    default_critical_options: KeyValues,
    /// Extensions where none are asked for.
    default_extensions: KeyValues,
    /// Whether values of default_extensions hold identity templates.
    default_extensions_template: bool,
    /// Whether key_id may be asked for.
    allow_user_key_ids: bool,
    /// How key ids are made: text with {{token_display_name}}, {{role_name}} and {{public_key_hash}}.
    key_id_format: String,
    /// Kinds of keys that are signed, each with its size or a list of sizes; empty for any.
    allowed_user_key_lengths: Object,
    /// How an RSA CA signs: default, ssh-rsa, rsa-sha2-256 or rsa-sha2-512.
    algorithm_signer: String,
    /// Whether a certificate without principals, valid for every user, is signed.
    allow_empty_principals: bool,
    /// Id or name of the CA that signs.
    #[param(default = "default")]
    issuer_ref: String,
    /// Whether a value of an identity template may bring several principals.
    allow_commas_in_identity_templates: bool,
    /// Whether a value of an identity template may hold wildcards.
    allow_wildcards_in_identity_templates: bool,
}

/// A role as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Role {
    #[serde(rename = "ca")]
    Ca(Box<CaRole>),
    #[serde(rename = "otp")]
    Otp(OtpRole),
}

/// A role of certificates.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CaRole {
    pub(crate) default_user: String,
    pub(crate) default_user_template: bool,
    pub(crate) allowed_users: String,
    pub(crate) allowed_users_template: bool,
    pub(crate) allowed_domains: String,
    pub(crate) allowed_domains_template: bool,
    pub(crate) allow_bare_domains: bool,
    pub(crate) allow_subdomains: bool,
    pub(crate) allow_user_certificates: bool,
    pub(crate) allow_host_certificates: bool,
    pub(crate) ttl: Seconds,
    pub(crate) max_ttl: Seconds,
    pub(crate) not_before_duration: Seconds,
    pub(crate) allowed_critical_options: String,
    pub(crate) allowed_extensions: String,
    pub(crate) default_critical_options: BTreeMap<String, String>,
    pub(crate) default_extensions: BTreeMap<String, String>,
    pub(crate) default_extensions_template: bool,
    pub(crate) allow_user_key_ids: bool,
    pub(crate) key_id_format: String,
    pub(crate) allowed_user_key_lengths: BTreeMap<String, Vec<i64>>,
    pub(crate) algorithm_signer: RsaDigest,
    pub(crate) allow_empty_principals: bool,
    pub(crate) issuer_ref: String,
    pub(crate) allow_commas_in_identity_templates: bool,
    pub(crate) allow_wildcards_in_identity_templates: bool,
}

/// A role of one-time passwords.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OtpRole {
    pub(crate) default_user: String,
    pub(crate) allowed_users: String,
    pub(crate) cidr_list: String,
    pub(crate) exclude_cidr_list: String,
    pub(crate) port: i64,
}

pub(crate) fn key(name: &str) -> String {
    format!("{ROLES}{name}")
}

/// The parts of a comma separated field.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn blocks(field: &str, text: &str) -> Result<()> {
    for part in parts(text) {
        part.parse::<IpNet>()
            .map_err(|_| Error::Invalid(format!("failed to validate {field}: invalid CIDR address: {part}")))?;
    }
    Ok(())
}

/// Sizes as a number or a list of numbers, each of them maybe as text.
fn lengths(asked: &Map<String, Value>) -> Result<BTreeMap<String, Vec<i64>>> {
    let number = |value: &Value| {
        let read = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
        read.ok_or_else(|| {
            Error::Invalid(format!("error processing allowed_user_key_lengths: {value} is no number of bits"))
        })
    };
    let mut lengths = BTreeMap::new();
    for (name, value) in asked {
        if !crate::public::is_kind(name) {
            return Err(Error::Invalid(format!(
                "error processing allowed_user_key_lengths: unknown kind {name:?}: use rsa, ec, ed25519 or the name of an SSH key type"
            )));
        }
        let sizes = match value {
            Value::Array(items) => items.iter().map(number).collect::<Result<_>>()?,
            one => vec![number(one)?],
        };
        lengths.insert(name.clone(), sizes);
    }
    Ok(lengths)
}

async fn certificates(ssh: &Ssh, cx: &Context, asked: Write) -> Result<CaRole> {
    if !asked.allow_user_certificates && !asked.allow_host_certificates {
        return Err(Error::invalid(
            "Either 'allow_user_certificates' or 'allow_host_certificates' must be set to 'true'",
        ));
    }
    if asked.ttl.0 > 0 && asked.max_ttl.0 > 0 && asked.ttl > asked.max_ttl {
        return Err(Error::invalid("\"ttl\" value must be less than \"max_ttl\" when both are specified"));
    }
    let digest = RsaDigest::named(&asked.algorithm_signer).ok_or_else(|| {
        Error::Invalid(format!(
            "unknown algorithm signer {:?}: use default, ssh-rsa, rsa-sha2-256 or rsa-sha2-512",
            asked.algorithm_signer
        ))
    })?;
    // A CA that is not there yet may be of any kind.
    if digest != RsaDigest::Default
        && let Ok((_, pair)) = ssh.issuers(cx).await?.signer(&asked.issuer_ref)
        && !pair.is_rsa()
    {
        return Err(Error::invalid(
            "algorithm_signer is for RSA keys, and the issuer of this role has another: leave it out",
        ));
    }
    Ok(CaRole {
        allowed_user_key_lengths: lengths(&asked.allowed_user_key_lengths.0)?,
        algorithm_signer: digest,
        default_user: asked.default_user,
        default_user_template: asked.default_user_template,
        allowed_users: asked.allowed_users,
        allowed_users_template: asked.allowed_users_template,
        allowed_domains: asked.allowed_domains,
        allowed_domains_template: asked.allowed_domains_template,
        allow_bare_domains: asked.allow_bare_domains,
        allow_subdomains: asked.allow_subdomains,
        allow_user_certificates: asked.allow_user_certificates,
        allow_host_certificates: asked.allow_host_certificates,
        ttl: asked.ttl,
        max_ttl: asked.max_ttl,
        not_before_duration: asked.not_before_duration,
        allowed_critical_options: asked.allowed_critical_options,
        allowed_extensions: asked.allowed_extensions,
        default_critical_options: asked.default_critical_options.0,
        default_extensions: asked.default_extensions.0,
        default_extensions_template: asked.default_extensions_template,
        allow_user_key_ids: asked.allow_user_key_ids,
        key_id_format: asked.key_id_format,
        allow_empty_principals: asked.allow_empty_principals,
        issuer_ref: asked.issuer_ref,
        allow_commas_in_identity_templates: asked.allow_commas_in_identity_templates,
        allow_wildcards_in_identity_templates: asked.allow_wildcards_in_identity_templates,
    })
}

fn passwords(asked: Write) -> Result<OtpRole> {
    if asked.default_user.is_empty() {
        return Err(Error::invalid("missing default user"));
    }
    blocks("cidr_list", &asked.cidr_list)?;
    blocks("exclude_cidr_list", &asked.exclude_cidr_list)?;
    if !(1..=65535).contains(&asked.port) {
        return Err(Error::Invalid(format!("port {} is none: use 1 to 65535", asked.port)));
    }
    let Write { default_user, allowed_users, cidr_list, exclude_cidr_list, port, .. } = asked;
    Ok(OtpRole { default_user, allowed_users, cidr_list, exclude_cidr_list, port })
}

pub(crate) async fn write(ssh: Arc<Ssh>, cx: Context, asked: Write) -> Result<Reply> {
    let at = key(&asked.role);
    let role = match asked.key_type.to_lowercase().as_str() {
        "" => return Err(Error::invalid("missing key type")),
        "ca" => Role::Ca(Box::new(certificates(&ssh, &cx, asked).await?)),
        "otp" => Role::Otp(passwords(asked)?),
        "dynamic" => return Err(Error::invalid("dynamic key type roles are no longer supported")),
        _ => return Err(Error::invalid("invalid key type")),
    };
    cx.view.put(&at, &role).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Ssh>, cx: Context, at: Named) -> Result<Reply> {
    Ok(match cx.view.get::<Role>(&key(&at.role)).await? {
        None => Reply::missing(),
        Some(Role::Otp(role)) => {
            let mut data = serde_json::to_value(role)?;
            data["key_type"] = json!("otp");
            Reply::data(data)
        }
        Some(Role::Ca(role)) => {
            let mut data = serde_json::to_value(role)?;
            data["key_type"] = json!("ca");
            Reply::data(data)
        }
    })
}

pub(crate) async fn delete(_: Arc<Ssh>, cx: Context, at: Named) -> Result<Reply> {
    zero::forget(&cx, &at.role, |changes| Ok(changes.delete(&key(&at.role)))).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list(_: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    let names = cx.view.list(ROLES).await?;
    if names.is_empty() {
        return Ok(Reply::missing());
    }
    let mut info = Map::new();
    for name in &names {
        let told = match cx.view.get::<Role>(&key(name)).await? {
            Some(Role::Ca(role)) => json!({ "key_type": "ca", "issuer_ref": role.issuer_ref }),
            Some(Role::Otp(_)) => json!({ "key_type": "otp" }),
            // Deleted meanwhile.
            None => continue,
        };
        info.insert(name.clone(), told);
    }
    Ok(Reply::data(json!({ "keys": names, "key_info": info })))
}
