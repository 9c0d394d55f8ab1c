//! `crls/…`: the revocation lists.
use crate::crl::{self, Head, Serials};
use crate::{Cert, fetch};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct At {
    /// Name of the list.
    name: String,
}

#[derive(Params)]
pub(crate) struct CrlParams {
    /// Name of the list.
    name: String,
    /// The list, in PEM or DER.
    crl: String,
    /// Where it is fetched from, now and whenever it is over.
    url: String,
}

pub(crate) async fn list(_: Arc<Cert>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("crl/").await?))
}

pub(crate) async fn read(_: Arc<Cert>, cx: Context, at: At) -> Result<Reply> {
    let name = at.name.to_lowercase();
    let head: Option<Head> = cx.view.get(&crl::head_key(&name)).await?;
    let serials: Option<Serials> = cx.view.get(&crl::serials_key(&name)).await?;
    let (Some(head), Some(serials)) = (head, serials) else { return Ok(Reply::missing()) };
    let revoked: Map<String, Value> = serials.revoked.into_iter().map(|serial| (serial, json!({}))).collect();
    let until = Timestamp::from_second(head.valid_until).unwrap_or_default().to_string();
    let cdp = if head.url.is_empty() { Value::Null } else { json!({ "url": head.url, "valid_until": until }) };
    Ok(Reply::data(json!({ "cdp": cdp, "serials": revoked })))
}

pub(crate) async fn write(cert: Arc<Cert>, cx: Context, sent: CrlParams) -> Result<Reply> {
    let list = match (sent.crl.is_empty(), sent.url.is_empty()) {
        (true, true) => return Err(Error::invalid("one of 'crl' or 'url' must be provided")),
        (false, false) => return Err(Error::invalid("'crl' and 'url' exclude each other")),
        (false, true) => crl::parse(sent.crl.as_bytes(), "")?,
        (true, false) => crl::parse(&fetch::get(&sent.url).await?, &sent.url)?,
    };
    let name = sent.name.to_lowercase();
    crl::store(&cx, &name, &list).await?;
    cert.crls.forget(&name).await;
    Ok(Reply::empty())
}

pub(crate) async fn delete(cert: Arc<Cert>, cx: Context, at: At) -> Result<Reply> {
    let name = at.name.to_lowercase();
    cx.view.commit(Changes::new().delete(&crl::head_key(&name)).delete(&crl::serials_key(&name))).await?;
    cert.crls.forget(&name).await;
    Ok(Reply::empty())
}
