//! Certificates of other authorities: `sign-intermediate`, `sign-self-issued`.
use crate::Engine;
use crate::constraints::{self, NameConstraintParams};
use crate::encode::blocks;
use crate::generate::{CaNames, NO_URLS, ca_usage, path_length};
use crate::issue::{Format, sign};
use crate::key::beside;
use crate::revoke::{Stored, cert_at};
use crate::signature::Scheme;
use crate::template::{Template, resign};
use crate::x509::{Cert, Csr};
use crate::{usage, validity};
use const_oid::db::rfc5280;
use der::Decode;
use lessor_engine::{CommaList, Context, Error, Params, Reply, Result, Seconds};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

#[derive(Params)]
pub(crate) struct Intermediate {
    /// Reference (name or id) to the issuer.
    #[param(default = "default")]
    issuer_ref: String,
    /// A certificate request in PEM.
    csr: String,
    /// Whether subject, names, usages and extensions come from the request.
    use_csr_values: bool,
    /// How long the certificate is valid.
    ttl: Seconds,
    /// Until when the certificate is valid, instead of a TTL.
    not_after: String,
    /// From when on the certificate is valid.
    not_before: String,
    /// How far the beginning of the validity lies in the past.
    #[param(default = "30")]
    not_before_duration: Seconds,
    /// How many authorities may follow below; one less than the issuer's if absent, -1 for any number.
    max_path_length: Option<i64>,
    /// The subject key identifier in hex, where it is not to be computed.
    skid: String,
    /// Digest of signatures by RSA: 256, 384 or 512; 0 for the default.
    signature_bits: i64,
    /// Whether RSA signs with PSS.
    use_pss: bool,
    /// Key usages beside CertSign and CRLSign.
    key_usage: CommaList,
    /// Extended key usages by their names.
    ext_key_usage: CommaList,
    /// Extended key usages by their object identifiers.
    ext_key_usage_oids: CommaList,
    /// Whether the issuer's leaf_not_after_behavior holds for authorities too.
    enforce_leaf_not_after_behavior: bool,
    /// The subject.
    #[param(flatten)]
    names: CaNames,
    /// Names that the authority is bound to.
    #[param(flatten)]
    constraints: NameConstraintParams,
}

#[derive(Params)]
pub(crate) struct SelfIssued {
    /// Reference (name or id) to the issuer.
    #[param(default = "default")]
    issuer_ref: String,
    /// A self-issued certificate in PEM.
    certificate: String,
    /// Whether the certificate's key has to be of the issuer's algorithm.
    require_matching_certificate_algorithms: bool,
}

/// The path length below an issuer.
fn below(issuer: &Cert, asked: Option<i64>) -> Result<Option<u8>> {
    if issuer.path_length == Some(0) {
        return Err(Error::invalid(
            "signing certificate has a max path length of zero, and cannot issue further CA certificates",
        ));
    }
    let Some(asked) = asked else { return Ok(issuer.path_length.map(|length| length - 1)) };
    let length = path_length(asked)?;
    match (issuer.path_length, length) {
        (Some(own), None) => Err(Error::invalid(format!(
            "max_path_length -1 (any) is more than the {} that the issuer's own path length of {own} leaves",
            own - 1
        ))),
        (Some(own), Some(length)) if length >= own => Err(Error::invalid(format!(
            "max_path_length {length} is more than the {} that the issuer's own path length of {own} leaves",
            own - 1
        ))),
        _ => Ok(length),
    }
}

/// What an authority needs, what the caller adds, and with `use_csr_values` what the request asks for.
fn key_usage(asked: &Intermediate, csr: &Csr) -> Result<KeyUsage> {
    let usage = ca_usage(&asked.key_usage)?;
    let requested = csr.extension(rfc5280::ID_CE_KEY_USAGE).filter(|_| asked.use_csr_values);
    let Some(requested) = requested else { return Ok(usage) };
    let requested = KeyUsage::from_der(requested.extn_value.as_bytes())
        .map_err(|_| Error::invalid("the key usage of the request cannot be read"))?;
    Ok(KeyUsage(usage.0 | requested.0))
}

fn template(asked: &Intermediate, csr: &Csr, valid: &validity::Validity, path_len: Option<u8>) -> Result<Template> {
    let skid = match asked.skid.as_str() {
        "" => None,
        text => {
            Some(crate::encode::serial(text).ok_or_else(|| Error::invalid("cannot parse requested SKID from hex"))?)
        }
    };
    let (subject, sans, requested) = if asked.use_csr_values {
        let own = [
            rfc5280::ID_CE_BASIC_CONSTRAINTS,
            rfc5280::ID_CE_KEY_USAGE,
            rfc5280::ID_CE_SUBJECT_ALT_NAME,
            rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER,
            rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER,
        ];
        let more = csr.extensions.iter().filter(|extension| !own.contains(&extension.extn_id)).cloned().collect();
        (csr.subject().clone(), csr.sans()?, more)
    } else {
        let name = match asked.names.common_name.as_str() {
            "" => csr.common_name(),
            name => name.to_owned(),
        };
        (asked.names.name(&name)?, asked.names.sans(&name)?.names()?, Vec::new())
    };
    // Those of the caller first: of two of a kind the first stays.
    let mut more: Extensions = constraints::extension_for(&asked.constraints)?.into_iter().collect();
    more.extend(requested);
    let mut extended = usage::extended(&asked.ext_key_usage)?;
    extended.extend(usage::oids(&asked.ext_key_usage_oids)?);
    Ok(Template {
        subject,
        sans,
        spki: csr.spki.clone(),
        not_before: valid.not_before,
        not_after: valid.not_after,
        key_usage: Some(key_usage(asked, csr)?),
        extended,
        basic: Some(BasicConstraints { ca: true, path_len_constraint: path_len }),
        skid,
        more,
        signature_bits: asked.signature_bits,
        use_pss: asked.use_pss,
    })
}

