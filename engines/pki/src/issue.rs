//! `issue`, `sign`, `sign-verbatim`: certificates for others than authorities.
use crate::Engine;
use crate::ca::{Ca, Issuer};
use crate::encode::{b64, colons};
use crate::key::{KeyPair, Kind, beside};
use crate::keystore::{Contents, Form, StoreParams};
use crate::lease::Finished;
use crate::names::{self, Rules};
use crate::roles::Role;
use crate::sans::Sans;
use crate::template::Template;
use crate::x509::{Cert, Csr};
use crate::{policies, revoke, subject, usage, validity};
use const_oid::db::rfc5280;
use lessor_engine::{Changes, CommaList, Context, Error, Grant, Issue, Params, Reply, Result, Seconds, Terms};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use x509_cert::ext::pkix::BasicConstraints;

#[derive(Params)]
pub(crate) struct Names {
    /// The common name.
    pub(crate) common_name: String,
    /// Host names and e-mail addresses, separated by commas.
    pub(crate) alt_names: String,
    /// IP addresses.
    pub(crate) ip_sans: CommaList,
    /// URIs.
    pub(crate) uri_sans: CommaList,
    /// Other names: `<oid>;UTF8:<text>`.
    pub(crate) other_sans: CommaList,
    /// The serial number in the subject, not that of the certificate.
    pub(crate) serial_number: String,
    /// User ids in the subject.
    pub(crate) user_ids: CommaList,
    /// How long the certificate is valid.
    pub(crate) ttl: Seconds,
    /// Until when the certificate is valid, such as `2030-01-31T23:59:59Z`, instead of a TTL.
    pub(crate) not_after: String,
    /// From when on the certificate is valid.
    pub(crate) not_before: String,
    /// Form of what is answered: pem, der, pem_bundle, pkcs12_bundle or jks_bundle.
    #[param(default = "pem")]
    pub(crate) format: String,
    /// Whether the common name stays out of the alternative names.
    pub(crate) exclude_cn_from_sans: bool,
    /// Whether self-signed certificates are left out of the chain.
    pub(crate) remove_roots_from_chain: bool,
}

#[derive(Params)]
pub(crate) struct IssueParams {
    /// Name of the role.
    role: String,
    /// Reference to the issuer.
    #[param(default = "default")]
    issuer_ref: String,
    /// Names and validity.
    #[param(flatten)]
    names: Names,
    /// Stores behind a password.
    #[param(flatten)]
    stores: StoreParams,
    /// Form of the private key: der (PKCS#1 or SEC1) or pkcs8.
    #[param(default = "der")]
    private_key_format: String,
    /// Algorithm of the key, where the role leaves it open.
    key_type: String,
    /// Size of the key, where the role leaves its algorithm open.
    key_bits: i64,
    /// None is taken: a CSR goes to sign/.
    csr: String,
}

#[derive(Params)]
pub(crate) struct SignParams {
    /// Name of the role.
    role: String,
    /// Reference to the issuer.
    #[param(default = "default")]
    issuer_ref: String,
    /// A certificate request in PEM.
    csr: String,
    /// Names and validity.
    #[param(flatten)]
    names: Names,
    /// Stores behind a password.
    #[param(flatten)]
    stores: StoreParams,
}

#[derive(Params)]
pub(crate) struct VerbatimParams {
    /// Name of a role that validity and storing are taken from.
    role: String,
    /// Reference to the issuer.
    #[param(default = "default")]
    issuer_ref: String,
    /// A certificate request in PEM.
    csr: String,
    /// Names and validity.
    #[param(flatten)]
    names: Names,
    /// Stores behind a password.
    #[param(flatten)]
    stores: StoreParams,
    /// Key usages where the request has none.
    #[param(default = "DigitalSignature,KeyAgreement,KeyEncipherment")]
    key_usage: CommaList,
    /// Extended key usages where the request has none.
    ext_key_usage: CommaList,
    /// Extended key usages by object identifiers where the request has none.
    ext_key_usage_oids: CommaList,
    /// Digest of signatures by RSA: 256, 384 or 512; 0 for the default.
    signature_bits: i64,
    /// Whether RSA signs with PSS.
    use_pss: bool,
    /// Whether the certificate says that it is none of an authority.
    basic_constraints_valid_for_non_ca: bool,
}

