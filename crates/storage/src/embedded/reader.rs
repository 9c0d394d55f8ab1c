//! The threads that read. Each owns a connection; those of one kind share a queue.
use super::failure::reading;
use crate::{Entry, Result, Version};
use rusqlite::{Connection, OptionalExtension, Row};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Gets that one thread takes at a time: together they pay once for the start of a read transaction.
const GETS: usize = 32;

/// A key to be read.
pub(super) struct Get {
    pub(super) key: String,
    pub(super) reply: oneshot::Sender<Result<Option<Entry>>>,
}

/// A range to be read.
pub(super) struct Scan {
    pub(super) prefix: String,
    pub(super) after: Option<String>,
    pub(super) limit: usize,
    pub(super) reply: oneshot::Sender<Result<Vec<Entry>>>,
}

/// Answers gets until every sender is gone.
pub(super) fn serve_gets(connection: &Connection, queue: &Mutex<mpsc::Receiver<Get>>) {
    let mut waiting = Vec::with_capacity(GETS);
    while take(queue, &mut waiting, GETS) {
        // The transaction begins after the requests were taken, never before: a get that follows a
        // commit must see it. A single get is a transaction by itself, and one that could not be opened
        // costs speed only.
        let transaction = if waiting.len() > 1 { connection.unchecked_transaction().ok() } else { None };
        let mut answers = Vec::with_capacity(waiting.len());
        for get in waiting.drain(..) {
            let answer = match &transaction {
                Some(transaction) => read(transaction, &get.key),
                None => read(connection, &get.key),
            };
            answers.push((get.reply, answer));
        }
        drop(transaction);
        for (reply, answer) in answers {
            let _ = reply.send(answer);
        }
    }
}

/// Answers scans until every sender is gone.
pub(super) fn serve_scans(connection: &Connection, queue: &Mutex<mpsc::Receiver<Scan>>) {
    let mut waiting = Vec::with_capacity(1);
    while take(queue, &mut waiting, 1) {
        for scan in waiting.drain(..) {
            // Whoever asked may have given up while the scan was queued.
            if !scan.reply.is_closed() {
                let entries = range(connection, &scan).map_err(|error| reading(&scan.prefix, &error));
                let _ = scan.reply.send(entries);
            }
        }
    }
}

/// Waits for requests; false when there will be no more.
fn take<T>(queue: &Mutex<mpsc::Receiver<T>>, waiting: &mut Vec<T>, most: usize) -> bool {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.blocking_recv_many(waiting, most) > 0
}

fn read(connection: &Connection, key: &str) -> Result<Option<Entry>> {
    connection
        .prepare_cached("SELECT key, value, version FROM entries WHERE key = ?1")
        .and_then(|mut statement| statement.query_row([key], entry).optional())
        .map_err(|error| reading(key, &error))
}

fn range(connection: &Connection, scan: &Scan) -> rusqlite::Result<Vec<Entry>> {
    // Walks from the first key and stops at the first one without the prefix: one row too many is read at
    // most, and no end of the range has to be made up that might not be valid UTF-8.
    let (sql, from) = match &scan.after {
        Some(after) if *after >= scan.prefix => {
            ("SELECT key, value, version FROM entries WHERE key > ?1 ORDER BY key LIMIT ?2", after)
        }
        _ => ("SELECT key, value, version FROM entries WHERE key >= ?1 ORDER BY key LIMIT ?2", &scan.prefix),
    };
    let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((from, limit))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        if !row.get_ref(0)?.as_str()?.starts_with(&scan.prefix) {
            break;
        }
        entries.push(entry(row)?);
    }
    Ok(entries)
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let version: i64 = row.get(2)?;
    Ok(Entry { key: row.get(0)?, value: row.get(1)?, version: Version(version.cast_unsigned()) })
}
