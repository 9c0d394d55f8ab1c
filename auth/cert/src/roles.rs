//! `certs/…`: the roles.
use crate::Cert;
use crate::certificate::Certificate;
use crate::chain::parse_pem;
use crate::fetch;
use lessor_engine::{
    Changes, CommaList, Context, Error, OldNames, Params, Reply, Result, Seconds, TokenParams, TokenRole,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is stored under `cert/<name>`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    /// PEM: the authorities it trusts, and the certificates it pins.
    pub(crate) certificate: String,
    pub(crate) display_name: String,
    pub(crate) allowed_names: Vec<String>,
    pub(crate) allowed_common_names: Vec<String>,
    pub(crate) allowed_dns_sans: Vec<String>,
    pub(crate) allowed_email_sans: Vec<String>,
    pub(crate) allowed_uri_sans: Vec<String>,
    pub(crate) allowed_organizational_units: Vec<String>,
    pub(crate) allowed_organizations: Vec<String>,
    pub(crate) required_extensions: Vec<String>,
    pub(crate) allowed_metadata_extensions: Vec<String>,
    pub(crate) ocsp: Ocsp,
    pub(crate) token: TokenRole,
}

/// Whether and how OCSP servers are asked about a client's certificate.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ocsp {
    pub(crate) enabled: bool,
    /// PEM of responders that may answer for the issuer.
    pub(crate) ca_certificates: String,
    /// Asked instead of the servers that the certificate names.
    pub(crate) servers_override: Vec<String>,
    /// Lets in what no server knows.
    pub(crate) fail_open: bool,
    pub(crate) query_all_servers: bool,
    /// Seconds; 0 for no bound.
    pub(crate) this_update_max_age: u64,
    pub(crate) max_retries: Option<i64>,
}

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    name: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    name: String,
    /// PEM of the authorities to trust, or of the very client certificates.
    certificate: Option<String>,
    /// Globs of which the common name, a DNS or an e-mail name has to match one.
    allowed_names: Option<CommaList>,
    /// Globs of which the common name has to match one.
    allowed_common_names: Option<CommaList>,
    /// Globs of which a DNS name has to match one.
    allowed_dns_sans: Option<CommaList>,
    /// Globs of which an e-mail name has to match one.
    allowed_email_sans: Option<CommaList>,
    /// Globs of which a URI has to match one.
    allowed_uri_sans: Option<CommaList>,
    /// Globs of which an organizational unit has to match one.
    allowed_organizational_units: Option<CommaList>,
    /// Globs of which an organization has to match one.
    allowed_organizations: Option<CommaList>,
    /// `oid:glob` of a text, or `hex:oid:glob` of the raw value; all have to match.
    required_extensions: Option<CommaList>,
    /// Object identifiers of extensions whose texts become metadata.
    allowed_metadata_extensions: Option<CommaList>,
    /// Asks OCSP servers whether the client's certificate is revoked.
    ocsp_enabled: Option<bool>,
    /// PEM of further certificates that may sign the answers of OCSP servers.
    ocsp_ca_certificates: Option<String>,
    /// Addresses of OCSP servers, instead of those that the certificate names.
    ocsp_servers_override: Option<CommaList>,
    /// Lets a client in where no OCSP server knows its certificate, or none answers.
    ocsp_fail_open: Option<bool>,
    /// Asks all servers, and refuses where one of them says revoked; else the first answer counts.
    ocsp_query_all_servers: Option<bool>,
    /// How old an answer may be; 0 for any age.
    ocsp_this_update_max_age: Option<Seconds>,
    /// How often a server that does not answer is asked again, at most 10 times; 4 where it is left out.
    ocsp_max_retries: Option<i64>,
    /// Display name of the tokens; the role's name where none is given.
    display_name: Option<String>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Still older name of token_ttl.
    lease: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_period.
    period: Option<Seconds>,
    /// Older name of token_bound_cidrs.
    bound_cidrs: Option<CommaList>,
    #[param(flatten)]
    token: TokenParams,
}

pub(crate) fn key(name: &str) -> String {
    format!("cert/{}", name.to_lowercase())
}

pub(crate) async fn names(cx: &Context) -> Result<Vec<String>> {
    cx.view.list("cert/").await
}

pub(crate) async fn exists(_: Arc<Cert>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Cert>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(names(&cx).await?))
}

pub(crate) async fn read(_: Arc<Cert>, cx: Context, at: At) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&key(&at.name)).await?;
    Ok(role.map_or_else(Reply::missing, |role| Reply::data(show(&role))))
}