/// The forms of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Pem,
    Der,
    Bundle,
}

impl Format {
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "pem" | "" => Ok(Self::Pem),
            "der" => Ok(Self::Der),
            "pem_bundle" => Ok(Self::Bundle),
            _ => Err(Error::invalid("the \"format\" path parameter must be \"pem\", \"der\", or \"pem_bundle\"")),
        }
    }
    pub(crate) fn write(self, der: &[u8]) -> String {
        if self == Self::Der { b64(der) } else { crate::encode::certificate_pem(der) }
    }
}

/// Whether `private_key_format` asks for PKCS#8.
pub(crate) fn wants_pkcs8(name: &str) -> Result<bool> {
    match name {
        "der" | "pem" | "" => Ok(false),
        "pkcs8" => Ok(true),
        other => Err(Error::invalid(format!(
            "the \"private_key_format\" path parameter must be \"der\", \"pem\" or \"pkcs8\"; got {other:?}"
        ))),
    }
}

/// The private key as an answer holds it.
pub(crate) fn private_key(key: &KeyPair, format: Format, pkcs8: bool) -> Result<Value> {
    if format == Format::Der {
        return Ok(json!(b64(&key.exported(pkcs8)?.1)));
    }
    Ok(json!(key.exported_pem(pkcs8)?.as_str()))
}

/// `ca_chain`: issuer first, root last.
pub(crate) fn chain_of(issuer: &Issuer, without_roots: bool) -> Vec<Arc<Cert>> {
    issuer.chain.iter().filter(|cert| !without_roots || cert.subject != cert.issuer).cloned().collect()
}

/// How a certificate is told to its requester.
struct Shown<'a> {
    form: Form,
    pkcs8: bool,
    without_roots: bool,
    key: Option<&'a KeyPair>,
}

/// Key, certificate and chain in PEM, one behind the other.
fn bundle(cert: &Cert, chain: &[Arc<Cert>], shown: &Shown<'_>) -> Result<String> {
    let mut parts = Vec::new();
    if let Some(key) = shown.key {
        parts.push(key.exported_pem(shown.pkcs8)?.to_string());
    }
    parts.push(cert.pem());
    parts.extend(chain.iter().map(|cert| cert.pem()));
    Ok(parts.join("\n"))
}

async fn answer(cx: &Context, cert: &Cert, issuer: &Issuer, shown: Shown<'_>) -> Result<Map<String, Value>> {
    let format = shown.form.texts();
    let chain = chain_of(issuer, shown.without_roots);
    let mut data = Map::new();
    if !chain.is_empty() {
        data.insert("ca_chain".to_owned(), chain.iter().map(|cert| format.write(&cert.der)).collect());
    }
    data.insert("expiration".to_owned(), json!(cert.not_after));
    data.insert("issuing_ca".to_owned(), json!(format.write(&issuer.cert.der)));
    data.insert("not_before".to_owned(), json!(cert.not_before));
    if let Some(key) = shown.key {
        // In a store the key is behind its password, and nowhere else.
        if matches!(shown.form, Form::Plain(_)) {
            data.insert("private_key".to_owned(), private_key(key, format, shown.pkcs8)?);
        }
        data.insert("private_key_type".to_owned(), json!(key.kind.name()));
    }
    data.insert("serial_number".to_owned(), json!(cert.serial_text()));
    let certificate = match shown.form {
        Form::Plain(Format::Bundle) => bundle(cert, &chain, &shown)?,
        Form::Plain(format) => format.write(&cert.der),
        Form::Store(store) => {
            let key = shown.key.map(|key| zeroize::Zeroizing::new(key.pkcs8().to_vec()));
            let certificates = std::iter::once(&cert.der).chain(chain.iter().map(|cert| &cert.der));
            let contents = Contents { key, certificates: certificates.cloned().collect() };
            store.write(contents, cx.now().as_millisecond()).await?
        }
    };
    data.insert("certificate".to_owned(), json!(certificate));
    Ok(data)
}

