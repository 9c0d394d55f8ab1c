//! Revocation lists: one per subject and key, complete and delta.
use crate::Engine;
use crate::ca::{Ca, Issuer};
use crate::encode::unb64;
use crate::key::{KeyPair, beside};
use crate::revoke::{REVOKED, Revoked};
use crate::settings::{CrlConfig, seconds};
use crate::signature::Scheme;
use crate::template::{extension, signed, time, unwritable};
use der::Decode;
use der::asn1::{OctetString, Uint};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use x509_cert::Version as X509Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BaseCrlNumber, CrlNumber};
use x509_cert::serial_number::SerialNumber;

const PAGE: usize = 1000;
const ATTEMPTS: usize = 100;

/// A built list.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct List {
    pub(crate) number: u64,
    /// DER in base64.
    pub(crate) der: String,
    /// Seconds since 1970.
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
}

/// What is stored of the lists of one set.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Lists {
    pub(crate) complete: Option<List>,
    pub(crate) delta: Option<List>,
}

/// Makes builds wait for each other, and lets one build serve all who waited.
#[derive(Default)]
pub(crate) struct Builder {
    building: tokio::sync::Mutex<()>,
    /// Builds that have begun.
    begun: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Complete,
    Delta,
}

fn lists_at(set: &str) -> String {
    format!("crls/{set}")
}

/// What goes into a list.
pub(crate) struct Entry {
    pub(crate) serial: Vec<u8>,
    pub(crate) time: i64,
    pub(crate) extensions: Extensions,
}

/// A list before it is signed.
pub(crate) struct Contents {
    pub(crate) entries: Vec<Entry>,
    pub(crate) number: u64,
    /// The number of the complete list that a delta builds on.
    pub(crate) base: Option<u64>,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
    pub(crate) more: Extensions,
}

fn number(value: u64) -> Result<Uint> {
    Uint::new(&value.to_be_bytes()).map_err(unwritable)
}

/// Signs a list.
///
/// # Errors
/// When it cannot be written, or the key does not sign like this.
pub(crate) fn sign(contents: Contents, issuer: &Issuer, key: &KeyPair, scheme: &Scheme) -> Result<Vec<u8>> {
    let akid = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(issuer.cert.key_id()).map_err(unwritable)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    let mut extensions = vec![extension(&akid, false)?, extension(&CrlNumber(number(contents.number)?), false)?];
    if let Some(base) = contents.base {
        extensions.push(extension(&BaseCrlNumber(number(base)?), true)?);
    }
    extensions.extend(contents.more);
    let mut revoked = Vec::with_capacity(contents.entries.len());
    for entry in contents.entries {
        revoked.push(RevokedCert {
            serial_number: SerialNumber::new(&entry.serial).map_err(unwritable)?,
            revocation_date: time(entry.time)?,
            crl_entry_extensions: (!entry.extensions.is_empty()).then_some(entry.extensions),
        });
    }
    let list = TbsCertList {
        version: X509Version::V2,
        signature: scheme.algorithm.clone(),
        issuer: issuer.cert.parsed.tbs_certificate.subject.clone(),
        this_update: time(contents.this_update)?,
        next_update: Some(time(contents.next_update)?),
        revoked_certificates: (!revoked.is_empty()).then_some(revoked),
        crl_extensions: Some(extensions),
    };
    signed(&list, scheme, key)
}

/// The issuer of a set that signs its lists.
fn signer<'a>(ca: &'a Ca, set: &str) -> Option<(&'a Arc<Issuer>, Arc<KeyPair>)> {
    let fits = |issuer: &&Arc<Issuer>| issuer.set == set && issuer.record.usage.crl && issuer.cert.may_sign_crls();
    ca.issuers.iter().filter(fits).find_map(|issuer| Some((issuer, Arc::clone(issuer.key.as_ref()?))))
}

/// Everything that is revoked, by the set whose list it belongs on.
async fn revoked(cx: &Context, ca: &Ca) -> Result<BTreeMap<String, Vec<(Vec<u8>, i64)>>> {
    let sets: BTreeMap<&str, &str> =
        ca.issuers.iter().map(|issuer| (issuer.record.id.as_str(), issuer.set.as_str())).collect();
    let default = sets.get(ca.record.default_issuer.as_str()).copied();
    let mut all: BTreeMap<String, Vec<(Vec<u8>, i64)>> = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = cx.view.page::<Revoked>(REVOKED, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (serial, entry) in page {
            let set = sets.get(entry.issuer_id.as_str()).copied().or(default);
            if let (Some(set), Some(serial)) = (set, crate::encode::serial(&serial)) {
                all.entry(set.to_owned()).or_default().push((serial, entry.time));
            }
        }
    }
    // An authority below another of this mount is on its parent's list.
    for issuer in ca.issuers.iter().filter(|issuer| issuer.record.revoked > 0) {
        for parent in ca.issuers.iter().filter(|parent| parent.set != issuer.set) {
            if issuer.cert.is_issued_by(&parent.cert) {
                let entries = all.entry(parent.set.clone()).or_default();
                let serial = issuer.cert.serial().to_vec();
                if !entries.iter().any(|(known, _)| *known == serial) {
                    entries.push((serial, issuer.record.revoked));
                }
            }
        }
    }
    Ok(all)
}

