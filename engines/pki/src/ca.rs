//! The authorities of a mount: issuers, keys and how they are configured.
//!
//! All of it is one record, `ca`: it is small, changes seldom, and one guarded commit does a change whole. What is parsed
//! out of it (certificates, key pairs, chains) is kept with the record's version, so issuing asks for that version only.
use crate::Engine;
use crate::key::KeyPair;
use crate::settings::{Cluster, CrlConfig, UrlsConfig};
use crate::template::{Authority, Urls};
use crate::x509::Cert;
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::{Changes, Context, Error, Result, Secret};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};

const RECORD: &str = "ca";
/// Every lost race is somebody else's success; this only ends what would never end.
const ATTEMPTS: usize = 100;

/// What an issuer may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) issuing: bool,
    pub(crate) crl: bool,
    pub(crate) ocsp: bool,
}

impl Usage {
    pub(crate) const ALL: Self = Self { issuing: true, crl: true, ocsp: true };
    /// As `usage` names them.
    pub(crate) fn parse(names: &[String]) -> Result<Self> {
        let mut usage = Self { issuing: false, crl: false, ocsp: false };
        for name in names {
            match name.trim() {
                "read-only" | "" => {}
                "issuing-certificates" => usage.issuing = true,
                "crl-signing" => usage.crl = true,
                "ocsp-signing" => usage.ocsp = true,
                _ => {
                    return Err(Error::invalid(format!(
                        "Unable to parse specified usages: [{}] - valid values are crl-signing,issuing-certificates,ocsp-signing,read-only",
                        names.join(" ")
                    )));
                }
            }
        }
        Ok(usage)
    }
    /// One text, in alphabetical order.
    pub(crate) fn show(self) -> String {
        let all = [
            (self.crl, "crl-signing"),
            (self.issuing, "issuing-certificates"),
            (self.ocsp, "ocsp-signing"),
            (true, "read-only"),
        ];
        all.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    }
}

/// What is stored about an issuer.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct IssuerRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Empty where the key is not known.
    pub(crate) key_id: String,
    /// DER in base64.
    pub(crate) certificate: String,
    pub(crate) leaf_not_after_behavior: String,
    /// Ids, the issuer's own first; empty: the chain is computed.
    pub(crate) manual_chain: Vec<String>,
    pub(crate) usage: Usage,
    pub(crate) revocation_signature_algorithm: String,
    pub(crate) urls: UrlsConfig,
    /// Seconds since 1970; 0 where it is not revoked.
    pub(crate) revoked: i64,
    /// When it was last written, in seconds since 1970.
    pub(crate) modified: i64,
}

/// What is stored about a key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    /// PKCS#8 in base64.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) pkcs8: Secret,
}

/// Everything that is stored about the authorities.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) issuers: Vec<IssuerRecord>,
    pub(crate) keys: Vec<KeyRecord>,
    pub(crate) default_issuer: String,
    pub(crate) default_follows_latest_issuer: bool,
    pub(crate) default_key: String,
    pub(crate) urls: UrlsConfig,
    pub(crate) cluster: Cluster,
    pub(crate) crl: CrlConfig,
    pub(crate) acme: crate::acme::config::AcmeConfig,
}

/// An issuer, parsed.
pub(crate) struct Issuer {
    pub(crate) record: IssuerRecord,
    pub(crate) cert: Arc<Cert>,
    pub(crate) key: Option<Arc<KeyPair>>,
    /// Itself first.
    pub(crate) chain: Vec<Arc<Cert>>,
    /// Issuers with one subject and one key share revocation lists; this names theirs.
    pub(crate) set: String,
}

/// A key, parsed.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) pair: Arc<KeyPair>,
}

/// The authorities as they were at one version of their record.
pub(crate) struct Ca {
    version: Option<Version>,
    pub(crate) record: Record,
    pub(crate) issuers: Vec<Arc<Issuer>>,
    pub(crate) keys: Vec<Key>,
}

/// How an issuer's reference was meant.
pub(crate) fn unknown_issuer(reference: &str) -> Error {
    if reference == "default" || reference.is_empty() {
        return Error::NotFound("no default issuer currently configured".to_owned());
    }
    Error::NotFound(format!("unable to find PKI issuer for reference: {reference}"))
}