/// Which issuer a path with `issuer/<ref>/` or a role means.
fn issuer_for<'a>(cx: &Context, ca: &'a Ca, path: &str, role: &str) -> Result<&'a Arc<Issuer>> {
    let reference = if cx.path.starts_with("issuer/") { path } else { role };
    ca.issuing(reference)
}

/// What is common to everything that a role signs.
pub(crate) struct Order<'a> {
    pub(crate) role: &'a Role,
    pub(crate) issuer: &'a Issuer,
    pub(crate) lenient: bool,
}

fn key_size_fits(role: &Role, spki: &[u8]) -> Result<()> {
    let refuse = |text: String| Err(Error::Invalid(text));
    let kind = Kind::of(spki).ok_or_else(|| Error::invalid("the key of the request is not supported"))?;
    if let Kind::Rsa(bits) = kind
        && bits < 2048
    {
        return refuse("RSA keys < 2048 bits are unsafe and not supported".to_owned());
    }
    if role.key_type == "any" {
        return Ok(());
    }
    if kind.name() != role.key_type {
        return refuse(format!("role requires keys of type {}", role.key_type));
    }
    let wanted = role.key_bits;
    match kind {
        Kind::Rsa(bits) if i64::from(bits) < wanted => {
            refuse(format!("role requires a minimum of a {wanted}-bit key, but CSR's key is {bits} bits"))
        }
        Kind::Ec(bits) if i64::from(bits) < wanted => {
            refuse(format!("role requires a minimum of a {wanted}-bit key, but CSR's key is {bits} bits"))
        }
        _ => Ok(()),
    }
}

/// The names a certificate gets: from the request, or from the CSR as the role says.
struct Named {
    common_name: String,
    sans: Sans,
    serial_number: String,
    user_ids: Vec<String>,
    warnings: Vec<String>,
}

fn requested(names: &Names, csr: Option<&Csr>, role: &Role) -> Result<Named> {
    let mut warnings = Vec::new();
    let mut common_name = names.common_name.clone();
    let mut serial_number = names.serial_number.clone();
    let mut user_ids = names.user_ids.0.clone();
    let mut sans = Sans::default();
    let mut from_request = true;
    if let Some(csr) = csr {
        if role.use_csr_common_name {
            common_name = csr.common_name();
            if !names.common_name.is_empty() && names.common_name != common_name {
                warnings.push(
                    "the common_name field was provided but the role is set with \"use_csr_common_name\" set to true"
                        .to_owned(),
                );
            }
        }
        if role.use_csr_sans {
            sans = Sans::of(&csr.sans()?)?;
            from_request = false;
            for (field, given) in [
                ("alt_names", !names.alt_names.is_empty()),
                ("ip_sans", !names.ip_sans.is_empty()),
                ("uri_sans", !names.uri_sans.is_empty()),
                ("other_sans", !names.other_sans.is_empty()),
            ] {
                if given {
                    warnings.push(format!(
                        "the {field} field was provided but the role is set with \"use_csr_sans\" set to true"
                    ));
                }
            }
        }
        if serial_number.is_empty() && role.serial_number_source == "json-csr" {
            serial_number = crate::x509::attribute(csr.subject(), subject::SERIAL_NUMBER).unwrap_or_default();
        }
        if user_ids.is_empty() {
            user_ids = crate::x509::values(csr.subject(), subject::USER_ID);
        }
        if csr.asks_for_ca() {
            warnings.push(
                "specified CSR contained a Basic Constraints extension that was ignored during issuance".to_owned(),
            );
        }
    }
    if from_request {
        sans.add_names(&names.alt_names)?;
        sans.add_ips(&names.ip_sans)?;
        sans.add_uris(&names.uri_sans)?;
        sans.add_others(&names.other_sans)?;
    }
    let asked_sans_of_csr = csr.is_some() && role.use_csr_sans;
    if !names.exclude_cn_from_sans && !common_name.is_empty() && !asked_sans_of_csr {
        let ascii = crate::sans::ascii(&common_name)?;
        let host = ascii.strip_prefix("*.").unwrap_or(&ascii);
        let is_host = names::is_host_name(host) || host.contains('*');
        if common_name.contains('@') {
            sans.add_name(&common_name)?;
        } else if is_host && host.parse::<std::net::IpAddr>().is_err() {
            let mut first = Sans::default();
            first.add_name(&ascii)?;
            first.dns.extend(sans.dns.iter().filter(|name| **name != ascii).cloned());
            sans.dns = first.dns;
        }
    }
    Ok(Named { common_name, sans, serial_number, user_ids, warnings })
}

