//! Revocation lists: read, stored in two records (a small head, and the serials), fetched again when they are over.
use crate::certificate::{Certificate, seconds};
use crate::fetch;
use lessor_engine::{Changes, Context, Error, Result};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::Mutex;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// Seconds between two tries to fetch a list that is over.
const PAUSE: i64 = 60;

/// What every login reads.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Changes with the serials.
    etag: String,
    issuer: String,
    /// Where it is fetched from; empty where it was uploaded.
    pub(crate) url: String,
    /// Seconds since 1970; 0 where the list does not say.
    pub(crate) valid_until: i64,
}

/// Decimal serial numbers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Serials {
    etag: String,
    pub(crate) revoked: BTreeSet<String>,
}

/// The serials that this process has read, by the list's name.
#[derive(Default)]
pub(crate) struct Cache {
    serials: Mutex<HashMap<String, Arc<Serials>>>,
    /// When a list may be fetched again, in seconds since 1970; held while one is fetched.
    next_try: Mutex<HashMap<String, i64>>,
}

pub(crate) fn head_key(name: &str) -> String {
    format!("crl/{name}")
}

pub(crate) fn serials_key(name: &str) -> String {
    format!("crl-serials/{name}")
}

/// A list in PEM or DER.
pub(crate) fn parse(bytes: &[u8], url: &str) -> Result<(Head, Serials)> {
    let failed = |why: &dyn std::fmt::Display| Error::invalid(format!("failed to parse CRL: {why}"));
    let der = match CertificateRevocationListDer::from_pem_slice(bytes) {
        Ok(der) => der.to_vec(),
        Err(_) => bytes.to_vec(),
    };
    let (_, list) =
        CertificateRevocationList::from_der(&der).map_err(|_| failed(&"it is neither PEM nor DER of an X.509 CRL"))?;
    let etag = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der));
    let revoked = list.iter_revoked_certificates().map(|entry| entry.user_certificate.to_string()).collect();
    let head = Head {
        etag: etag.clone(),
        issuer: hex::encode(list.issuer().as_raw()),
        url: url.to_owned(),
        valid_until: list.next_update().map_or(0, seconds),
    };
    Ok((head, Serials { etag, revoked }))
}

pub(crate) async fn store(cx: &Context, name: &str, (head, serials): &(Head, Serials)) -> Result<()> {
    cx.view.commit(Changes::new().put(&head_key(name), head)?.put(&serials_key(name), serials)?).await
}

impl Cache {
    /// Whether a certificate of the chain is on a list of its issuer.
    pub(crate) async fn revokes(&self, cx: &Context, chain: &[Vec<u8>]) -> Result<bool> {
        let names = cx.view.list("crl/").await?;
        for name in names {
            let Some(head) = cx.view.get::<Head>(&head_key(&name)).await? else { continue };
            let head = self.current(cx, &name, head).await;
            let of_issuer = |certificate: &Certificate| certificate.issuer == head.issuer;
            let concerned: Vec<_> = chain.iter().filter_map(|der| Certificate::parse(der)).filter(of_issuer).collect();
            if concerned.is_empty() {
                continue;
            }
            let serials = self.serials(cx, &name, &head.etag).await?;
            if concerned.iter().any(|certificate| serials.revoked.contains(&certificate.serial)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
    async fn serials(&self, cx: &Context, name: &str, etag: &str) -> Result<Arc<Serials>> {
        let mut known = self.serials.lock().await;
        if let Some(serials) = known.get(name).filter(|serials| serials.etag == etag) {
            return Ok(Arc::clone(serials));
        }
        let serials: Option<Serials> = cx.view.get(&serials_key(name)).await?;
        // Gone since the head was read: the list was deleted.
        let serials = Arc::new(serials.unwrap_or_else(|| Serials { etag: String::new(), revoked: BTreeSet::new() }));
        known.insert(name.to_owned(), Arc::clone(&serials));
        Ok(serials)
    }
    /// The list as it is now: one that is over is fetched again. Where that fails the old one stays in force.
    async fn current(&self, cx: &Context, name: &str, head: Head) -> Head {
        let now = cx.now().as_second();
        if head.url.is_empty() || head.valid_until == 0 || now < head.valid_until {
            return head;
        }
        let mut next_try = self.next_try.lock().await;
        if next_try.get(name).is_some_and(|next| now < *next) {
            return head;
        }
        next_try.insert(name.to_owned(), now + PAUSE);
        let fetched = async {
            let list = parse(&fetch::get(&head.url).await?, &head.url)?;
            store(cx, name, &list).await.map(|()| list.0)
        };
        match fetched.await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, list = name, "the revocation list is over; the old one stays in force");
                head
            }
        }
    }
    pub(crate) async fn forget(&self, name: &str) {
        self.serials.lock().await.remove(name);
        self.next_try.lock().await.remove(name);
    }
}
