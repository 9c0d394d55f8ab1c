//! Certificates and lists for everybody: raw, and in JSON.
use crate::Engine;
use crate::ca::{Ca, Issuer};
use crate::crl::{List, Which};
use crate::encode::{hyphens, pem, rfc3339, unb64};
use crate::issue::serial_text;
use crate::revoke::{CERTS, REVOKED, Revoked, Stored, revoked_at};
use crate::roles::Page;
use crate::subject;
use crate::x509::Cert;
use lessor_engine::{Context, Error, Params, Reply, Result, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use x509_cert::ext::pkix::name::GeneralName;

const CERT: &str = "application/pkix-cert";
const CHAIN: &str = "application/pem-certificate-chain";
const CRL: &str = "application/pkix-crl";
const CRL_PEM: &str = "application/x-pem-file";

#[derive(Params)]
pub(crate) struct Serial {
    /// Serial number with colons or hyphens; or ca, ca_chain, crl, delta-crl.
    serial: String,
}

#[derive(Params)]
pub(crate) struct IssuerRef {
    /// Reference (name or id) to the issuer.
    issuer_ref: String,
}

/// An HTTP date (RFC 9110, 5.6.7).
fn http_date(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn since(cx: &Context) -> Option<i64> {
    let header = cx.connection.headers.iter().find(|(name, _)| name == "if-modified-since")?;
    let parsed = jiff_http_date(&header.1)?;
    Some(parsed)
}

fn jiff_http_date(text: &str) -> Option<i64> {
    // Only the form that servers send; the two obsolete ones are no reason to send less.
    let (_, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split_whitespace().collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| name == month)? + 1;
    format!("{year}-{month:02}-{day}T{time}Z").parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Bytes with their date; 304 where the asker has them.
fn raw(cx: &Context, kind: &str, bytes: Vec<u8>, modified: i64) -> Reply {
    if modified > 0 && since(cx).is_some_and(|since| modified <= since) {
        return Reply::empty().status(304);
    }
    let reply = Reply::raw(kind, bytes);
    if modified > 0 { reply.header("last-modified", http_date(modified)) } else { reply }
}

fn nothing(kind: &str) -> Reply {
    Reply::raw(kind, Vec::new()).status(204)
}

fn list_der(list: &List) -> Result<Vec<u8>> {
    unb64(&list.der).ok_or_else(|| Error::Internal("a stored revocation list is damaged".to_owned()))
}

fn raw_list(cx: &Context, list: Option<&List>, in_pem: bool) -> Result<Reply> {
    let kind = if in_pem { CRL_PEM } else { CRL };
    let Some(list) = list else { return Ok(nothing(kind)) };
    let der = list_der(list)?;
    let bytes = if in_pem { pem("X509 CRL", &der).into_bytes() } else { der };
    Ok(raw(cx, kind, bytes, list.this_update))
}

/// The list of the default issuer.
async fn default_list(engine: &Engine, cx: &Context, which: Which) -> Result<Option<List>> {
    let ca = engine.ca(cx).await?;
    match ca.find_issuer("default") {
        Some(issuer) => engine.served(cx, &ca, issuer, which).await,
        None => Ok(None),
    }
}

/// Declares handlers that serve one list in one form.
macro_rules! default_lists {
    ($($name:ident: $which:ident, $pem:literal;)*) => { $(
        pub(crate) async fn $name(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
            raw_list(&cx, default_list(&engine, &cx, Which::$which).await?.as_ref(), $pem)
        }
    )* };
}

default_lists! {
    crl: Complete, false;
    crl_pem: Complete, true;
    delta: Delta, false;
    delta_pem: Delta, true;
}

/// Declares handlers that serve one list of an issuer in one form.
macro_rules! issuer_lists {
    ($($name:ident: $which:ident, $pem:literal;)*) => { $(
        pub(crate) async fn $name(engine: Arc<Engine>, cx: Context, at: IssuerRef) -> Result<Reply> {
            let ca = engine.ca(&cx).await?;
            let list = issuer_list(&engine, &cx, &ca, &at, Which::$which).await?;
            raw_list(&cx, Some(&list), $pem)
        }
    )* };
}

issuer_lists! {
    issuer_crl_der: Complete, false;
    issuer_crl_pem: Complete, true;
    issuer_delta_der: Delta, false;
    issuer_delta_pem: Delta, true;
}

/// The list of an issuer.
///
/// # Errors
/// When it has none (404): its key is not known, or it may not sign lists, or delta lists are not enabled.
async fn issuer_list(engine: &Engine, cx: &Context, ca: &Ca, at: &IssuerRef, which: Which) -> Result<List> {
    let issuer = ca.issuer(&at.issuer_ref)?;
    let list = engine.served(cx, ca, issuer, which).await?;
    list.ok_or_else(|| {
        Error::NotFound(format!("unable to find CRL for issuer: id:{}/ref:{}", issuer.record.id, at.issuer_ref))
    })
}

async fn issuer_list_json(engine: &Engine, cx: &Context, at: &IssuerRef, which: Which) -> Result<Reply> {
    let ca = engine.ca(cx).await?;
    let list = issuer_list(engine, cx, &ca, at, which).await?;
    Ok(Reply::data(json!({ "crl": pem("X509 CRL", &list_der(&list)?) + "\n" })))
}

pub(crate) async fn issuer_crl(engine: Arc<Engine>, cx: Context, at: IssuerRef) -> Result<Reply> {
    issuer_list_json(&engine, &cx, &at, Which::Complete).await
}

pub(crate) async fn issuer_delta(engine: Arc<Engine>, cx: Context, at: IssuerRef) -> Result<Reply> {
    issuer_list_json(&engine, &cx, &at, Which::Delta).await
}

pub(crate) async fn issuer_json(engine: Arc<Engine>, cx: Context, at: IssuerRef) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let issuer = ca.issuer(&at.issuer_ref)?;
    if since(&cx).is_some_and(|since| issuer.record.modified <= since) {
        return Ok(Reply::empty().status(304));
    }
    let chain: Vec<String> = issuer.chain.iter().map(|cert| cert.pem()).collect();
    let mut data = json!({
        "ca_chain": chain,
        "certificate": issuer.cert.pem(),
        "issuer_id": issuer.record.id,
        "issuer_name": issuer.record.name,
    });
    if issuer.record.revoked > 0 {
        data["revocation_time"] = json!(issuer.record.revoked);
        data["revocation_time_rfc3339"] = json!(rfc3339(issuer.record.revoked));
    }
    Ok(Reply::data(data).header("last-modified", http_date(issuer.record.modified)))
}

pub(crate) async fn issuer_der(engine: Arc<Engine>, cx: Context, at: IssuerRef) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let issuer = ca.issuer(&at.issuer_ref)?;
    Ok(raw(&cx, CERT, issuer.cert.der.clone(), issuer.record.modified))
}

pub(crate) async fn issuer_pem(engine: Arc<Engine>, cx: Context, at: IssuerRef) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let issuer = ca.issuer(&at.issuer_ref)?;
    Ok(raw(&cx, CHAIN, issuer.cert.pem().into_bytes(), issuer.record.modified))
}