/// What a role makes of a request: the template, and what to warn of.
pub(crate) async fn plan(
    cx: &Context,
    order: &Order<'_>,
    names: &Names,
    csr: Option<&Csr>,
    spki: &[u8],
) -> Result<(Template, Vec<String>)> {
    let role = order.role;
    let named = requested(names, csr, role)?;
    if named.common_name.is_empty() && role.require_cn {
        return Err(Error::invalid(
            "the common_name field is required, or must be provided in a CSR with \"use_csr_common_name\" set to true, unless \"require_cn\" is set to false",
        ));
    }
    let rules = Rules::of(cx, role).await?;
    if !named.common_name.is_empty() {
        rules.check_common_name(&named.common_name)?;
    }
    rules.check_sans(&named.sans)?;
    rules.check_serial_number(&named.serial_number)?;
    rules.check_user_ids(&named.user_ids)?;
    if csr.is_some() {
        key_size_fits(role, spki)?;
    }
    let asked = validity::Asked { ttl: names.ttl, not_after: &names.not_after, not_before: &names.not_before };
    let mut valid = validity::decide(cx, &validity::Rules::of(role), &asked)?;
    valid.within(order.issuer, order.lenient)?;
    let mut extended = Vec::new();
    for (flag, oid) in [
        (role.server_flag, usage::SERVER_AUTH),
        (role.client_flag, usage::CLIENT_AUTH),
        (role.code_signing_flag, usage::CODE_SIGNING),
        (role.email_protection_flag, usage::EMAIL_PROTECTION),
    ] {
        if flag {
            extended.push(oid);
        }
    }
    let more = usage::extended(&role.ext_key_usage)?.into_iter();
    for oid in more.chain(usage::oids(&role.ext_key_usage_oids)?) {
        if !extended.contains(&oid) {
            extended.push(oid);
        }
    }
    let warnings = [named.warnings, valid.warnings].concat();
    let leaf = BasicConstraints { ca: false, path_len_constraint: None };
    let template = Template {
        subject: subject::build(&named.common_name, &named.serial_number, &named.user_ids, &role.subject)?,
        sans: named.sans.names()?,
        spki: spki.to_vec(),
        not_before: valid.not_before,
        not_after: valid.not_after,
        key_usage: Some(usage::key_usage(&role.key_usage)?),
        extended,
        basic: role.basic_constraints_valid_for_non_ca.then_some(leaf),
        skid: None,
        more: policies::extension(&role.policy_identifiers.0)?.into_iter().collect(),
        signature_bits: role.signature_bits,
        use_pss: role.use_pss,
    };
    Ok((template, warnings))
}

/// Signs a template beside the runtime where the key is slow.
pub(crate) async fn sign(ca: &Arc<Ca>, issuer: &Arc<Issuer>, template: Template) -> Result<Cert> {
    let slow = issuer.key.as_ref().is_some_and(|key| key.kind.is_slow());
    let (ca, issuer) = (Arc::clone(ca), Arc::clone(issuer));
    beside(slow, move || Cert::parse(&template.sign(&ca.authority(&issuer)?)?)).await
}

