//! `sign/` and `issue/`: certificates. Nothing of them is stored: a certificate ends by itself.
use crate::Ssh;
use crate::certificate::{Content, Kind};
use crate::pair::{Kind as KeyKind, Pair};
use crate::principals::principals;
use crate::public::Public;
use crate::roles::{CaRole, Role, key, parts};
use crate::templates::{Admits, is_template, render};
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::{Context, Error, KeyValues, Params, Reply, Result, Seconds};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Wanted {
    /// How long the certificate is valid.
    ttl: Option<Seconds>,
    /// For whom it speaks, separated by commas.
    valid_principals: Option<String>,
    /// For a user or a host.
    #[param(default = "user")]
    cert_type: String,
    /// The id that sshd logs.
    key_id: String,
    /// Critical options, instead of the role's.
    critical_options: KeyValues,
    /// Extensions, instead of the role's.
    extensions: KeyValues,
}

#[derive(Params)]
pub(crate) struct Sign {
    /// Name of the role.
    role: String,
    /// The public key, as an authorized_keys line.
    public_key: String,
    #[param(flatten)]
    wanted: Wanted,
}

#[derive(Params)]
pub(crate) struct Issue {
    /// Name of the role.
    role: String,
    /// Kind of the key pair: rsa, ec or ed25519.
    #[param(default = "rsa")]
    key_type: String,
    /// Its size; 0 for the usual.
    key_bits: i64,
    #[param(flatten)]
    wanted: Wanted,
}

/// A certificate as it is answered.
struct Signed {
    issuer_id: String,
    serial: u64,
    line: String,
    warnings: Vec<String>,
}

pub(crate) async fn sign(ssh: Arc<Ssh>, cx: Context, asked: Sign) -> Result<Reply> {
    let role = match cx.view.get::<Role>(&key(&asked.role)).await? {
        None => return Err(Error::Invalid(format!("Unknown role: {}", asked.role))),
        Some(Role::Otp(_)) => {
            let text = format!("role {:?} is of key_type otp: creds/{} makes its passwords", asked.role, asked.role);
            return Err(Error::Invalid(text));
        }
        Some(Role::Ca(role)) => role,
    };
    if asked.public_key.is_empty() {
        return Err(Error::invalid("missing public_key"));
    }
    let public = Public::parse(&asked.public_key)?;
    public.allowed_by(&role.allowed_user_key_lengths)?;
    let signed = certify(&ssh, &cx, (&asked.role, &role), &public, &asked.wanted).await?;
    let data = json!({
        "issuer_id": signed.issuer_id,
        "serial_number": format!("{:x}", signed.serial),
        "signed_key": signed.line,
    });
    Ok(signed.warnings.into_iter().fold(Reply::data(data), Reply::warn))
}

pub(crate) async fn issue(ssh: Arc<Ssh>, cx: Context, asked: Issue) -> Result<Reply> {
    let role = match cx.view.get::<Role>(&key(&asked.role)).await? {
        None => return Err(Error::Invalid(format!("unknown role: {}", asked.role))),
        Some(Role::Otp(_)) => return Err(Error::invalid("role key type 'otp' not allowed to issue key pairs")),
        Some(Role::Ca(role)) => role,
    };
    let kind = KeyKind::named(&asked.key_type, asked.key_bits)?;
    // Before seconds go into a key that nobody gets.
    let cert_type = self::kind(&role, &asked.wanted.cert_type)?;
    principals(&role, cert_type, asked.wanted.valid_principals.as_deref(), &cx.caller)?;
    let pair = Pair::fresh(kind).await?;
    let public = Public::from_blob(pair.public().to_vec())?;
    if let Err(refusal) = public.allowed_by(&role.allowed_user_key_lengths) {
        return Err(Error::invalid(if refusal.to_string().contains("invalid size") {
            "provided key_bits value not in list of role's allowed_user_key_types"
        } else {
            "provided key_type value not in allowed_user_key_types"
        }));
    }
    let signed = certify(&ssh, &cx, (&asked.role, &role), &public, &asked.wanted).await?;
    let data = json!({
        "issuer_id": signed.issuer_id,
        "private_key": pair.private()?.expose(),
        "private_key_type": asked.key_type,
        "serial_number": format!("{:x}", signed.serial),
        "signed_key": signed.line,
    });
    Ok(signed.warnings.into_iter().fold(Reply::data(data), Reply::warn))
}

/// Everything is decided here before the CA's key is touched.
async fn certify(
    ssh: &Ssh,
    cx: &Context,
    (name, role): (&str, &CaRole),
    public: &Public,
    wanted: &Wanted,
) -> Result<Signed> {
    let key_id = key_id(cx, (name, role), public, &wanted.key_id)?;
    let kind = kind(role, &wanted.cert_type)?;
    let principals = principals(role, kind, wanted.valid_principals.as_deref(), &cx.caller)?;
    let seconds = seconds(cx, role, wanted.ttl)?;
    let critical_options = critical_options(role, &wanted.critical_options)?;
    let mut warnings = Vec::new();
    let extensions = extensions(cx, role, &wanted.extensions, &mut warnings)?;
    let known = ssh.issuers(cx).await?;
    let (issuer_id, ca) = known.signer(&role.issuer_ref)?;
    let mut serial = [0; 8];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
    let serial = u64::from_be_bytes(serial);
    let now = u64::try_from(cx.now().as_second()).unwrap_or_default();
    let (valid_after, valid_before) = (now.saturating_sub(role.not_before_duration.0), now.saturating_add(seconds));
    let (blob, digest) = (public.blob.clone(), role.algorithm_signer);
    let slow = ca.is_rsa();
    let work = move || {
        let content = Content {
            key: &blob,
            serial,
            kind,
            key_id: &key_id,
            principals: &principals,
            valid_after,
            valid_before,
            critical_options: &critical_options,
            extensions: &extensions,
        };
        content.signed_by(&ca, digest)
    };
    // RSA takes milliseconds, everything else less than changing threads.
    let line = if slow { lessor_engine::beside::sign(work).await? } else { work()? };
    Ok(Signed { issuer_id: issuer_id.to_owned(), serial, line, warnings })
}