impl Ca {
    fn parse(version: Option<Version>, record: Record, before: Option<&Self>) -> Result<Self> {
        let damaged = |what: &str| Error::Internal(format!("a stored {what} is damaged"));
        let known_key = |id: &str| before.and_then(|ca| ca.keys.iter().find(|key| key.id == id));
        let known_cert = |id: &str| before.and_then(|ca| ca.issuers.iter().find(|issuer| issuer.record.id == id));
        let mut keys = Vec::with_capacity(record.keys.len());
        for key in &record.keys {
            let pair = match known_key(&key.id) {
                Some(known) => Arc::clone(&known.pair),
                None => {
                    let der = crate::encode::unb64(key.pkcs8.expose()).ok_or_else(|| damaged("key"))?;
                    let der = zeroize::Zeroizing::new(der);
                    Arc::new(KeyPair::read(&der).map_err(|_| damaged("key"))?)
                }
            };
            keys.push(Key { id: key.id.clone(), name: key.name.clone(), pair });
        }
        let mut certs = Vec::with_capacity(record.issuers.len());
        for issuer in &record.issuers {
            certs.push(match known_cert(&issuer.id) {
                Some(known) => Arc::clone(&known.cert),
                None => {
                    let der = crate::encode::unb64(&issuer.certificate).ok_or_else(|| damaged("issuer"))?;
                    Arc::new(Cert::parse(&der).map_err(|_| damaged("issuer"))?)
                }
            });
        }
        let chains = crate::chain::all(&record.issuers, &certs);
        let issuers = record.issuers.iter().zip(&certs).zip(chains).map(|((issuer, cert), chain)| {
            let key = keys.iter().find(|key| key.id == issuer.key_id).map(|key| Arc::clone(&key.pair));
            let set = set_of(cert);
            Arc::new(Issuer { record: issuer.clone(), cert: Arc::clone(cert), key, chain, set })
        });
        Ok(Self { version, issuers: issuers.collect(), record, keys })
    }

    /// The id that a reference means.
    fn issuer_id<'a>(&'a self, reference: &'a str) -> Option<&'a str> {
        match reference {
            "" | "default" => Some(self.record.default_issuer.as_str()).filter(|id| !id.is_empty()),
            name => {
                let fits = |issuer: &&IssuerRecord| issuer.id == name || (!name.is_empty() && issuer.name == name);
                self.record.issuers.iter().find(fits).map(|issuer| issuer.id.as_str())
            }
        }
    }
    pub(crate) fn find_issuer(&self, reference: &str) -> Option<&Arc<Issuer>> {
        let id = self.issuer_id(reference)?;
        self.issuers.iter().find(|issuer| issuer.record.id == id)
    }
    /// # Errors
    /// When there is no such issuer (404).
    pub(crate) fn issuer(&self, reference: &str) -> Result<&Arc<Issuer>> {
        self.find_issuer(reference).ok_or_else(|| unknown_issuer(reference))
    }
    /// The issuer of this reference, if it may issue.
    ///
    /// # Errors
    /// When there is none, it has no key here, or its usage says no.
    pub(crate) fn issuing(&self, reference: &str) -> Result<&Arc<Issuer>> {
        let issuer = self.issuer(reference)?;
        if !issuer.record.usage.issuing {
            return Err(Error::invalid(format!(
                "while validating issuer {}: requested usage of issuing-certificates for issuer but only had usage {}",
                issuer.record.id,
                issuer.record.usage.show()
            )));
        }
        if issuer.key.is_none() {
            return Err(Error::invalid(format!(
                "the key of issuer {} is not known here: it cannot issue certificates",
                issuer.record.id
            )));
        }
        Ok(issuer)
    }
    pub(crate) fn find_key(&self, reference: &str) -> Option<&Key> {
        let id = if reference == "default" { self.record.default_key.as_str() } else { reference };
        self.keys.iter().find(|key| !id.is_empty() && (key.id == id || key.name == id))
    }
    /// # Errors
    /// When there is no such key (404).
    pub(crate) fn key(&self, reference: &str) -> Result<&Key> {
        self.find_key(reference)
            .ok_or_else(|| Error::NotFound(format!("unable to find PKI key for reference: {reference}")))
    }
    /// The key with this public half.
    pub(crate) fn key_of(&self, spki: &[u8]) -> Option<&Key> {
        self.keys.iter().find(|key| key.pair.spki == spki)
    }
    /// Where an issuer's certificate, lists and answers are found.
    ///
    /// # Errors
    /// When a template needs a setting that is not there.
    pub(crate) fn urls(&self, issuer: &IssuerRecord) -> Result<Urls> {
        let config = if issuer.urls.is_empty() { &self.record.urls } else { &issuer.urls };
        config.resolve(&self.record.cluster, &issuer.id)
    }
    /// The issuer as one that signs.
    ///
    /// # Errors
    /// When its key is not known, or its addresses cannot be told.
    pub(crate) fn authority<'a>(&self, issuer: &'a Issuer) -> Result<Authority<'a>> {
        let key = issuer.key.as_deref().ok_or_else(|| Error::invalid("the issuer's key is not known here"))?;
        Ok(Authority {
            key,
            subject: issuer.cert.parsed.tbs_certificate.subject.clone(),
            key_id: Some(issuer.cert.key_id()),
            urls: self.urls(&issuer.record)?,
        })
    }
    /// The issuer that signed a certificate.
    pub(crate) fn issuer_of(&self, cert: &Cert) -> Option<&Arc<Issuer>> {
        self.issuers.iter().find(|issuer| cert.is_issued_by(&issuer.cert))
    }
}