/// Whether what was signed is stored and leased.
struct Keeping {
    store: bool,
    lease: bool,
}

async fn hand_out(
    engine: &Engine,
    cx: &Context,
    (cert, issuer): (&Cert, &Issuer),
    data: Map<String, Value>,
    warnings: Vec<String>,
    keeping: &Keeping,
) -> Result<Reply> {
    let stored = revoke::Stored::new(cert, Some(&issuer.record.id), keeping.lease);
    let mut reply = if keeping.lease {
        let serial = cert.serial_key();
        let ttl = u64::try_from(cert.not_after - cx.now().as_second()).unwrap_or_default();
        let ttl = std::time::Duration::from_secs(ttl);
        engine.finished.put(serial.clone(), Finished { stored, data, ttl });
        let grant = Grant {
            target: "ca".to_owned(),
            name: serial.clone(),
            data: json!({ "serial_number": serial }),
            revocable: true,
        };
        let terms = Terms { default_ttl: Some(ttl), max_ttl: Some(ttl) };
        Reply::issue(Issue { grant, terms, ttl: Some(ttl), renewable: false })
    } else {
        if keeping.store {
            let at = revoke::cert_at(&cert.serial_key());
            cx.view.commit(Changes::new().put(&at, &stored)?).await?;
        }
        Reply::data(Value::Object(data))
    };
    reply.warnings = warnings;
    Ok(reply)
}

pub(crate) async fn issue(engine: Arc<Engine>, cx: Context, asked: IssueParams) -> Result<Reply> {
    if !asked.csr.is_empty() {
        return Err(Error::invalid("issue/ makes the key itself and takes no csr: send the request to sign/ instead"));
    }
    let form = Form::named(&asked.names.format, &asked.stores)?;
    let pkcs8 = wants_pkcs8(&asked.private_key_format)?;
    let role = engine.role(&cx, &asked.role).await?;
    let mut warnings = Vec::new();
    let kind = if role.key_type == "any" {
        if asked.key_type.is_empty() {
            return Err(Error::invalid(
                "role key type \"any\" not allowed for issuing certificates without providing key_type and/or key_bits request parameters",
            ));
        }
        Kind::named(&asked.key_type, asked.key_bits)?
    } else {
        if !asked.key_type.is_empty() || asked.key_bits != 0 {
            warnings.push("key_type and key_bits are ignored: the role decides".to_owned());
        }
        Kind::named(&role.key_type, role.key_bits)?
    };
    let ca = engine.ca(&cx).await?;
    let issuer = issuer_for(&cx, &ca, &asked.issuer_ref, &role.issuer_ref)?;
    // Everything is checked before the time is spent on a key.
    let order = Order { role: &role, issuer, lenient: false };
    let (mut template, more) = plan(&cx, &order, &asked.names, None, &[]).await?;
    warnings.extend(more);
    let key = KeyPair::fresh(kind).await?;
    template.spki.clone_from(&key.spki);
    let cert = sign(&ca, issuer, template).await?;
    let shown = Shown { form, pkcs8, without_roots: asked.names.remove_roots_from_chain, key: Some(&key) };
    let data = answer(&cx, &cert, issuer, shown).await?;
    let keeping = Keeping { store: !role.no_store, lease: role.generate_lease };
    hand_out(&engine, &cx, (&cert, issuer), data, warnings, &keeping).await
}

pub(crate) async fn sign_csr(engine: Arc<Engine>, cx: Context, asked: SignParams) -> Result<Reply> {
    let form = Form::named(&asked.names.format, &asked.stores)?;
    let role = engine.role(&cx, &asked.role).await?;
    let csr = Csr::from_pem(&asked.csr)?;
    let ca = engine.ca(&cx).await?;
    let issuer = issuer_for(&cx, &ca, &asked.issuer_ref, &role.issuer_ref)?;
    let order = Order { role: &role, issuer, lenient: false };
    let (template, warnings) = plan(&cx, &order, &asked.names, Some(&csr), &csr.spki).await?;
    let cert = sign(&ca, issuer, template).await?;
    let shown = Shown { form, pkcs8: false, without_roots: asked.names.remove_roots_from_chain, key: None };
    let data = answer(&cx, &cert, issuer, shown).await?;
    let keeping = Keeping { store: !role.no_store, lease: role.generate_lease };
    hand_out(&engine, &cx, (&cert, issuer), data, warnings, &keeping).await
}

