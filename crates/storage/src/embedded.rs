//! The default engine: SQLite in one directory, one writer that commits many batches with one flush.
//!
//! Every call is a message to a thread that owns its connection; no call blocks the async runtime, and no
//! thread is handed from pool to pool. The writer takes whatever has queued up while the last flush ran and
//! commits it as one transaction. Readers see committed, flushed states only (SQLite publishes a transaction
//! to them after its flush), so nobody can act on a state that a power cut would take back.
//!
//! A call whose future is dropped may still take effect.
mod failure;
mod lock;
mod reader;
mod schema;
mod snapshot;
mod writer;

use crate::{Batch, Entry, Error, Result, Snapshot, Storage, Write};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Calls that may wait in each queue; a caller beyond that waits for room.
const QUEUE: usize = 1024;
/// Threads for `get`, and as many again for `scan`, so that long scans never hold up a get.
const READERS: usize = 2;
/// The most one batch may carry. One batch beyond what SQLite can hold would fail all those it shares a
/// transaction with, so the limit is checked before it is queued.
const MAX_BATCH_BYTES: usize = 64 << 20;

/// A store in one directory of the local disk. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct EmbeddedStorage {
    threads: Arc<Threads>,
}

struct Threads {
    path: PathBuf,
    // Options, because closing means dropping each sender before its threads are waited for.
    commits: Option<mpsc::Sender<writer::Commit>>,
    gets: Option<mpsc::Sender<reader::Get>>,
    scans: Option<mpsc::Sender<reader::Scan>>,
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStorage {
    /// Opens the store in the directory `path`, which is created if it is not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if another process has the store open, if the directory cannot be used, or if
    /// it holds something else than a store this version can read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), &schema::Options::default())
    }

    fn open_with(path: &Path, options: &schema::Options) -> Result<Self> {
        schema::create_directory(path)?;
        let lock = lock::DirectoryLock::take(path)?;
        let writer = writer::Writer::open(path, options, lock)?;
        let mut connections = Vec::with_capacity(2 * READERS);
        for _ in 0..2 * READERS {
            connections.push(schema::open_reader(path)?);
        }

        // From here on an early return drops `threads`, which stops what has been started.
        let mut threads = Threads {
            path: path.to_owned(),
            commits: None,
            gets: None,
            scans: None,
            readers: Vec::new(),
            writer: None,
        };
        let (commits, queue) = mpsc::channel(QUEUE);
        threads.commits = Some(commits);
        threads.writer = Some(spawn("lessor-commit", move || writer.run(queue))?);

        let (gets, queue) = mpsc::channel(QUEUE);
        threads.gets = Some(gets);
        let get_queue = Arc::new(Mutex::new(queue));
        let (scans, queue) = mpsc::channel(QUEUE);
        threads.scans = Some(scans);
        let scan_queue = Arc::new(Mutex::new(queue));
        for (number, connection) in connections.into_iter().enumerate() {
            let thread = if number < READERS {
                let queue = Arc::clone(&get_queue);
                spawn("lessor-get", move || reader::serve_gets(&connection, &queue))?
            } else {
                let queue = Arc::clone(&scan_queue);
                spawn("lessor-scan", move || reader::serve_scans(&connection, &queue))?
            };
            threads.readers.push(thread);
        }
        Ok(Self { threads: Arc::new(threads) })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| Error::Unavailable(format!("the thread {name} cannot be started: {error}")))
}

impl Drop for Threads {
    /// Waits for the threads, so that whoever opens the directory next finds it unlocked. Readers go first:
    /// the last connection to close empties the log, and that should be the writer, which holds the lock.
    fn drop(&mut self) {
        self.gets = None;
        self.scans = None;
        for reader in self.readers.drain(..) {
            // A thread that panicked has already said so; there is nothing left to stop.
            let _ = reader.join();
        }
        self.commits = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Queues a request and waits for its answer.
async fn ask<Q, A>(
    queue: Option<&mpsc::Sender<Q>>,
    request: impl FnOnce(oneshot::Sender<Result<A>>) -> Q + Send,
) -> Result<A> {
    let stopped = || Error::Unavailable("the store has stopped after an internal fault; restart the server".into());
    let (reply, answer) = oneshot::channel();
    queue.ok_or_else(stopped)?.send(request(reply)).await.map_err(|_| stopped())?;
    answer.await.map_err(|_| stopped())?
}

#[async_trait]
impl Storage for EmbeddedStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let key = key.to_owned();
        ask(self.threads.gets.as_ref(), |reply| reader::Get { key, reply }).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        ask(self.threads.scans.as_ref(), |reply| reader::Scan { prefix, after, limit, reply }).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(snapshot::Moment::begin(&self.threads.path).await?))
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let bytes = size(&batch);
        if bytes > MAX_BATCH_BYTES {
            return Err(Error::Unavailable(format!(
                "a batch of {bytes} bytes was refused: the limit is {MAX_BATCH_BYTES} bytes"
            )));
        }
        ask(self.threads.commits.as_ref(), |reply| writer::Commit { batch, bytes, reply }).await
    }
}

/// What a batch carries, in bytes.
fn size(batch: &Batch) -> usize {
    let expects = batch.expects.iter().map(|(key, _)| key.len());
    let writes = batch.writes.iter().map(|write| match write {
        Write::Put(key, value) => key.len() + value.len(),
        Write::Delete(key) => key.len(),
    });
    expects.chain(writes).sum()
}

#[cfg(test)]
mod tests;
