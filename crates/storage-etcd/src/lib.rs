//! Storage in etcd, by its API v3.
//!
//! A record is a key below `<path>data/`, its version is the revision of its last write. A commit is one transaction:
//! compares for the guards, the writes, and a mark (`session.rs`) by which the outcome is found out when the answer was
//! lost. `order.rs` says how a batch of any length is still one transaction, `gate.rs` what becomes of one with very many
//! guards.
mod client;
mod gate;
mod order;
mod proto;
mod session;
mod settings;

use async_trait::async_trait;
use client::{Client, Fault, PATIENCE, RANGE, TXN, pause};
use lessor_storage::{Batch, Entry, Error, Opened, Result, Snapshot, Stanza, Storage, StorageKind, Version};
use order::Order;
use proto::{
    CREATE, Compare, EQUAL, KeyValue, Op, PutRequest, RangeRequest, RangeResponse, Target, TxnRequest, TxnResponse,
};
use session::{Fate, Marks};
use settings::{FIELDS, Settings};
use std::sync::Arc;
use tokio::time::Instant;

/// How records are laid out below the path; a newer layout than this is refused rather than guessed at.
const LAYOUT: &[u8] = b"1";
/// Records of one answer: with the longest values that etcd takes it stays below the limit of an answer.
const PAGE: usize = 500;
/// How often a scan begins anew because the revision it reads at was compacted away.
const SCANS: usize = 3;

/// `storage "etcd"`.
pub struct EtcdKind;

