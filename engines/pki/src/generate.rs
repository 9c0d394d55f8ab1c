//! New authorities: roots, and requests of intermediates.
use crate::Engine;
use crate::ca::{Ca, Record, check_issuer_name, check_key_name, new_id};
use crate::constraints::NameConstraintParams;
use crate::issue::{Format, private_key, wants_pkcs8};
use crate::key::{KeyPair, Kind, beside};
use crate::revoke::{Stored, cert_at};
use crate::sans::Sans;
use crate::subject::{self, SubjectParams};
use crate::template::{Authority, Template, extension, signed, unwritable};
use crate::x509::Cert;
use crate::{constraints, signature, usage, validity};
use const_oid::db::rfc5912::ID_EXTENSION_REQ;
use der::asn1::{Any, SetOfVec};
use der::{Decode, Encode};
use lessor_engine::{Changes, CommaList, Context, Error, Params, Reply, Result, Seconds};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::request::{CertReqInfo, ExtensionReq, Version};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

pub(crate) const NO_URLS: &str = "This mount hasn't configured any authority information access (AIA) fields; this may make it harder for systems to find missing certificates in the chain or to validate revocation status of certificates. Consider updating /config/urls or the newly generated issuer with this information.";

/// The subject and its names.
#[derive(Params)]
pub(crate) struct CaNames {
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
    /// Whether the common name stays out of the alternative names.
    pub(crate) exclude_cn_from_sans: bool,
    /// Form of what is answered: pem, der or pem_bundle.
    #[param(default = "pem")]
    pub(crate) format: String,
    /// The subject's other parts.
    #[param(flatten)]
    pub(crate) subject: SubjectParams,
}

/// Which key is used, and how it is answered.
#[derive(Params)]
pub(crate) struct KeyChoice {
    /// internal (the key stays here), exported (it is answered once) or existing (key_ref names it).
    #[param(name = "exported")]
    pub(crate) kind: String,
    /// Name of the new key.
    pub(crate) key_name: String,
    /// Reference (name or id) to the existing key.
    #[param(default = "default")]
    pub(crate) key_ref: String,
    /// Algorithm of the key: rsa, ec or ed25519.
    #[param(default = "rsa")]
    pub(crate) key_type: String,
    /// Size of the key; 0 is the algorithm's default.
    pub(crate) key_bits: i64,
    /// Form of an exported private key: der (PKCS#1 or SEC1) or pkcs8.
    #[param(default = "der")]
    pub(crate) private_key_format: String,
    /// Digest of signatures by RSA: 256, 384 or 512; 0 for the default.
    pub(crate) signature_bits: i64,
    /// Whether RSA signs with PSS.
    pub(crate) use_pss: bool,
}

#[derive(Params)]
pub(crate) struct RootParams {
    /// Name of the issuer.
    issuer_name: String,
    /// How long the certificate is valid.
    ttl: Seconds,
    /// Until when the certificate is valid, instead of a TTL.
    not_after: String,
    /// From when on the certificate is valid.
    not_before: String,
    /// How far the beginning of the validity lies in the past.
    #[param(default = "30")]
    not_before_duration: Seconds,
    /// How many authorities may follow below; -1 for any number.
    #[param(default = "-1")]
    max_path_length: i64,
    /// Key usages beside CertSign and CRLSign.
    key_usage: CommaList,
    /// The subject.
    #[param(flatten)]
    names: CaNames,
    /// The key.
    #[param(flatten)]
    key: KeyChoice,
    /// Names that the authority is bound to.
    #[param(flatten)]
    constraints: NameConstraintParams,
}

#[derive(Params)]
pub(crate) struct CsrParams {
    /// The subject.
    #[param(flatten)]
    names: CaNames,
    /// The key.
    #[param(flatten)]
    key: KeyChoice,
    /// Whether the request asks to be an authority (some authorities want that).
    add_basic_constraints: bool,
    /// Key usages the request asks for.
    key_usage: CommaList,
}

#[derive(Params)]
pub(crate) struct NewKey {
    /// internal (the key stays here) or exported (it is answered once).
    #[param(name = "exported")]
    kind: String,
    /// Name of the key.
    key_name: String,
    /// Algorithm of the key: rsa, ec or ed25519.
    #[param(default = "rsa")]
    key_type: String,
    /// Size of the key; 0 is the algorithm's default.
    key_bits: i64,
}