/// Serial numbers on a list.
fn on_list(list: &List) -> Result<HashSet<Vec<u8>>> {
    let damaged = || Error::Internal("a stored revocation list is damaged".to_owned());
    let der = unb64(&list.der).ok_or_else(damaged)?;
    let list = CertificateList::from_der(&der).map_err(|_| damaged())?;
    let entries = list.tbs_cert_list.revoked_certificates.unwrap_or_default();
    Ok(entries.iter().map(|entry| crate::x509::serial_bytes(&entry.serial_number).to_vec()).collect())
}

impl Engine {
    pub(crate) async fn lists(&self, cx: &Context, set: &str) -> Result<Option<(Lists, Version)>> {
        cx.view.get_versioned(&lists_at(set)).await
    }

    /// After a revocation: unless lists follow a schedule, it is on them when this returns.
    pub(crate) async fn published(&self, cx: &Context) -> Result<()> {
        let ca = self.ca(cx).await?;
        if ca.record.crl.auto_rebuild || ca.record.crl.disable {
            return Ok(());
        }
        self.rebuild(cx, Which::Complete).await.map(|_| ())
    }

    /// Builds all lists; what stands in the way is a warning.
    pub(crate) async fn rebuild_or_warn(&self, cx: &Context) -> Vec<String> {
        match self.rebuild(cx, Which::Complete).await {
            Ok(_) => Vec::new(),
            Err(error) => vec![format!("the change is stored, but the CRLs could not be built: {error}")],
        }
    }

    /// Builds all lists with everything that was revoked before the call. Of many calls at once, one builds for all.
    pub(crate) async fn rebuild(&self, cx: &Context, which: Which) -> Result<Vec<String>> {
        let seen = self.builder.begun.load(Ordering::SeqCst);
        let _turn = self.builder.building.lock().await;
        // A build that began after the call has seen what the caller wants on the list.
        if which == Which::Complete && self.builder.begun.load(Ordering::SeqCst) > seen {
            return Ok(Vec::new());
        }
        if which == Which::Complete {
            self.builder.begun.fetch_add(1, Ordering::SeqCst);
        }
        let ca = self.ca(cx).await?;
        let mut entries = if ca.record.crl.disable { BTreeMap::new() } else { revoked(cx, &ca).await? };
        let sets: std::collections::BTreeSet<&str> = ca.issuers.iter().map(|issuer| issuer.set.as_str()).collect();
        let mut warnings = Vec::new();
        for set in sets {
            let Some((issuer, key)) = signer(&ca, set) else {
                let names =
                    ca.issuers.iter().filter(|issuer| issuer.set == set).map(|issuer| issuer.record.id.as_str());
                let ids = names.collect::<Vec<_>>().join(", ");
                warnings
                    .push(format!("no issuer of {ids} has a key and the usage crl-signing: no CRL is built for it"));
                continue;
            };
            let entries = entries.remove(set).unwrap_or_default();
            let config = &ca.record.crl;
            if config.max_crl_entries >= 0
                && entries.len() > usize::try_from(config.max_crl_entries).unwrap_or(usize::MAX)
            {
                return Err(Error::refused(format!(
                    "the CRL of issuer {} would have {} entries, more than max_crl_entries {}: tidy, or raise the limit at config/crl",
                    issuer.record.id,
                    entries.len(),
                    config.max_crl_entries
                )));
            }
            self.build_set(cx, config, issuer, &key, entries, which).await?;
        }
        Ok(warnings)
    }