#[async_trait]
impl StorageKind for EtcdKind {
    fn labels(&self) -> &'static [&'static str] {
        &["etcd"]
    }
    fn fields(&self) -> &'static [&'static str] {
        FIELDS
    }
    fn check(&self, stanza: &Stanza) -> Result<(), String> {
        Settings::read(stanza, &environment).map(drop)
    }
    async fn open(&self, stanza: &Stanza) -> Result<Opened> {
        let storage = EtcdStorage::open(stanza).await?;
        Ok(Opened { storage: Arc::new(storage), name: "etcd" })
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Records below one path of a cluster. Clones share their connections.
#[derive(Clone)]
pub struct EtcdStorage {
    client: Arc<Client>,
    marks: Arc<Marks>,
    prefix: Arc<str>,
    /// The key that is there while a commit works alone.
    gate: Arc<[u8]>,
}

impl EtcdStorage {
    /// Connects, and marks the path as Lessor's.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what to do about it.
    pub async fn open(stanza: &Stanza) -> Result<Self> {
        let settings = Settings::read(stanza, &environment).map_err(Error::Unavailable)?;
        let path = settings.path.clone();
        let client = Arc::new(Client::connect(settings).await?);
        prepare(&client, &path).await?;
        let marks = Arc::new(Marks::new(&path));
        marks.sweep(&client).await?;
        let gate = format!("{path}gate").into_bytes().into();
        Ok(Self { client, marks, prefix: format!("{path}data/").into(), gate })
    }

    fn entry(&self, found: KeyValue) -> Result<Entry> {
        let key = found.key.get(self.prefix.len()..).unwrap_or_default().to_vec();
        let key = String::from_utf8(key).map_err(|error| Error::Corrupt {
            key: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            reason: "the key is no UTF-8".to_owned(),
        })?;
        Ok(Entry { key, value: found.value, version: version(found.mod_revision) })
    }

    async fn find(&self, key: &str, keys_only: bool) -> Result<Option<KeyValue>> {
        let key = format!("{}{key}", self.prefix).into_bytes();
        let range = RangeRequest { key, keys_only, ..RangeRequest::default() };
        let answer: RangeResponse = self.client.repeat(RANGE, range).await?;
        Ok(answer.kvs.into_iter().next())
    }

    /// One scan, all pages of it at one revision: that of the first page for 0.
    async fn pages(&self, prefix: &str, after: Option<&str>, limit: usize, mut revision: i64) -> Result<Vec<Entry>> {
        let mut key = match after {
            Some(after) if after >= prefix => format!("{}{after}\0", self.prefix).into_bytes(),
            _ => format!("{}{prefix}", self.prefix).into_bytes(),
        };
        let mut range_end = format!("{}{prefix}", self.prefix).into_bytes();
        // The path ends with a slash and keys are UTF-8: there is a last byte, and it is not the highest.
        if let Some(last) = range_end.last_mut() {
            *last += 1;
        }
        let mut entries = Vec::new();
        while key < range_end && entries.len() < limit {
            let wanted = PAGE.min(limit - entries.len());
            let range = RangeRequest {
                key: key.clone(),
                range_end: range_end.clone(),
                limit: i64::try_from(wanted).unwrap_or(i64::MAX),
                revision,
                keys_only: false,
            };
            let answer: RangeResponse = self.client.repeat(RANGE, range).await?;
            if revision == 0 {
                revision = answer.header.map_or(0, |header| header.revision);
            }
            let full = answer.kvs.len() >= wanted;
            if let Some(last) = answer.kvs.last() {
                key = [last.key.as_slice(), &[0]].concat();
            }
            for found in answer.kvs {
                entries.push(self.entry(found)?);
            }
            if !full {
                break;
            }
        }
        Ok(entries)
    }
}

/// Everything as of one revision. It lasts until etcd compacts that revision away, as it is told to.
struct Moment {
    storage: EtcdStorage,
    revision: i64,
    after: Option<String>,
}

#[async_trait]
impl Snapshot for Moment {
    async fn page(&mut self) -> Result<Vec<Entry>> {
        let page = self.storage.pages("", self.after.as_deref(), PAGE, self.revision).await?;
        self.after = page.last().map(|entry| entry.key.clone()).or(self.after.take());
        Ok(page)
    }
}

/// Says whose keys these are, and in which layout.
async fn prepare(client: &Client, path: &str) -> Result<()> {
    let key = format!("{path}layout").into_bytes();
    let new = Compare { result: EQUAL, target: CREATE, key: key.clone(), with: Some(Target::Create(0)) };
    let txn = TxnRequest {
        compare: vec![new],
        success: vec![Op::Put(PutRequest { key: key.clone(), value: LAYOUT.to_vec(), lease: 0 }).into()],
        failure: vec![Op::Range(RangeRequest { key, ..RangeRequest::default() }).into()],
    };
    let answer: TxnResponse = client.repeat(TXN, txn).await?;
    let found = answer.responses.into_iter().filter_map(|response| response.range).flat_map(|range| range.kvs).next();
    match found {
        Some(found) if found.value != LAYOUT => Err(Error::Unavailable(format!(
            "the keys below {path} have layout {} but this version of Lessor knows {}; install a newer version or set \
             another path",
            String::from_utf8_lossy(&found.value),
            String::from_utf8_lossy(LAYOUT)
        ))),
        _ => Ok(()),
    }
}

fn version(revision: i64) -> Version {
    Version(revision.cast_unsigned())
}

/// The versions that a failed transaction found, 0 for a key that is not there.
fn versions(answer: &TxnResponse) -> Vec<i64> {
    let ranges = answer.responses.iter().map(|response| response.range.as_ref());
    ranges.map(|range| range.and_then(|range| range.kvs.first()).map_or(0, |found| found.mod_revision)).collect()
}

fn conflict(order: &Order, found: &[i64]) -> Error {
    match order.broken(found) {
        Some(key) => Error::Conflict { key: key.to_owned() },
        None => Error::Unavailable("etcd refused a transaction whose guards hold".to_owned()),
    }
}

#[async_trait]
impl Storage for EtcdStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.find(key, false).await?.map(|found| self.entry(found)).transpose()
    }
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        Ok(self.find(key, true).await?.map(|found| version(found.mod_revision)))
    }
    async fn versions(&self, keys: &[&str]) -> Result<Vec<Option<Version>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let range = |key: &&str| {
            let key = format!("{}{key}", self.prefix).into_bytes();
            Op::Range(RangeRequest { key, keys_only: true, ..RangeRequest::default() }).into()
        };
        let txn = TxnRequest { success: keys.iter().map(range).collect(), ..TxnRequest::default() };
        let answer: TxnResponse = self.client.repeat(TXN, txn).await?;
        Ok(versions(&answer).into_iter().map(|found| (found > 0).then(|| version(found))).collect())
    }
    fn is_shared(&self) -> bool {
        true
    }
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let range = RangeRequest { key: self.prefix.as_bytes().to_vec(), limit: 1, ..RangeRequest::default() };
        let answer: RangeResponse = self.client.repeat(RANGE, range).await?;
        let revision = answer.header.map_or(0, |header| header.revision);
        Ok(Box::new(Moment { storage: self.clone(), revision, after: None }))
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        let mut scans = 1;
        loop {
            match self.pages(prefix, after, limit, 0).await {
                Err(error) if scans < SCANS && error.to_string().contains("has been compacted") => scans += 1,
                other => return other,
            }
        }
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        let order = Order::of(batch, &self.prefix);
        if order.is_empty() {
            return Ok(());
        }
        if order.only_looks() {
            return self.look(&order).await;
        }
        let _permit = self.marks.permit().await?;
        if order.is_wide() {
            return self.commit_alone(&order).await;
        }
        let end = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            let mark = self.marks.take(&self.client).await?;
            let txn = order.transaction(&mark, &self.gate);
            match self.client.call::<_, TxnResponse>(TXN, txn).await {
                Ok(answer) if answer.succeeded => {
                    self.marks.give_back(mark, true);
                    return Ok(());
                }
                Ok(answer) => {
                    let found = versions(&answer);
                    if found.first().is_some_and(|mark| *mark > 0) {
                        self.marks.give_back(mark, false);
                    }
                    // A closed gate opens soon; of a mark that somebody deleted, the next one is new.
                    if let [(1..), 0, guards @ ..] = found.as_slice() {
                        return Err(conflict(&order, guards));
                    }
                }
                Err(Fault::Refused(error)) => {
                    self.marks.give_back(mark, false);
                    return Err(error);
                }
                Err(Fault::Unknown(status)) => match self.marks.fate(&self.client, mark).await? {
                    Fate::Done => return Ok(()),
                    Fate::Never if Instant::now() >= end => return Err(self.client.words(&status)),
                    Fate::Never => {}
                },
            }
            if Instant::now() >= end {
                return Err(Error::Unavailable("etcd does not take the commit".to_owned()));
            }
            pause(attempt).await;
            attempt += 1;
        }
    }
}