/// The key that an authority is made with.
pub(crate) struct Chosen {
    pub(crate) pair: Arc<KeyPair>,
    /// `None`: it is new.
    pub(crate) id: Option<String>,
    name: String,
    exported: bool,
}

impl CaNames {
    pub(crate) fn sans(&self, common_name: &str) -> Result<Sans> {
        let mut sans = Sans::default();
        sans.add_names(&self.alt_names)?;
        sans.add_ips(&self.ip_sans)?;
        sans.add_uris(&self.uri_sans)?;
        sans.add_others(&self.other_sans)?;
        if !self.exclude_cn_from_sans {
            let host = common_name.strip_prefix("*.").unwrap_or(common_name);
            if common_name.contains('@')
                || (crate::names::is_host_name(host) && host.parse::<std::net::IpAddr>().is_err())
            {
                sans.add_name(common_name)?;
            }
        }
        Ok(sans)
    }
    pub(crate) fn name(&self, common_name: &str) -> Result<x509_cert::name::Name> {
        subject::build(common_name, &self.serial_number, &[], &self.subject)
    }
}

impl KeyChoice {
    /// Makes or finds the key.
    pub(crate) async fn choose(&self, ca: &Ca) -> Result<Chosen> {
        crate::roles::check_signature_bits(self.signature_bits)?;
        match self.kind.as_str() {
            "existing" => {
                if !self.key_name.is_empty() {
                    return Err(Error::invalid("key_name makes no sense with an existing key"));
                }
                let key = ca.key(&self.key_ref)?;
                let (pair, id, name) = (Arc::clone(&key.pair), Some(key.id.clone()), key.name.clone());
                Ok(Chosen { pair, id, name, exported: false })
            }
            "internal" | "exported" => {
                check_key_name(&ca.record, &self.key_name, "")?;
                let pair = KeyPair::fresh(Kind::named(&self.key_type, self.key_bits)?).await?;
                let (name, exported) = (self.key_name.clone(), self.kind == "exported");
                Ok(Chosen { pair: Arc::new(pair), id: None, name, exported })
            }
            "kms" => Err(Error::invalid("keys in a KMS or HSM are not offered: use internal, exported or existing")),
            _ => Err(Error::invalid(
                "the \"exported\" path parameter must be \"internal\", \"existing\", exported\" or \"kms\"",
            )),
        }
    }
}

impl Chosen {
    /// The key's id; a new key is added.
    pub(crate) fn keep(&self, record: &mut Record) -> Result<String> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        check_key_name(record, &self.name, "")?;
        Ok(record.add_key(&self.name, &self.pair))
    }
    fn show(&self, data: &mut Map<String, Value>, format: Format, pkcs8: bool) -> Result<()> {
        if self.exported {
            data.insert("private_key".to_owned(), private_key(&self.pair, format, pkcs8)?);
            data.insert("private_key_type".to_owned(), json!(self.pair.kind.name()));
        }
        Ok(())
    }
}

/// The path length of the extension.
pub(crate) fn path_length(asked: i64) -> Result<Option<u8>> {
    match asked {
        -1 => Ok(None),
        length => u8::try_from(length)
            .map(Some)
            .map_err(|_| Error::invalid(format!("invalid max_path_length {length}: use -1 for none, or 0 to 255"))),
    }
}

/// The key usages of an authority, with those that may be added.
pub(crate) fn ca_usage(asked: &[String]) -> Result<x509_cert::ext::pkix::KeyUsage> {
    let mut names = vec!["CertSign".to_owned(), "CRLSign".to_owned()];
    for name in asked {
        let plain = name.trim().to_ascii_lowercase();
        match plain.as_str() {
            "certsign" | "crlsign" => {}
            "digitalsignature" => names.push("DigitalSignature".to_owned()),
            _ => {
                return Err(Error::invalid(format!(
                    "key_usage {name:?} is not for authorities: beside CertSign and CRLSign only DigitalSignature can be added"
                )));
            }
        }
    }
    usage::key_usage(&names)
}