fn show(role: &Role) -> Value {
    // Vault answers null for a list that nobody set.
    let names = |names: &[String]| if names.is_empty() { Value::Null } else { json!(names) };
    let mut shown = role.token.show();
    let own = json!({
        "allowed_common_names": names(&role.allowed_common_names),
        "allowed_dns_sans": names(&role.allowed_dns_sans),
        "allowed_email_sans": names(&role.allowed_email_sans),
        "allowed_metadata_extensions": names(&role.allowed_metadata_extensions),
        "allowed_names": names(&role.allowed_names),
        "allowed_organizational_units": names(&role.allowed_organizational_units),
        "allowed_organizations": names(&role.allowed_organizations),
        "allowed_uri_sans": names(&role.allowed_uri_sans),
        "certificate": role.certificate,
        "display_name": role.display_name,
        "ocsp_ca_certificates": role.ocsp.ca_certificates,
        "ocsp_enabled": role.ocsp.enabled,
        "ocsp_fail_open": role.ocsp.fail_open,
        "ocsp_max_retries": role.ocsp.max_retries.unwrap_or(4),
        "ocsp_query_all_servers": role.ocsp.query_all_servers,
        "ocsp_servers_override": names(&role.ocsp.servers_override),
        "ocsp_this_update_max_age": role.ocsp.this_update_max_age,
        "required_extensions": names(&role.required_extensions),
    });
    if let Value::Object(own) = own {
        shown.extend(own);
    }
    shown.sort_keys();
    Value::Object(shown)
}

pub(crate) async fn write(_: Arc<Cert>, cx: Context, sent: RoleParams) -> Result<Reply> {
    check_ocsp(&sent)?;
    let key = key(&sent.name);
    loop {
        let read = cx.view.get_versioned::<Role>(&key).await?;
        let (old, version) = read.map_or((None, None), |(role, version)| (Some(role), Some(version)));
        let role = changed(old, &sent)?;
        match cx.view.commit(Changes::new().put(&key, &role)?.expect(&key, version)).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Reply::empty()),
        }
    }
}

fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    let name = sent.name.to_lowercase();
    let mut role = old.unwrap_or_else(|| Role { display_name: name, ..Role::default() });
    if let Some(certificate) = &sent.certificate {
        role.certificate.clone_from(certificate);
    }
    check(&role.certificate)?;
    let lists = [
        (&mut role.allowed_names, &sent.allowed_names),
        (&mut role.allowed_common_names, &sent.allowed_common_names),
        (&mut role.allowed_dns_sans, &sent.allowed_dns_sans),
        (&mut role.allowed_email_sans, &sent.allowed_email_sans),
        (&mut role.allowed_uri_sans, &sent.allowed_uri_sans),
        (&mut role.allowed_organizational_units, &sent.allowed_organizational_units),
        (&mut role.allowed_organizations, &sent.allowed_organizations),
        (&mut role.required_extensions, &sent.required_extensions),
        (&mut role.allowed_metadata_extensions, &sent.allowed_metadata_extensions),
    ];
    for (place, sent) in lists {
        if let Some(sent) = sent {
            place.clone_from(&sent.0);
        }
    }
    role.ocsp = ocsp(role.ocsp, sent);
    if let Some(name) = sent.display_name.as_ref().filter(|name| !name.is_empty()) {
        role.display_name.clone_from(name);
    }
    let old = OldNames {
        policies: sent.policies.clone(),
        ttl: sent.ttl.or(sent.lease),
        max_ttl: sent.max_ttl,
        period: sent.period,
        bound_cidrs: sent.bound_cidrs.clone(),
    };
    role.token.apply(sent.token.clone(), old)?;
    Ok(role)
}

fn ocsp(now: Ocsp, sent: &RoleParams) -> Ocsp {
    Ocsp {
        enabled: sent.ocsp_enabled.unwrap_or(now.enabled),
        ca_certificates: sent.ocsp_ca_certificates.clone().unwrap_or(now.ca_certificates),
        servers_override: sent.ocsp_servers_override.as_ref().map_or(now.servers_override, |sent| sent.0.clone()),
        fail_open: sent.ocsp_fail_open.unwrap_or(now.fail_open),
        query_all_servers: sent.ocsp_query_all_servers.unwrap_or(now.query_all_servers),
        this_update_max_age: sent.ocsp_this_update_max_age.map_or(now.this_update_max_age, |sent| sent.0),
        max_retries: sent.ocsp_max_retries.or(now.max_retries),
    }
}

fn check_ocsp(sent: &RoleParams) -> Result<()> {
    for server in sent.ocsp_servers_override.iter().flat_map(|servers| &servers.0) {
        fetch::check_address(server)?;
    }
    if sent.ocsp_max_retries.is_some_and(|retries| retries < 0) {
        return Err(Error::invalid("ocsp_max_retries can not be a negative number"));
    }
    let pem = sent.ocsp_ca_certificates.as_ref().filter(|pem| !pem.is_empty());
    if pem.is_some_and(|pem| parse_pem(pem).is_none()) {
        return Err(Error::invalid("failed to parse certificate in ocsp_ca_certificates"));
    }
    Ok(())
}

fn check(pem: &str) -> Result<()> {
    let parsed = parse_pem(pem).ok_or_else(|| Error::invalid("failed to parse certificate"))?;
    let first = parsed.first().and_then(|der| Certificate::parse(der));
    if first.is_some_and(|first| !first.is_ca && !first.for_clients) {
        let text = "non-CA certificates should have TLS client authentication set as an extended key usage";
        return Err(Error::invalid(text));
    }
    Ok(())
}

pub(crate) async fn delete(_: Arc<Cert>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}