pub(crate) async fn sign_verbatim(engine: Arc<Engine>, cx: Context, asked: VerbatimParams) -> Result<Reply> {
    let form = Form::named(&asked.names.format, &asked.stores)?;
    crate::roles::check_signature_bits(asked.signature_bits)?;
    let role = match asked.role.as_str() {
        "" => None,
        name => Some(engine.role(&cx, name).await?),
    };
    let csr = Csr::from_pem(&asked.csr)?;
    let ca = engine.ca(&cx).await?;
    let chosen = role.as_ref().map_or(asked.issuer_ref.as_str(), |role| role.issuer_ref.as_str());
    let issuer = issuer_for(&cx, &ca, &asked.issuer_ref, chosen)?;
    let rules = role.as_ref().map_or_else(validity::Rules::of_mount, |role| validity::Rules::of(role));
    let times = validity::Asked {
        ttl: asked.names.ttl,
        not_after: &asked.names.not_after,
        not_before: &asked.names.not_before,
    };
    let mut valid = validity::decide(&cx, &rules, &times)?;
    valid.within(issuer, false)?;
    let (template, mut warnings) = verbatim(&asked, &csr, &valid)?;
    warnings.extend(valid.warnings);
    let cert = sign(&ca, issuer, template).await?;
    let shown = Shown { form, pkcs8: false, without_roots: asked.names.remove_roots_from_chain, key: None };
    let data = answer(&cx, &cert, issuer, shown).await?;
    let keeping = Keeping {
        store: role.as_ref().is_none_or(|role| !role.no_store),
        lease: role.as_ref().is_some_and(|role| role.generate_lease),
    };
    hand_out(&engine, &cx, (&cert, issuer), data, warnings, &keeping).await
}

/// Everything as the CSR has it, but for being an authority.
fn verbatim(asked: &VerbatimParams, csr: &Csr, valid: &validity::Validity) -> Result<(Template, Vec<String>)> {
    let mut warnings = Vec::new();
    if csr.asks_for_ca() {
        warnings
            .push("specified CSR contained a Basic Constraints extension that was ignored during issuance".to_owned());
    }
    // Names of kinds that cannot be checked are refused.
    Sans::of(&csr.sans()?)?;
    let own = [
        rfc5280::ID_CE_BASIC_CONSTRAINTS,
        rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER,
        rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER,
    ];
    let more = csr.extensions.iter().filter(|extension| !own.contains(&extension.extn_id)).cloned().collect();
    let has = |oid| csr.extension(oid).is_some();
    let mut extended = Vec::new();
    if !has(rfc5280::ID_CE_EXT_KEY_USAGE) {
        extended = usage::extended(&asked.ext_key_usage)?;
        extended.extend(usage::oids(&asked.ext_key_usage_oids)?);
    }
    let leaf = BasicConstraints { ca: false, path_len_constraint: None };
    let template = Template {
        subject: csr.subject().clone(),
        sans: Vec::new(),
        spki: csr.spki.clone(),
        not_before: valid.not_before,
        not_after: valid.not_after,
        key_usage: if has(rfc5280::ID_CE_KEY_USAGE) { None } else { Some(usage::key_usage(&asked.key_usage)?) },
        extended,
        basic: asked.basic_constraints_valid_for_non_ca.then_some(leaf),
        skid: None,
        more,
        signature_bits: asked.signature_bits,
        use_pss: asked.use_pss,
    };
    Ok((template, warnings))
}

/// A serial number as people read it.
pub(crate) fn serial_text(key: &str) -> String {
    crate::encode::serial(key).map_or_else(|| key.to_owned(), |serial| colons(&serial))
}
