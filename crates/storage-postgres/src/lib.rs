//! Storage in PostgreSQL, and in servers that are made of it.
//!
//! One table of keys, values and versions. A commit is one call of one function (`sql/2-commit.sql`): it takes locks of
//! the keys in ascending order, compares the guards with what is there, and writes, in one round trip and one
//! transaction. The locks are advisory ones, so that a key that is absent can be held too, and a key that is only looked
//! at is shared: many leases are made below one token at once.
//!
//! A connection may be lost while a commit is under way. Each one has a row that counts its commits; the next connection
//! deletes that row and learns from it what became of the commit, which is then done, repeated, or reported: never twice,
//! never half. Only when the server stays away is the outcome not known.
mod failure;
mod order;
mod pool;
mod schema;
mod session;
mod settings;
mod snapshot;

use async_trait::async_trait;
use lessor_storage::{Batch, Entry, Error, Opened, Result, Snapshot, Stanza, Storage, StorageKind, Version};
use order::Order;
use pool::{Leased, PATIENCE, Pool, pause};
use session::{STATEMENT_TIMEOUT, Session};
use settings::{FIELDS, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

/// How often a commit that met another one is repeated.
const COLLISIONS: u32 = 10;
/// The server cancels what takes too long; beyond this it does not answer at all.
const NO_ANSWER: Duration = STATEMENT_TIMEOUT.saturating_add(Duration::from_secs(5));

/// `storage "postgresql"`.
pub struct PostgresKind;

#[async_trait]
impl StorageKind for PostgresKind {
    fn labels(&self) -> &'static [&'static str] {
        &["postgresql", "postgres"]
    }
    fn fields(&self) -> &'static [&'static str] {
        FIELDS
    }
    fn check(&self, stanza: &Stanza) -> Result<(), String> {
        Settings::read(stanza, &environment).map(drop)
    }
    async fn open(&self, stanza: &Stanza) -> Result<Opened> {
        let storage = PostgresStorage::open(stanza).await?;
        Ok(Opened { storage: Arc::new(storage), name: "postgresql" })
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A table of a database. Clones share their connections.
#[derive(Clone)]
pub struct PostgresStorage {
    pool: Arc<Pool>,
}

/// What became of a commit whose connection was lost.
enum Fate {
    /// It took effect, or its guards did not hold: the result of the function.
    Done(i32),
    /// It did not and never will.
    Never,
}

impl PostgresStorage {
    /// Connects, and makes or upgrades the tables.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what to do about it.
    pub async fn open(stanza: &Stanza) -> Result<Self> {
        let settings = Arc::new(Settings::read(stanza, &environment).map_err(Error::Unavailable)?);
        schema::prepare(&settings).await?;
        Ok(Self { pool: Arc::new(Pool::new(settings)) })
    }

    fn fault(&self, error: &tokio_postgres::Error) -> Error {
        failure::statement(error, &self.pool.settings.names)
    }

    /// The rows of a statement that only reads, which may be repeated.
    async fn rows(&self, pick: fn(&Session) -> &Statement, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let end = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            let session = self.pool.get(end).await?;
            let error = match timeout(NO_ANSWER, session.client.query(pick(&session), params)).await {
                Ok(Ok(rows)) => {
                    session.give_back();
                    return Ok(rows);
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(Error::Unavailable("PostgreSQL does not answer".to_owned())),
            };
            if failure::is_broken(&error) {
                self.pool.clear();
            } else if !failure::is_collision(&error) {
                session.give_back();
                return Err(self.fault(&error));
            }
            if Instant::now() >= end {
                return Err(self.fault(&error));
            }
            pause(attempt).await;
            attempt += 1;
        }
    }

    /// Commits until the outcome is known: 0, or the place of the guard that did not hold.
    async fn place(&self, order: &Order) -> Result<i32> {
        let end = Instant::now() + PATIENCE;
        let mut collisions = 0;
        loop {
            let mut session = self.pool.get(end).await?;
            let error = match timeout(NO_ANSWER, send(&session, order)).await {
                Ok(Ok(result)) => {
                    session.number += 1;
                    session.give_back();
                    return Ok(result);
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            match error {
                // It was answered, so it was undone.
                Some(error) if !failure::is_broken(&error) => {
                    session.give_back();
                    if !failure::is_collision(&error) || collisions == COLLISIONS {
                        return Err(self.fault(&error));
                    }
                    pause(collisions).await;
                    collisions += 1;
                }
                lost => {
                    self.pool.clear();
                    match self.fate(session, lost).await? {
                        Fate::Done(result) => return Ok(result),
                        Fate::Never if Instant::now() >= end => {
                            return Err(Error::Unavailable(
                                "the connection to PostgreSQL breaks time and again".into(),
                            ));
                        }
                        Fate::Never => {}
                    }
                }
            }
        }
    }

    /// Finds out what became of the last commit on a connection that is lost.
    async fn fate(&self, lost: Leased<'_>, error: Option<tokio_postgres::Error>) -> Result<Fate> {
        let unknown = |why: &Error| {
            let first = error.as_ref().map_or("no answer".to_owned(), ToString::to_string);
            Error::Unavailable(format!(
                "the connection broke ({first}); whether the commit took place is not known: {why}"
            ))
        };
        let end = Instant::now() + PATIENCE;
        let number = lost.number + 1;
        let names = &self.pool.settings.names;
        let (stop, ask) = (
            // Waits for the end of a commit that is under way, and stops one that has not begun.
            names.fill("DELETE FROM {sessions} WHERE id = $1 AND number <> $2"),
            // A statement of its own, so that it sees what the first one has waited for.
            names.fill("SELECT result FROM {sessions} WHERE id = $1 AND number = $2"),
        );
        let mut attempt = 0;
        loop {
            let fresh = self.pool.open(end).await.map_err(|error| unknown(&error))?;
            let asked = async {
                fresh.client.execute(&stop, &[&lost.id, &number]).await?;
                fresh.client.query_opt(&ask, &[&lost.id, &number]).await
            };
            let error = match timeout(NO_ANSWER, asked).await {
                Ok(Ok(Some(row))) => return Ok(Fate::Done(row.get(0))),
                Ok(Ok(None)) => return Ok(Fate::Never),
                Ok(Err(error)) if failure::is_broken(&error) && Instant::now() < end => {
                    pause(attempt).await;
                    attempt += 1;
                    continue;
                }
                Ok(Err(error)) => self.fault(&error),
                Err(_) => Error::Unavailable("PostgreSQL does not answer".to_owned()),
            };
            return Err(unknown(&error));
        }
    }
}

/// One round trip.
async fn send(session: &Session, order: &Order) -> Result<i32, tokio_postgres::Error> {
    let number = session.number + 1;
    let params: [&(dyn ToSql + Sync); 9] = [
        &session.id,
        &number,
        &order.locks,
        &order.exclusive,
        &order.guards,
        &order.wanted,
        &order.put_keys,
        &order.put_values,
        &order.deletes,
    ];
    session.client.query_one(&session.commit, &params).await.map(|row| row.get(0))
}

fn version(number: i64) -> Version {
    Version(number.cast_unsigned())
}

fn entry(row: &Row) -> Result<Entry> {
    let key = String::from_utf8(row.get(0)).map_err(|error| Error::Corrupt {
        key: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        reason: "the key is no UTF-8".to_owned(),
    })?;
    Ok(Entry { key, value: row.get(1), version: version(row.get(2)) })
}

/// The first bytes behind all those that begin with `prefix`; no key begins with 0xff, which UTF-8 does not have.
fn behind(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(0xff),
    }
    end
}

/// Where a scan begins.
fn from(prefix: &str, after: Option<&str>) -> Vec<u8> {
    match after {
        Some(after) if after >= prefix => [after.as_bytes(), &[0]].concat(),
        _ => prefix.as_bytes().to_vec(),
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let rows = self.rows(|session| &session.get, &[&key.as_bytes()]).await?;
        rows.first().map(entry).transpose()
    }
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        let rows = self.rows(|session| &session.version, &[&key.as_bytes()]).await?;
        Ok(rows.first().map(|row| version(row.get(0))))
    }
    async fn versions(&self, keys: &[&str]) -> Result<Vec<Option<Version>>> {
        let wanted: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let rows = self.rows(|session| &session.versions, &[&wanted]).await?;
        Ok(rows.iter().map(|row| row.get::<_, Option<i64>>(0).map(version)).collect())
    }
    fn is_shared(&self) -> bool {
        true
    }
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(snapshot::Moment::begin(Arc::clone(&self.pool)).await?))
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.rows(|session| &session.scan, &[&from(prefix, after), &behind(prefix), &limit]).await?;
        rows.iter().map(entry).collect()
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        let order = Order::of(batch, &self.pool.settings.names.table)?;
        if order.is_empty() {
            return Ok(());
        }
        match usize::try_from(self.place(&order).await?) {
            Ok(0) => Ok(()),
            Ok(place) => {
                let key = order.guards.get(place - 1).map(|key| String::from_utf8_lossy(key).into_owned());
                Err(Error::Conflict { key: key.unwrap_or_default() })
            }
            Err(_) => Err(Error::Unavailable("the commit function gave an answer that it never gives".to_owned())),
        }
    }
}