async fn make_root(engine: &Engine, cx: &Context, asked: RootParams, name: &str) -> Result<Reply> {
    let format = Format::named(&asked.names.format)?;
    let pkcs8 = wants_pkcs8(&asked.key.private_key_format)?;
    let ca = engine.ca(cx).await?;
    check_issuer_name(&ca.record, name, "")?;
    let rules = validity::Rules::of_authority(asked.not_before_duration);
    let times = validity::Asked { ttl: asked.ttl, not_after: &asked.not_after, not_before: &asked.not_before };
    let valid = validity::decide(cx, &rules, &times)?;
    let mut warnings = valid.warnings;
    let subject = asked.names.name(&asked.names.common_name)?;
    let sans = asked.names.sans(&asked.names.common_name)?.names()?;
    let path_len = path_length(asked.max_path_length)?;
    let key_usage = ca_usage(&asked.key_usage)?;
    let more = constraints::extension_for(&asked.constraints)?;
    let chosen = asked.key.choose(&ca).await?;
    if subject.is_empty() {
        warnings.push("This issuer certificate was generated without a Subject; this makes it likely that issuing leaf certs with this certificate will cause TLS validation libraries to reject this certificate.".to_owned());
    }
    if ca.record.urls.is_empty() {
        warnings.push(NO_URLS.to_owned());
    }
    if path_len == Some(0) {
        warnings.push("Max path length of the generated certificate is zero. This certificate cannot be used to issue intermediate CA certificates.".to_owned());
    }
    let id = new_id();
    let template = Template {
        subject: subject.clone(),
        sans,
        spki: chosen.pair.spki.clone(),
        not_before: valid.not_before,
        not_after: valid.not_after,
        key_usage: Some(key_usage),
        extended: Vec::new(),
        basic: Some(BasicConstraints { ca: true, path_len_constraint: path_len }),
        skid: None,
        more: more.into_iter().collect(),
        signature_bits: asked.key.signature_bits,
        use_pss: asked.key.use_pss,
    };
    let urls = ca.record.urls.resolve(&ca.record.cluster, &id)?;
    let pair = Arc::clone(&chosen.pair);
    let cert = beside(pair.kind.is_slow(), move || {
        Cert::parse(&template.sign(&Authority { key: &pair, subject, key_id: None, urls })?)
    });
    let cert = cert.await?;
    let now = cx.now().as_second();
    let key_id = engine
        .change(cx, |_, record| {
            check_issuer_name(record, name, "")?;
            let key_id = chosen.keep(record)?;
            record.add_issuer(&id, name, &key_id, &cert, now);
            if record.default_issuer.is_empty() || record.default_follows_latest_issuer {
                record.default_issuer.clone_from(&id);
            }
            let stored = Stored::new(&cert, Some(&id), false);
            Ok((key_id, Changes::new().put(&cert_at(&cert.serial_key()), &stored)?))
        })
        .await?;
    warnings.extend(engine.rebuild_or_warn(cx).await);
    let mut certificate = format.write(&cert.der);
    if format == Format::Bundle && chosen.exported {
        certificate = format!("{}\n{certificate}", chosen.pair.exported_pem(pkcs8)?.as_str());
    }
    let mut data = Map::from_iter([
        ("certificate".to_owned(), json!(certificate)),
        ("expiration".to_owned(), json!(cert.not_after)),
        ("issuer_id".to_owned(), json!(id)),
        ("issuer_name".to_owned(), json!(name)),
        ("issuing_ca".to_owned(), json!(format.write(&cert.der))),
        ("key_id".to_owned(), json!(key_id)),
        ("key_name".to_owned(), json!(chosen.name)),
        ("serial_number".to_owned(), json!(cert.serial_text())),
    ]);
    chosen.show(&mut data, format, pkcs8)?;
    let mut reply = Reply::data(Value::Object(data)).reschedule(crate::schedule::CRL);
    reply.warnings = warnings;
    Ok(reply)
}

pub(crate) async fn root(engine: Arc<Engine>, cx: Context, asked: RootParams) -> Result<Reply> {
    let name = asked.issuer_name.clone();
    make_root(&engine, &cx, asked, &name).await
}

pub(crate) async fn rotate_root(engine: Arc<Engine>, cx: Context, asked: RootParams) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let free = ca.find_issuer("next").is_none();
    let name = match asked.issuer_name.as_str() {
        "" if free => "next".to_owned(),
        name => name.to_owned(),
    };
    make_root(&engine, &cx, asked, &name).await
}