pub(crate) async fn intermediate(engine: Arc<Engine>, cx: Context, asked: Intermediate) -> Result<Reply> {
    let format = Format::named(&asked.names.format)?;
    crate::roles::check_signature_bits(asked.signature_bits)?;
    let csr = Csr::from_pem(&asked.csr)?;
    let ca = engine.ca(&cx).await?;
    let issuer = ca.issuing(&asked.issuer_ref)?;
    let path_len = below(&issuer.cert, asked.max_path_length)?;
    let rules = validity::Rules::of_authority(asked.not_before_duration);
    let times = validity::Asked { ttl: asked.ttl, not_after: &asked.not_after, not_before: &asked.not_before };
    let mut valid = validity::decide(&cx, &rules, &times)?;
    let mut warnings = std::mem::take(&mut valid.warnings);
    let end = valid.not_after;
    let always = issuer.record.leaf_not_after_behavior == "always_enforce_err";
    valid.within(issuer, !asked.enforce_leaf_not_after_behavior && !always)?;
    if end > issuer.cert.not_after {
        let how = if valid.not_after < end { "was cut to" } else { "lies behind" };
        warnings.push(format!("the end of the certificate {how} that of the issuer's certificate"));
    }
    if path_len == Some(0) {
        warnings.push("Max path length of the signed certificate is zero. This certificate cannot be used to issue intermediate CA certificates.".to_owned());
    }
    if ca.urls(&issuer.record)?.is_empty() {
        warnings.push(NO_URLS.to_owned());
    }
    let template = template(&asked, &csr, &valid, path_len)?;
    let cert = sign(&ca, issuer, template).await?;
    let stored = Stored::new(&cert, Some(&issuer.record.id), false);
    cx.view.put(&cert_at(&cert.serial_key()), &stored).await?;
    let mut chain = vec![format.write(&cert.der)];
    chain.extend(issuer.chain.iter().map(|cert| format.write(&cert.der)));
    let certificate = if format == Format::Bundle { chain.join("\n") } else { chain[0].clone() };
    let mut reply = Reply::data(Value::Object(Map::from_iter([
        ("ca_chain".to_owned(), json!(chain)),
        ("certificate".to_owned(), json!(certificate)),
        ("expiration".to_owned(), json!(cert.not_after)),
        ("issuing_ca".to_owned(), json!(format.write(&issuer.cert.der))),
        ("serial_number".to_owned(), json!(cert.serial_text())),
    ])));
    reply.warnings = warnings;
    Ok(reply)
}

pub(crate) async fn self_issued(engine: Arc<Engine>, cx: Context, asked: SelfIssued) -> Result<Reply> {
    let found = blocks(&asked.certificate)?;
    let [(label, der)] = found.as_slice() else {
        return Err(Error::invalid("certificate has to hold exactly one certificate in PEM"));
    };
    if label != "CERTIFICATE" {
        return Err(Error::invalid("certificate has to hold exactly one certificate in PEM"));
    }
    let cert = Cert::parse(der)?;
    if !cert.is_ca {
        return Err(Error::invalid("given certificate is not a CA certificate"));
    }
    if cert.subject != cert.issuer {
        return Err(Error::invalid("given certificate is not self-issued"));
    }
    let ca = engine.ca(&cx).await?;
    let issuer = Arc::clone(ca.issuing(&asked.issuer_ref)?);
    let kind = issuer.key.as_ref().map(|key| key.kind);
    let kind = kind.ok_or_else(|| Error::invalid("the issuer's key is not known here"))?;
    let same = crate::key::Kind::of(&cert.spki).is_some_and(|own| own.name() == kind.name());
    if asked.require_matching_certificate_algorithms && !same {
        return Err(Error::invalid("the certificate's key is not of the issuer's algorithm"));
    }
    let shown_ca = issuer.cert.pem();
    let der =
        beside(kind.is_slow(), move || resign(&cert.parsed, &ca.authority(&issuer)?, &Scheme::new(kind, 0, false)));
    let certificate = crate::encode::certificate_pem(&der.await?);
    Ok(Reply::data(json!({ "certificate": certificate, "issuing_ca": shown_ca })))
}
