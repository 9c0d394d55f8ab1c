//! Marks by which the outcome of a commit is found out when its answer was lost.
//!
//! Each commit takes a mark of its own for its time and counts it up in the same transaction, on the condition that the
//! mark is there. Whoever missed the answer deletes the mark unless it has the new count: then the commit either took
//! place or never will.
use crate::client::{Client, DELETE_RANGE, Fault, PATIENCE, TXN, pause};
use crate::proto::{Compare, DeleteRangeRequest, EQUAL, Empty, Op, PutRequest, Target, TxnRequest, TxnResponse, VALUE};
use lessor_storage::{Error, Result};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Commits at once; more wait.
const PARALLEL: usize = 128;
/// A mark is replaced after this time, and deleted by whoever starts after twice of it.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

pub(crate) struct Mark {
    pub(crate) key: Vec<u8>,
    count: u64,
    born: Instant,
}

impl Mark {
    pub(crate) fn named(name: &str) -> Self {
        Self { key: name.as_bytes().to_vec(), count: 0, born: Instant::now() }
    }
    /// The write that goes with the next commit.
    pub(crate) fn counted(&self) -> Op {
        Op::Put(PutRequest { key: self.key.clone(), value: self.next(), lease: 0 })
    }
    fn next(&self) -> Vec<u8> {
        (self.count + 1).to_string().into_bytes()
    }
}

pub(crate) struct Marks {
    prefix: String,
    permits: Semaphore,
    free: Mutex<Vec<Mark>>,
}

/// What became of a commit whose answer was lost.
pub(crate) enum Fate {
    /// It took place.
    Done,
    /// It did not and never will.
    Never,
}

impl Marks {
    pub(crate) fn new(path: &str) -> Self {
        Self { prefix: format!("{path}mark/"), permits: Semaphore::new(PARALLEL), free: Mutex::new(Vec::new()) }
    }

    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(PATIENCE, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Unavailable("etcd does not keep up: too many commits wait".to_owned())),
        }
    }

    /// A free mark, or a new one.
    pub(crate) async fn take(&self, client: &Client) -> Result<Mark> {
        while let Some(mark) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            if mark.born.elapsed() < LIFETIME {
                return Ok(mark);
            }
        }
        let name = format!("{}{:010}-{:016x}", self.prefix, seconds(), rand::random::<u64>());
        let mark = Mark::named(&name);
        let put = Op::Put(PutRequest { key: mark.key.clone(), value: b"0".to_vec(), lease: 0 });
        // Nobody else has the name, so it may be repeated.
        let _: TxnResponse =
            client.repeat(TXN, TxnRequest { success: vec![put.into()], ..TxnRequest::default() }).await?;
        Ok(mark)
    }

    /// After a commit that was answered; `written` tells whether it took place.
    pub(crate) fn give_back(&self, mut mark: Mark, written: bool) {
        mark.count += u64::from(written);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
    }

    /// Finds out what became of the commit that was sent with the mark.
    pub(crate) async fn fate(&self, client: &Client, mark: Mark) -> Result<Fate> {
        let compare =
            Compare { result: EQUAL, target: VALUE, key: mark.key.clone(), with: Some(Target::Value(mark.next())) };
        let delete = Op::Delete(DeleteRangeRequest { key: mark.key, range_end: Vec::new() });
        let ask = TxnRequest { compare: vec![compare], failure: vec![delete.into()], ..TxnRequest::default() };
        let end = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            match client.call::<_, TxnResponse>(TXN, ask.clone()).await {
                Ok(answer) if answer.succeeded => return Ok(Fate::Done),
                Ok(_) => return Ok(Fate::Never),
                Err(Fault::Refused(error)) => return Err(error),
                Err(Fault::Unknown(_)) if Instant::now() < end => pause(attempt).await,
                Err(Fault::Unknown(status)) => {
                    let why = client.words(&status);
                    return Err(Error::Unavailable(format!("whether the commit took place is not known: {why}")));
                }
            }
            attempt += 1;
        }
    }

    /// Deletes marks of processes that are long gone.
    pub(crate) async fn sweep(&self, client: &Client) -> Result<()> {
        let old = seconds().saturating_sub(2 * LIFETIME.as_secs());
        let (key, range_end) = (self.prefix.clone().into_bytes(), format!("{}{old:010}", self.prefix).into_bytes());
        let _: Empty = client.repeat(DELETE_RANGE, DeleteRangeRequest { key, range_end }).await?;
        Ok(())
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