/// A request signed with a key.
fn request(asked: &CsrParams, pair: &KeyPair) -> Result<Vec<u8>> {
    let mut extensions = Vec::new();
    let sans = asked.names.sans(&asked.names.common_name)?.names()?;
    let subject = asked.names.name(&asked.names.common_name)?;
    if !sans.is_empty() {
        extensions.push(extension(&SubjectAltName(sans), subject.is_empty())?);
    }
    if asked.add_basic_constraints {
        let basic = BasicConstraints { ca: true, path_len_constraint: None };
        extensions.push(extension(&basic, true)?);
    }
    if !asked.key_usage.is_empty() {
        extensions.push(extension(&usage::key_usage(&asked.key_usage)?, true)?);
    }
    let mut attributes = SetOfVec::new();
    if !extensions.is_empty() {
        let wanted = ExtensionReq(extensions).to_der().and_then(|der| Any::from_der(&der)).map_err(unwritable)?;
        let mut values = SetOfVec::new();
        values.insert(wanted).map_err(unwritable)?;
        attributes.insert(Attribute { oid: ID_EXTENSION_REQ, values }).map_err(unwritable)?;
    }
    let public_key = SubjectPublicKeyInfoOwned::from_der(&pair.spki).map_err(unwritable)?;
    let info = CertReqInfo { version: Version::V1, subject, public_key, attributes };
    let scheme = signature::Scheme::new(pair.kind, asked.key.signature_bits, asked.key.use_pss);
    signed(&info, &scheme, pair)
}

async fn make_csr(engine: &Engine, cx: &Context, asked: CsrParams) -> Result<Reply> {
    let format = Format::named(&asked.names.format)?;
    let pkcs8 = wants_pkcs8(&asked.key.private_key_format)?;
    let ca = engine.ca(cx).await?;
    let chosen = asked.key.choose(&ca).await?;
    let pair = Arc::clone(&chosen.pair);
    let der = beside(pair.kind.is_slow(), move || request(&asked, &pair)).await?;
    let key_id = match &chosen.id {
        Some(id) => id.clone(),
        None => engine.change(cx, |_, record| Ok((chosen.keep(record)?, Changes::new()))).await?,
    };
    let mut csr = match format {
        Format::Der => crate::encode::b64(&der),
        _ => crate::encode::pem("CERTIFICATE REQUEST", &der),
    };
    if format == Format::Bundle && chosen.exported {
        csr = format!("{}\n{csr}", chosen.pair.exported_pem(pkcs8)?.as_str());
    }
    let mut data = Map::from_iter([("csr".to_owned(), json!(csr)), ("key_id".to_owned(), json!(key_id))]);
    chosen.show(&mut data, format, pkcs8)?;
    Ok(Reply::data(Value::Object(data)))
}

pub(crate) async fn intermediate(engine: Arc<Engine>, cx: Context, asked: CsrParams) -> Result<Reply> {
    make_csr(&engine, &cx, asked).await
}

pub(crate) async fn cross_sign(engine: Arc<Engine>, cx: Context, mut asked: CsrParams) -> Result<Reply> {
    "existing".clone_into(&mut asked.key.kind);
    make_csr(&engine, &cx, asked).await
}

pub(crate) async fn key(engine: Arc<Engine>, cx: Context, asked: NewKey) -> Result<Reply> {
    let exported = match asked.kind.as_str() {
        "internal" => false,
        "exported" => true,
        "kms" => return Err(Error::invalid("keys in a KMS or HSM are not offered: use internal or exported")),
        other => return Err(Error::invalid(format!("unknown key type {other:?}: use internal or exported"))),
    };
    let kind = Kind::named(&asked.key_type, asked.key_bits)?;
    check_key_name(&engine.ca(&cx).await?.record, &asked.key_name, "")?;
    let pair = KeyPair::fresh(kind).await?;
    let id = engine.change(&cx, |_, record| {
        check_key_name(record, &asked.key_name, "")?;
        Ok((record.add_key(&asked.key_name, &pair), Changes::new()))
    });
    let mut data = Map::from_iter([
        ("key_id".to_owned(), json!(id.await?)),
        ("key_name".to_owned(), json!(asked.key_name)),
        ("key_type".to_owned(), json!(kind.name())),
    ]);
    if exported {
        data.insert("private_key".to_owned(), json!(pair.exported_pem(false)?.as_str()));
    }
    Ok(Reply::data(Value::Object(data)))
}