    async fn build_set(
        &self,
        cx: &Context,
        config: &CrlConfig,
        issuer: &Arc<Issuer>,
        key: &Arc<KeyPair>,
        entries: Vec<(Vec<u8>, i64)>,
        which: Which,
    ) -> Result<()> {
        let at = lists_at(&issuer.set);
        let scheme = Scheme::named(key.kind, &issuer.record.revocation_signature_algorithm)?;
        let mut attempts = 0;
        loop {
            let (mut lists, version) = match self.lists(cx, &issuer.set).await? {
                Some((lists, version)) => (lists, Some(version)),
                None => (Lists::default(), None),
            };
            let last = lists.complete.as_ref().map_or(0, |list| list.number);
            let last = last.max(lists.delta.as_ref().map_or(0, |list| list.number));
            let now = cx.now().as_second();
            let build = |number: u64, base: Option<u64>, entries: Vec<(Vec<u8>, i64)>| {
                let (issuer, key, scheme) = (Arc::clone(issuer), Arc::clone(key), scheme.clone());
                let next_update = now.saturating_add(seconds(&config.expiry));
                let slow = key.kind.is_slow() || entries.len() > PAGE;
                beside(slow, move || {
                    let entry = |(serial, time)| Entry { serial, time, extensions: Extensions::new() };
                    let entries = entries.into_iter().map(entry).collect();
                    let contents =
                        Contents { entries, number, base, this_update: now, next_update, more: Extensions::new() };
                    let der = sign(contents, &issuer, &key, &scheme)?;
                    Ok(List { number, der: crate::encode::b64(&der), this_update: now, next_update })
                })
            };
            if which == Which::Complete || lists.complete.is_none() {
                lists.complete = Some(build(last + 1, None, entries.clone()).await?);
                lists.delta = None;
            }
            let base = lists.complete.as_ref().filter(|_| config.enable_delta && !config.disable);
            if let Some(base) = base {
                let known = on_list(base)?;
                let fresh = entries.iter().filter(|(serial, _)| !known.contains(serial)).cloned().collect();
                let number = lists.delta.as_ref().map_or(base.number, |delta| delta.number) + 1;
                lists.delta = Some(build(number, Some(base.number), fresh).await?);
            } else {
                lists.delta = None;
            }
            match cx.view.commit(Changes::new().expect(&at, version).put(&at, &lists)?).await {
                Ok(()) => return Ok(()),
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The list of an issuer as it is to be served: one that is missing or over is built first.
    pub(crate) async fn served(&self, cx: &Context, ca: &Ca, issuer: &Issuer, which: Which) -> Result<Option<List>> {
        let config = &ca.record.crl;
        let grace = if config.auto_rebuild { seconds(&config.auto_rebuild_grace_period) } else { 0 };
        let now = cx.now().as_second();
        let find = |lists: Option<(Lists, Version)>| {
            lists.and_then(|(lists, _)| if which == Which::Complete { lists.complete } else { lists.delta })
        };
        let found = find(self.lists(cx, &issuer.set).await?);
        let fresh = found.as_ref().is_some_and(|list| list.next_update.saturating_sub(grace) > now);
        if fresh || signer(ca, &issuer.set).is_none() || (which == Which::Delta && !config.enable_delta) {
            return Ok(found);
        }
        self.rebuild(cx, which).await?;
        Ok(find(self.lists(cx, &issuer.set).await?))
    }

    /// When the next scheduled build is due.
    pub(crate) async fn crl_due(&self, cx: &Context) -> Result<Option<i64>> {
        let ca = self.ca(cx).await?;
        let config = &ca.record.crl;
        if !config.auto_rebuild || config.disable {
            return Ok(None);
        }
        let mut due: Option<i64> = None;
        for issuer in ca.issuers.iter().filter(|issuer| signer(&ca, &issuer.set).is_some()) {
            let (lists, _) = self.lists(cx, &issuer.set).await?.unzip();
            let lists = lists.unwrap_or_default();
            let grace = seconds(&config.auto_rebuild_grace_period);
            let complete = lists.complete.as_ref().map_or(0, |list| list.next_update - grace);
            let delta =
                lists.delta.as_ref().map_or(0, |list| list.this_update + seconds(&config.delta_rebuild_interval));
            let own = if config.enable_delta { complete.min(delta) } else { complete };
            due = Some(due.map_or(own, |due| due.min(own)));
        }
        Ok(due)
    }

    /// A scheduled build: complete where that is due, else delta.
    pub(crate) async fn scheduled_build(&self, cx: &Context) -> Result<()> {
        let ca = self.ca(cx).await?;
        let grace = seconds(&ca.record.crl.auto_rebuild_grace_period);
        let now = cx.now().as_second();
        let mut which = Which::Delta;
        for issuer in &ca.issuers {
            let lists = self.lists(cx, &issuer.set).await?.map(|(lists, _)| lists).unwrap_or_default();
            if lists.complete.is_none_or(|list| list.next_update - grace <= now) && signer(&ca, &issuer.set).is_some() {
                which = Which::Complete;
            }
        }
        self.rebuild(cx, which).await.map(|_| ())
    }
}

#[derive(Params)]
pub(crate) struct Nothing {}

async fn rotated(engine: &Engine, cx: &Context, which: Which) -> Result<Reply> {
    let mut reply = Reply::data(json!({ "success": true }));
    reply.warnings = engine.rebuild(cx, which).await?;
    Ok(reply.reschedule(crate::schedule::CRL))
}

pub(crate) async fn rotate(engine: Arc<Engine>, cx: Context, _: Nothing) -> Result<Reply> {
    rotated(&engine, &cx, Which::Complete).await
}

pub(crate) async fn rotate_delta(engine: Arc<Engine>, cx: Context, _: Nothing) -> Result<Reply> {
    if !engine.ca(&cx).await?.record.crl.enable_delta {
        let text = "delta CRLs are not enabled: nothing was built; set enable_delta at config/crl";
        return Ok(Reply::data(json!({ "success": true })).warn(text));
    }
    rotated(&engine, &cx, Which::Delta).await
}
