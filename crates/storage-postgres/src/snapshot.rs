//! Everything as of one moment: a transaction that reads, on a connection of its own.
use crate::pool::{PATIENCE, Pool};
use crate::session::Session;
use crate::{entry, failure};
use async_trait::async_trait;
use lessor_storage::{Entry, Error, Result, Snapshot};
use std::sync::Arc;
use tokio::time::Instant;

/// Entries of one page.
const PAGE: i64 = 512;
/// A page may take as long as a statement may; the transaction as a whole takes as long as it takes.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1";

/// An open transaction. It ends with its connection.
pub(crate) struct Moment {
    pool: Arc<Pool>,
    session: Session,
    after: Vec<u8>,
}

impl Moment {
    pub(crate) async fn begin(pool: Arc<Pool>) -> Result<Self> {
        let session = pool.open(Instant::now() + PATIENCE).await?;
        let fault = |error: tokio_postgres::Error| failure::statement(&error, &pool.settings.names);
        session.client.batch_execute(BEGIN).await.map_err(fault)?;
        // The moment is that of the first statement that reads a table.
        session.client.query(&session.get, &[&[0_u8].as_slice()]).await.map_err(fault)?;
        Ok(Self { pool, session, after: Vec::new() })
    }
}

#[async_trait]
impl Snapshot for Moment {
    async fn page(&mut self) -> Result<Vec<Entry>> {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&self.after, &[0xff_u8].as_slice(), &PAGE];
        let rows = self.session.client.query(&self.session.scan, &params).await;
        let rows = rows.map_err(|error| failure::statement(&error, &self.pool.settings.names))?;
        let page = rows.iter().map(entry).collect::<Result<Vec<Entry>, Error>>()?;
        if let Some(last) = page.last() {
            self.after = [last.key.as_bytes(), &[0]].concat();
        }
        Ok(page)
    }
}
