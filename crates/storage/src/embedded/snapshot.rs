//! Everything as of one moment: a read transaction on a connection of its own.
use super::failure::reading;
use super::reader::entry;
use super::schema;
use crate::{Entry, Error, Result, Snapshot};
use async_trait::async_trait;
use rusqlite::Connection;
use std::path::Path;

/// Entries of one page.
const PAGE: i64 = 512;

/// An open read transaction. While it lasts the log of later writes grows, and nobody waits for it.
pub(super) struct Moment {
    /// `None` while a page is read, and after a failure.
    connection: Option<Connection>,
    after: Option<String>,
}

impl Moment {
    pub(super) async fn begin(directory: &Path) -> Result<Self> {
        let directory = directory.to_owned();
        let connection = blocking(move || {
            let connection = schema::open_reader(&directory)?;
            // The transaction sees what is there at its first read, not at its beginning.
            let begun = connection.execute_batch("BEGIN; SELECT count(*) FROM (SELECT 1 FROM entries LIMIT 1)");
            begun.map_err(|error| reading("", &error))?;
            Ok(connection)
        });
        Ok(Self { connection: Some(connection.await?), after: None })
    }
}

#[async_trait]
impl Snapshot for Moment {
    async fn page(&mut self) -> Result<Vec<Entry>> {
        let broken = || Error::Unavailable("the snapshot has failed before".into());
        let connection = self.connection.take().ok_or_else(broken)?;
        let after = self.after.clone().unwrap_or_default();
        let (connection, page) = blocking(move || {
            let page = read(&connection, &after).map_err(|error| reading(&after, &error))?;
            Ok((connection, page))
        })
        .await?;
        self.connection = Some(connection);
        self.after = page.last().map(|entry| entry.key.clone()).or(self.after.take());
        Ok(page)
    }
}

fn read(connection: &Connection, after: &str) -> rusqlite::Result<Vec<Entry>> {
    let sql = "SELECT key, value, version FROM entries WHERE key > ?1 ORDER BY key LIMIT ?2";
    connection.prepare_cached(sql)?.query_map((after, PAGE), entry)?.collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let stopped = |error: tokio::task::JoinError| Error::Unavailable(format!("a snapshot was broken off: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}
