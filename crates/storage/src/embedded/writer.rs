//! The one thread that writes. All batches that are waiting become one transaction and share its flush.
use super::failure::unavailable;
use super::lock::DirectoryLock;
use super::schema::{self, Options};
use crate::{Batch, Error, Expect, Result, Version, Write};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use tokio::sync::{mpsc, oneshot};

/// The most batches, and about the most bytes, in one transaction; bounds memory and the wait for an answer.
const GROUP: usize = 512;
const GROUP_BYTES: usize = 16 << 20;
/// Pages in the log at which it is copied into the database file. More of them mean fewer, larger copies:
/// a page that was written many times is copied once.
const CHECKPOINT_PAGES: i32 = 4000;

/// A batch that waits to be committed.
pub(super) struct Commit {
    pub(super) batch: Batch,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Result<()>>,
}

/// Owns the writing connection and the version counter.
pub(super) struct Writer {
    // Dropped in this order: the directory stays locked until the connection is closed.
    connection: Connection,
    _lock: DirectoryLock,
    /// The last version given out. Never goes back, not even when a transaction fails: whether its
    /// versions reached the disk may not be known.
    version: i64,
    log_pages: Arc<AtomicI32>,
}

impl Writer {
    pub(super) fn open(directory: &Path, options: &Options, lock: DirectoryLock) -> Result<Self> {
        let mut connection = schema::open_writer(directory, options)?;
        let log_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&log_pages);
        let hooked = connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }));
        let version = hooked
            .and_then(|()| connection.query_row("SELECT version FROM counter WHERE id = 0", [], |row| row.get(0)))
            .map_err(|error| unavailable(&error))?;
        Ok(Self { connection, _lock: lock, version, log_pages })
    }

    /// Commits until every sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Commit>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes;
            let mut group = vec![first];
            while group.len() < GROUP && bytes < GROUP_BYTES {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.bytes;
                group.push(next);
            }
            self.commit(group);
            self.checkpoint();
        }
    }

    /// Commits a group and answers every batch of it, after the flush.
    fn commit(&mut self, group: Vec<Commit>) {
        let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|commit| (commit.batch, commit.reply)).unzip();
        // A caller that has gone away does not want its answer; that is no fault.
        match self.transact(batches) {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(outcome);
                }
            }
            // A conflict found on the way is not reported as one: what it conflicted with may be undone.
            Err(error) => {
                tracing::error!(%error, batches = replies.len(), "a transaction failed");
                for reply in replies {
                    let _ = reply.send(Err(unavailable(&error)));
                }
            }
        }
    }

    /// One outcome per batch; an error means that none of them was committed, or that it is not known.
    fn transact(&mut self, batches: Vec<Batch>) -> rusqlite::Result<Vec<Result<()>>> {
        let before = self.version;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(batches.len());
        {
            let mut statements = Statements::prepare(&transaction)?;
            for batch in batches {
                outcomes.push(match statements.broken(batch.expects)? {
                    Some(key) => Err(Error::Conflict { key }),
                    None => {
                        self.version += 1;
                        statements.apply(batch.writes, self.version)?;
                        Ok(())
                    }
                });
            }
        }
        if self.version != before {
            transaction.prepare_cached("UPDATE counter SET version = ?1 WHERE id = 0")?.execute([self.version])?;
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// Copies the log into the database file when it has grown long. Done here, after the answers, rather
    /// than inside the commit as SQLite would by itself: nobody waits for it who need not.
    fn checkpoint(&mut self) {
        if self.log_pages.load(Ordering::Relaxed) < CHECKPOINT_PAGES {
            return;
        }
        // A copy that fails or that a reader holds up loses nothing: the log stays, and the next commit
        // comes back here.
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the log could not be copied into the database file; it will be tried again");
        }
    }
}

struct Statements<'t> {
    version: CachedStatement<'t>,
    put: CachedStatement<'t>,
    delete: CachedStatement<'t>,
}

impl<'t> Statements<'t> {
    fn prepare(transaction: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            version: transaction.prepare_cached("SELECT version FROM entries WHERE key = ?1")?,
            put: transaction.prepare_cached(
                "INSERT INTO entries (key, value, version) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version",
            )?,
            delete: transaction.prepare_cached("DELETE FROM entries WHERE key = ?1")?,
        })
    }

    /// The first key whose guard does not hold.
    fn broken(&mut self, expects: Vec<(String, Expect)>) -> rusqlite::Result<Option<String>> {
        for (key, expect) in expects {
            let found = self.version.query_row([&key], |row| row.get::<_, i64>(0)).optional()?;
            if !expect.holds(found.map(|version| Version(version.cast_unsigned()))) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn apply(&mut self, writes: Vec<Write>, version: i64) -> rusqlite::Result<()> {
        for write in writes {
            match write {
                Write::Put(key, value) => self.put.execute((key, value, version))?,
                Write::Delete(key) => self.delete.execute([key])?,
            };
        }
        Ok(())
    }
}
