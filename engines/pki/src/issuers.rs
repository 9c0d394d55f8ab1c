//! `issuers`, `issuer/<ref>`: what is known of each issuer, and how it is used.
use crate::Engine;
use crate::ca::{Ca, Issuer, IssuerRecord, Record, Usage, check_issuer_name};
use crate::encode::rfc3339;
use crate::roles::Page;
use crate::settings::UrlsConfig;
use crate::signature::Scheme;
use lessor_engine::{Changes, CommaList, Context, Error, FieldError, FieldSpec, Fields, Params, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Named {
    /// Reference (name or id) to the issuer.
    issuer_ref: String,
}

#[derive(Params)]
pub(crate) struct Update {
    /// Reference (name or id) to the issuer.
    issuer_ref: String,
    /// Name of the issuer.
    issuer_name: String,
    /// What becomes of certificates that would outlive the issuer: err, truncate, permit or always_enforce_err.
    #[param(default = "err")]
    leaf_not_after_behavior: String,
    /// The issuer's chain, itself first; computed if empty.
    manual_chain: CommaList,
    /// What the issuer may be used for.
    #[param(default = "read-only,issuing-certificates,crl-signing,ocsp-signing")]
    usage: CommaList,
    /// The algorithm that CRLs and OCSP answers are signed with; the key's default if empty.
    revocation_signature_algorithm: String,
    /// URLs of the issuer's certificate.
    issuing_certificates: CommaList,
    /// URLs of the revocation list.
    crl_distribution_points: CommaList,
    /// URLs of OCSP responders.
    ocsp_servers: CommaList,
    /// URLs of the delta revocation list.
    delta_crl_distribution_points: CommaList,
    /// Whether `{{issuer_id}}`, `{{cluster_path}}` and `{{cluster_aia_path}}` are filled in.
    enable_aia_url_templating: bool,
}

/// The same fields where those that are not given stay as they are.
pub(crate) struct Patch {
    reference: String,
    given: Fields,
}

impl Params for Patch {
    const FIELDS: &'static [FieldSpec] = Update::FIELDS;
    fn parse(raw: &mut Fields) -> Result<Self, FieldError> {
        let reference = raw.remove("issuer_ref").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let known = Update::FIELDS.iter().filter_map(|field| raw.remove_entry(field.name));
        Ok(Self { reference, given: known.collect() })
    }
}

fn show(issuer: &Issuer) -> Map<String, Value> {
    let record = &issuer.record;
    let chain: Vec<String> = issuer.chain.iter().map(|cert| cert.pem()).collect();
    // Beside a list that is set, the others are null; alone they are empty.
    let list = |urls: &Vec<String>| {
        if urls.is_empty() && !record.urls.is_empty() { Value::Null } else { json!(urls) }
    };
    let manual = if record.manual_chain.is_empty() { Value::Null } else { json!(record.manual_chain) };
    let mut data = Map::from_iter([
        ("ca_chain".to_owned(), json!(chain)),
        ("certificate".to_owned(), json!(issuer.cert.pem())),
        ("crl_distribution_points".to_owned(), list(&record.urls.crl_distribution_points)),
        ("delta_crl_distribution_points".to_owned(), list(&record.urls.delta_crl_distribution_points)),
        ("issuer_id".to_owned(), json!(record.id)),
        ("issuer_name".to_owned(), json!(record.name)),
        ("issuing_certificates".to_owned(), list(&record.urls.issuing_certificates)),
        ("key_id".to_owned(), json!(record.key_id)),
        ("leaf_not_after_behavior".to_owned(), json!(record.leaf_not_after_behavior)),
        ("manual_chain".to_owned(), manual),
        ("ocsp_servers".to_owned(), list(&record.urls.ocsp_servers)),
        ("revocation_signature_algorithm".to_owned(), json!(record.revocation_signature_algorithm)),
        ("revoked".to_owned(), json!(record.revoked > 0)),
        ("usage".to_owned(), json!(record.usage.show())),
    ]);
    if !record.urls.is_empty() || record.urls.enable_templating {
        data.insert("enable_aia_url_templating".to_owned(), json!(record.urls.enable_templating));
    }
    if record.revoked > 0 {
        data.insert("revocation_time".to_owned(), json!(record.revoked));
        data.insert("revocation_time_rfc3339".to_owned(), json!(rfc3339(record.revoked)));
    }
    data
}

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    Ok(Reply::data(Value::Object(show(ca.issuer(&at.issuer_ref)?))))
}

pub(crate) async fn list(engine: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let mut ids: Vec<String> = ca.issuers.iter().map(|issuer| issuer.record.id.clone()).collect();
    ids.sort_unstable();
    let ids = page.of(ids);
    if ids.is_empty() {
        return Ok(Reply::missing());
    }
    let info = |id: &String| {
        let issuer = ca.find_issuer(id)?;
        let about = json!({
            "is_default": ca.record.default_issuer == *id,
            "issuer_name": issuer.record.name,
            "key_id": issuer.record.key_id,
            "serial_number": issuer.cert.serial_text(),
        });
        Some((id.clone(), about))
    };
    let info: Map<String, Value> = ids.iter().filter_map(info).collect();
    Ok(Reply::data(json!({ "key_info": info, "keys": ids })))
}