/// Names the revocation lists of a subject and key.
pub(crate) fn set_of(cert: &Cert) -> String {
    let mut both = cert.subject.clone();
    both.extend_from_slice(&cert.spki);
    hex::encode(&digest(&SHA256, &both).as_ref()[..16])
}

/// A fresh id.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Engine {
    /// The authorities as they are now.
    pub(crate) async fn ca(&self, cx: &Context) -> Result<Arc<Ca>> {
        let before = self.ca.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let version = cx.view.version(RECORD).await?;
        if let Some(ca) = before.as_ref().filter(|ca| ca.version == version) {
            return Ok(Arc::clone(ca));
        }
        let (record, version) = match cx.view.get_versioned::<Record>(RECORD).await? {
            Some((record, version)) => (record, Some(version)),
            None => (Record::default(), None),
        };
        let ca = Arc::new(Ca::parse(version, record, before.as_deref())?);
        *self.ca.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&ca));
        Ok(ca)
    }

    /// Changes the authorities; `edit` runs again on what another writer left, and answers with what else is to be
    /// committed.
    pub(crate) async fn change<T>(
        &self,
        cx: &Context,
        mut edit: impl FnMut(&Ca, &mut Record) -> Result<(T, Changes)> + Send,
    ) -> Result<T> {
        let mut attempts = 0;
        loop {
            let ca = self.ca(cx).await?;
            let mut record = ca.record.clone();
            let (done, more) = edit(&ca, &mut record)?;
            let changes = more.expect(RECORD, ca.version).put(RECORD, &record)?;
            match cx.view.commit(changes).await {
                Ok(()) => return Ok(done),
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Refuses names that are taken or mean something else.
pub(crate) fn check_issuer_name(record: &Record, name: &str, own: &str) -> Result<()> {
    check_name("issuer", name)?;
    if record.issuers.iter().any(|issuer| issuer.id != own && !name.is_empty() && issuer.name == name) {
        return Err(Error::invalid("issuer name already in use"));
    }
    Ok(())
}

/// Refuses names that are taken or mean something else.
pub(crate) fn check_key_name(record: &Record, name: &str, own: &str) -> Result<()> {
    check_name("key", name)?;
    if record.keys.iter().any(|key| key.id != own && !name.is_empty() && key.name == name) {
        return Err(Error::invalid("key name already in use"));
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<()> {
    if name == "default" {
        return Err(Error::invalid(format!("reserved keyword 'default' can not be used as {what} name")));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = name.chars().all(|c| word(c) || c == '-' || c == '.')
        && name.chars().next().is_none_or(word)
        && name.chars().next_back().is_none_or(word);
    if !fits {
        return Err(Error::invalid(format!("{what} name contained invalid characters")));
    }
    Ok(())
}

impl Record {
    /// Adds a key.
    pub(crate) fn add_key(&mut self, name: &str, pair: &KeyPair) -> String {
        let id = new_id();
        let pkcs8 = Secret::new(crate::encode::b64(pair.pkcs8()));
        self.keys.push(KeyRecord { id: id.clone(), name: name.to_owned(), pkcs8 });
        if self.default_key.is_empty() {
            self.default_key.clone_from(&id);
        }
        id
    }
    /// Adds an issuer with the default settings.
    pub(crate) fn add_issuer(&mut self, id: &str, name: &str, key_id: &str, cert: &Cert, now: i64) {
        let usage = Usage { crl: cert.may_sign_crls(), ..Usage::ALL };
        self.issuers.push(IssuerRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            key_id: key_id.to_owned(),
            certificate: crate::encode::b64(&cert.der),
            leaf_not_after_behavior: "err".to_owned(),
            manual_chain: Vec::new(),
            usage,
            revocation_signature_algorithm: crate::signature::usual_name(cert),
            urls: UrlsConfig::default(),
            revoked: 0,
            modified: now,
        });
    }
}