fn default(ca: &Ca) -> Option<&Issuer> {
    ca.find_issuer("default").map(AsRef::as_ref)
}

pub(crate) async fn ca_der(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let Some(issuer) = default(&ca) else { return Ok(nothing(CERT)) };
    Ok(raw(&cx, CERT, issuer.cert.der.clone(), issuer.record.modified))
}

pub(crate) async fn ca_pem(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let Some(issuer) = default(&ca) else { return Ok(nothing(CHAIN)) };
    Ok(raw(&cx, CHAIN, issuer.cert.pem().into_bytes(), issuer.record.modified))
}

fn chain_text(issuer: &Issuer) -> String {
    issuer.chain.iter().map(|cert| cert.pem()).collect::<Vec<_>>().join("\n")
}

pub(crate) async fn ca_chain(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    let ca = engine.ca(&cx).await?;
    let Some(issuer) = default(&ca) else { return Ok(nothing(CERT)) };
    // It is PEM; the type is what clients have always got.
    Ok(raw(&cx, CERT, chain_text(issuer).into_bytes(), issuer.record.modified))
}

/// What `cert/<serial>` means.
struct Found {
    /// `None` where it is no certificate that can be revoked.
    serial: Option<String>,
    label: &'static str,
    der: Vec<u8>,
    modified: i64,
}

async fn find(engine: &Engine, cx: &Context, serial: &str) -> Result<Option<Found>> {
    let ca = engine.ca(cx).await?;
    match serial {
        "ca" => {
            let Some(issuer) = default(&ca) else { return Ok(None) };
            let (der, modified) = (issuer.cert.der.clone(), issuer.record.modified);
            Ok(Some(Found { serial: None, label: "CERTIFICATE", der, modified }))
        }
        "crl" | "delta-crl" => {
            let which = if serial == "crl" { Which::Complete } else { Which::Delta };
            let Some(list) = default_list(engine, cx, which).await? else { return Ok(None) };
            Ok(Some(Found { serial: None, label: "X509 CRL", der: list_der(&list)?, modified: list.this_update }))
        }
        text => {
            let Some(bytes) = crate::encode::serial(text) else { return Ok(None) };
            let key = hyphens(&bytes);
            let Some(stored) = engine.stored(cx, &key).await? else { return Ok(None) };
            Ok(Some(Found { der: stored.der()?, serial: Some(key), label: "CERTIFICATE", modified: 0 }))
        }
    }
}