fn chain_ids(ca: &Ca, own: &str, refs: &[String]) -> Result<Vec<String>> {
    let id = |reference: &String| {
        if reference == "self" {
            return Ok(own.to_owned());
        }
        let found = ca.find_issuer(reference);
        found
            .map(|issuer| issuer.record.id.clone())
            .ok_or_else(|| Error::invalid(format!("unable to resolve issuer from chain: {reference}")))
    };
    let ids = refs.iter().map(id).collect::<Result<Vec<_>>>()?;
    if ids.first().is_some_and(|first| first != own) {
        return Err(Error::invalid("manual_chain has to begin with the issuer itself; it can be named self there"));
    }
    Ok(ids)
}

fn apply(ca: &Ca, record: &mut Record, id: &str, asked: &Update, now: i64) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    check_issuer_name(record, &asked.issuer_name, id)?;
    let issuer = ca.issuer(id)?;
    if !matches!(asked.leaf_not_after_behavior.as_str(), "err" | "truncate" | "permit" | "always_enforce_err") {
        return Err(Error::invalid(format!(
            "unknown value for field `leaf_not_after_behavior`: {:?}: possible values are err, truncate, permit and always_enforce_err",
            asked.leaf_not_after_behavior
        )));
    }
    let usage = Usage::parse(&asked.usage)?;
    if issuer.record.revoked > 0 && usage.issuing && !issuer.record.usage.issuing {
        return Err(Error::invalid(
            "This issuer was revoked; unable to modify its usage to include certificate signing again. Reissue this certificate (preferably with a new key) and modify that entry instead.",
        ));
    }
    if usage.crl && !issuer.cert.may_sign_crls() {
        return Err(Error::invalid(
            "This issuer's underlying certificate lacks the CRLSign KeyUsage value; unable to set CRLSigningUsage on this issuer as a result.",
        ));
    }
    let algorithm = &asked.revocation_signature_algorithm;
    match &issuer.key {
        Some(key) => drop(Scheme::named(key.kind, algorithm)?),
        None => {
            let kind = crate::key::Kind::of(&issuer.cert.spki);
            let kind = kind.ok_or_else(|| Error::invalid("the issuer's key is not supported"))?;
            drop(Scheme::named(kind, algorithm)?);
        }
    }
    let urls = UrlsConfig {
        issuing_certificates: asked.issuing_certificates.0.clone(),
        crl_distribution_points: asked.crl_distribution_points.0.clone(),
        ocsp_servers: asked.ocsp_servers.0.clone(),
        delta_crl_distribution_points: asked.delta_crl_distribution_points.0.clone(),
        enable_templating: asked.enable_aia_url_templating,
    };
    urls.check()?;
    if let Err(error) = urls.resolve(&record.cluster, id) {
        warnings.push(format!("issuance may fail: {error}"));
    }
    let manual_chain = chain_ids(ca, id, &asked.manual_chain)?;
    let known = record.issuers.iter_mut().find(|known| known.id == id);
    let known: &mut IssuerRecord = known.ok_or_else(|| crate::ca::unknown_issuer(id))?;
    known.name.clone_from(&asked.issuer_name);
    known.leaf_not_after_behavior.clone_from(&asked.leaf_not_after_behavior);
    known.usage = usage;
    known.revocation_signature_algorithm.clone_from(algorithm);
    known.urls = urls;
    known.manual_chain = manual_chain;
    known.modified = now;
    Ok(warnings)
}

async fn store(
    engine: &Engine,
    cx: &Context,
    reference: &str,
    asked: impl Fn(&Issuer) -> Result<Update> + Send + Sync,
) -> Result<Reply> {
    let now = cx.now().as_second();
    let (id, rebuild, mut warnings) = engine
        .change(cx, |ca, record| {
            let issuer = ca.issuer(reference)?;
            let id = issuer.record.id.clone();
            let asked = asked(issuer)?;
            let before = issuer.record.clone();
            let warnings = apply(ca, record, &id, &asked, now)?;
            let rebuild = before.name != asked.issuer_name
                || before.usage != Usage::parse(&asked.usage)?
                || before.revocation_signature_algorithm != asked.revocation_signature_algorithm;
            Ok(((id, rebuild, warnings), Changes::new()))
        })
        .await?;
    if rebuild {
        warnings.extend(engine.rebuild_or_warn(cx).await);
    }
    let ca = engine.ca(cx).await?;
    let mut reply = Reply::data(Value::Object(show(ca.issuer(&id)?)));
    reply.warnings = warnings;
    Ok(reply)
}

pub(crate) async fn write(engine: Arc<Engine>, cx: Context, mut asked: Update) -> Result<Reply> {
    let reference = std::mem::take(&mut asked.issuer_ref);
    let fields = serde_fields(&asked);
    store(&engine, &cx, &reference, move |_| Ok(Update::parse(&mut fields.clone())?)).await
}