fn key_id(cx: &Context, (name, role): (&str, &CaRole), public: &Public, asked: &str) -> Result<String> {
    if !asked.is_empty() {
        if !role.allow_user_key_ids {
            return Err(Error::invalid("setting key_id is not allowed by role"));
        }
        // sshd writes it into its log.
        if asked.chars().any(char::is_control) {
            return Err(Error::invalid("key_id must not hold control characters"));
        }
        return Ok(asked.to_owned());
    }
    let display = cx.caller.display_name.as_str();
    let format = match (role.key_id_format.as_str(), display) {
        ("", "") => "vault-{{public_key_hash}}",
        ("", _) => "vault-{{token_display_name}}-{{public_key_hash}}",
        (format, _) => format,
    };
    let values = [
        ("token_display_name", display.to_owned()),
        ("role_name", name.to_owned()),
        ("public_key_hash", hex::encode(digest(&SHA256, &public.blob))),
    ];
    Ok(filled(format, &values))
}

/// One pass over the text: a value is never looked at for variables.
fn filled(format: &str, values: &[(&str, String)]) -> String {
    let mut pieces = format.split("{{");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let known = piece.split_once("}}").and_then(|(name, rest)| {
            values.iter().find(|(known, _)| *known == name.trim()).map(|(_, value)| (value, rest))
        });
        match known {
            Some((value, rest)) => {
                out.extend(value.chars().map(|c| if c.is_control() { '_' } else { c }));
                out.push_str(rest);
            }
            None => {
                out.push_str("{{");
                out.push_str(piece);
            }
        }
    }
    out
}

fn kind(role: &CaRole, asked: &str) -> Result<Kind> {
    let (kind, allowed) = match asked {
        "user" => (Kind::User, role.allow_user_certificates),
        "host" => (Kind::Host, role.allow_host_certificates),
        _ => return Err(Error::invalid("cert_type must be either 'user' or 'host'")),
    };
    if allowed { Ok(kind) } else { Err(Error::Invalid(format!("cert_type '{asked}' is not allowed by role"))) }
}

/// What is asked for is refused beyond the maximum; what is a default is cut.
fn seconds(cx: &Context, role: &CaRole, asked: Option<Seconds>) -> Result<u64> {
    let max = if role.max_ttl.0 > 0 { role.max_ttl.0 } else { cx.mount.max_ttl.as_secs() };
    match asked.map(|ttl| ttl.0).filter(|ttl| *ttl > 0) {
        Some(ttl) if ttl > max => Err(Error::Invalid(format!("ttl is larger than maximum allowed {max}"))),
        Some(ttl) => Ok(ttl),
        None => {
            let default = if role.ttl.0 > 0 { role.ttl.0 } else { cx.mount.default_ttl.as_secs() };
            Ok(default.min(max))
        }
    }
}

fn foreign<'a>(asked: &'a BTreeMap<String, String>, allowed: &str) -> Vec<&'a str> {
    let allowed: Vec<&str> = parts(allowed).collect();
    asked.keys().map(String::as_str).filter(|name| !allowed.contains(name)).collect()
}

fn critical_options(role: &CaRole, asked: &KeyValues) -> Result<BTreeMap<String, String>> {
    if asked.is_empty() {
        return Ok(role.default_critical_options.clone());
    }
    if !role.allowed_critical_options.is_empty() {
        let foreign = foreign(asked, &role.allowed_critical_options);
        if !foreign.is_empty() {
            return Err(Error::Invalid(format!("critical options not on allowed list: [{}]", foreign.join(" "))));
        }
    }
    Ok(asked.0.clone())
}

fn extensions(
    cx: &Context,
    role: &CaRole,
    asked: &KeyValues,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, String>> {
    if !asked.is_empty() {
        let foreign = foreign(asked, &role.allowed_extensions);
        if !foreign.is_empty() && role.allowed_extensions.trim() != "*" {
            return Err(Error::Invalid(format!("extensions [{}] are not on allowed list", foreign.join(" "))));
        }
        return Ok(asked.0.clone());
    }
    if !role.default_extensions_template {
        return Ok(role.default_extensions.clone());
    }
    let mut extensions = BTreeMap::new();
    for (name, value) in &role.default_extensions {
        if is_template(value) && cx.caller.identified.is_none() {
            warnings
                .push(format!("extension {name} is left out: its template asks for an entity, and the token has none"));
            continue;
        }
        let value = render(value, &cx.caller, Admits { commas: true, wildcards: true })?;
        extensions.insert(name.clone(), value);
    }
    Ok(extensions)
}