pub(crate) async fn cert(engine: Arc<Engine>, cx: Context, at: Serial) -> Result<Reply> {
    if at.serial == "ca_chain" {
        let ca = engine.ca(&cx).await?;
        let issuer = default(&ca).ok_or_else(|| Error::invalid("no default issuer currently configured"))?;
        let text = chain_text(issuer);
        return Ok(Reply::data(json!({
            "ca_chain": text, "certificate": text, "revocation_time": 0, "revocation_time_rfc3339": "",
        })));
    }
    let Some(found) = find(&engine, &cx, &at.serial).await? else {
        if at.serial == "ca" {
            return Err(Error::invalid("no default issuer currently configured"));
        }
        return Ok(Reply::missing());
    };
    let revoked: Option<Revoked> = match &found.serial {
        Some(serial) => cx.view.get(&revoked_at(serial)).await?,
        None => None,
    };
    let time = revoked.as_ref().map_or(0, |revoked| revoked.time);
    let mut data = json!({
        "certificate": pem(found.label, &found.der),
        "revocation_time": time,
        "revocation_time_rfc3339": if time > 0 { rfc3339(time) } else { String::new() },
    });
    if let Some(revoked) = revoked.filter(|revoked| !revoked.issuer_id.is_empty()) {
        data["issuer_id"] = json!(revoked.issuer_id);
    }
    Ok(Reply::data(data))
}

async fn raw_cert(engine: &Engine, cx: &Context, serial: &str, in_pem: bool) -> Result<Reply> {
    let kind = if in_pem { CHAIN } else { CERT };
    if serial == "ca_chain" {
        let ca = engine.ca(cx).await?;
        let Some(issuer) = default(&ca) else { return Ok(nothing(kind)) };
        return Ok(raw(cx, kind, chain_text(issuer).into_bytes(), issuer.record.modified));
    }
    let Some(found) = find(engine, cx, serial).await? else { return Ok(nothing(kind)) };
    let is_list = found.label != "CERTIFICATE";
    let kind = match (is_list, in_pem) {
        (true, true) => CRL_PEM,
        (true, false) => CRL,
        _ => kind,
    };
    let bytes = if in_pem { pem(found.label, &found.der).into_bytes() } else { found.der };
    Ok(raw(cx, kind, bytes, found.modified))
}

pub(crate) async fn cert_raw(engine: Arc<Engine>, cx: Context, at: Serial) -> Result<Reply> {
    raw_cert(&engine, &cx, &at.serial, false).await
}

pub(crate) async fn cert_raw_pem(engine: Arc<Engine>, cx: Context, at: Serial) -> Result<Reply> {
    raw_cert(&engine, &cx, &at.serial, true).await
}

/// Serial numbers below a folder, with colons.
async fn serials(cx: &Context, folder: &str, page: &Page) -> Result<Vec<String>> {
    let after = Page { after: page.after.replace(':', "-"), limit: page.limit };
    let names = after.of(cx.view.list(folder).await?);
    Ok(names.iter().map(|name| serial_text(name)).collect())
}

pub(crate) async fn certs(_: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    Ok(Reply::list(serials(&cx, CERTS, &page).await?))
}

pub(crate) async fn revoked(_: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    Ok(Reply::list(serials(&cx, REVOKED, &page).await?))
}

fn details(cert: &Cert) -> Value {
    let tbs = &cert.parsed.tbs_certificate;
    let dns = cert.sans().into_iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        _ => None,
    });
    let kind = crate::key::Kind::of(&cert.spki);
    json!({
        "common_name": cert.common_name(),
        "dns_names": dns.collect::<Vec<_>>(),
        "issuer": subject::show(&tbs.issuer),
        "key_bits": kind.map_or(0, crate::key::Kind::bits),
        "key_type": kind.map_or("", crate::key::Kind::name),
        "not_after": rfc3339(cert.not_after),
        "not_before": rfc3339(cert.not_before),
    })
}

pub(crate) async fn detailed(engine: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    let keys = serials(&cx, CERTS, &page).await?;
    if keys.is_empty() {
        return Ok(Reply::missing());
    }
    let mut info = Map::new();
    for key in &keys {
        let stored: Option<Stored> = engine.stored(&cx, &key.replace(':', "-")).await?;
        if let Some(cert) = stored.and_then(|stored| Cert::parse(&stored.der().ok()?).ok()) {
            info.insert(key.clone(), details(&cert));
        }
    }
    Ok(Reply::data(json!({ "key_info": info, "keys": keys })))
}