/// The fields as a request would send them.
fn serde_fields(asked: &Update) -> Fields {
    let list = |values: &CommaList| json!(values.0);
    Map::from_iter([
        ("issuer_name".to_owned(), json!(asked.issuer_name)),
        ("leaf_not_after_behavior".to_owned(), json!(asked.leaf_not_after_behavior)),
        ("manual_chain".to_owned(), list(&asked.manual_chain)),
        ("usage".to_owned(), list(&asked.usage)),
        ("revocation_signature_algorithm".to_owned(), json!(asked.revocation_signature_algorithm)),
        ("issuing_certificates".to_owned(), list(&asked.issuing_certificates)),
        ("crl_distribution_points".to_owned(), list(&asked.crl_distribution_points)),
        ("ocsp_servers".to_owned(), list(&asked.ocsp_servers)),
        ("delta_crl_distribution_points".to_owned(), list(&asked.delta_crl_distribution_points)),
        ("enable_aia_url_templating".to_owned(), json!(asked.enable_aia_url_templating)),
    ])
}

pub(crate) async fn patch(engine: Arc<Engine>, cx: Context, asked: Patch) -> Result<Reply> {
    let given = asked.given;
    store(&engine, &cx, &asked.reference, move |issuer| {
        let mut fields = show(issuer);
        if !fields.contains_key("enable_aia_url_templating") {
            fields.insert("enable_aia_url_templating".to_owned(), json!(issuer.record.urls.enable_templating));
        }
        fields.extend(given.clone());
        Ok(Update::parse(&mut fields)?)
    })
    .await
}

pub(crate) async fn delete(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let was_default = engine
        .change(&cx, |ca, record| {
            let Some(issuer) = ca.find_issuer(&at.issuer_ref) else { return Ok((None, Changes::new())) };
            let id = issuer.record.id.clone();
            record.issuers.retain(|known| known.id != id);
            for known in &mut record.issuers {
                known.manual_chain.retain(|other| *other != id);
            }
            let was_default = record.default_issuer == id;
            if was_default {
                record.default_issuer.clear();
            }
            Ok((Some((id, was_default)), Changes::new()))
        })
        .await?;
    let mut reply = Reply::data(json!({}));
    if let Some((id, was_default)) = was_default {
        if was_default {
            reply = Reply::empty().warn(format!(
                "Deleted issuer {id} (via issuer_ref {}); this was configured as the default issuer. Operations without an explicit issuer will not work until a new default is configured.",
                at.issuer_ref
            ));
        }
        reply.warnings.extend(engine.rebuild_or_warn(&cx).await);
    }
    Ok(reply)
}

pub(crate) async fn delete_all(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    engine
        .change(&cx, |_, record| {
            record.issuers.clear();
            record.keys.clear();
            record.default_issuer.clear();
            record.default_key.clear();
            Ok(((), Changes::new()))
        })
        .await?;
    Ok(Reply::empty().warn("DELETE /root deletes all keys and issuers; prefer the new DELETE /key/:key_ref and DELETE /issuer/:issuer_ref for finer granularity, unless removal of all keys and issuers is desired."))
}

pub(crate) async fn revoke(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let now = cx.now().as_second();
    let id = engine
        .change(&cx, |ca, record| {
            let id = ca.issuer(&at.issuer_ref)?.record.id.clone();
            if let Some(known) = record.issuers.iter_mut().find(|known| known.id == id)
                && known.revoked == 0
            {
                known.revoked = now;
                known.modified = now;
                known.usage.issuing = false;
            }
            Ok((id, Changes::new()))
        })
        .await?;
    let mut warnings = engine.rebuild_or_warn(&cx).await;
    let ca = engine.ca(&cx).await?;
    let issuer = ca.issuer(&id)?;
    // A parent in this mount answers for it at OCSP too.
    if ca.issuers.iter().any(|parent| parent.set != issuer.set && issuer.cert.is_issued_by(&parent.cert)) {
        engine.mark_revoked(&cx, &ca, &issuer.cert, false).await?;
    } else {
        if issuer.cert.is_self_signed() {
            warnings.push("This issuer is a self-signed (potentially root) certificate. This means it may not be considered revoked if there is not an external, cross-signed variant of this certificate. This issuer's serial number will not appear on its own CRL.".to_owned());
        }
        warnings.push("This issuer lacks another parent issuer within the mount. This means it will not appear on any other CRLs and may not be considered revoked by clients. Consider adding this issuer to its issuer's CRL as well if it is not self-signed.".to_owned());
    }
    if ca.record.default_issuer == id {
        warnings.push("This issuer is currently configured as the default issuer for this mount; operations such as certificate issuance may not work until a new default issuer is selected.".to_owned());
    }
    let mut reply = Reply::data(Value::Object(show(issuer)));
    reply.warnings = warnings;
    Ok(reply)
}
