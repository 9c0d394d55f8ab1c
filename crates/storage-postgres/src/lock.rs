//! The right of one server to work on the table: an advisory lock of a session of its own.
use crate::failure;
use crate::order::number;
use crate::session::connect;
use crate::settings::Settings;
use async_trait::async_trait;
use lessor_storage::alone::{Claim, Terms};
use lessor_storage::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::Client;

/// How long the server may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(4);
/// PostgreSQL frees the lock of a server that vanished without a word after about this time.
const KEEPALIVE: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

pub(crate) const TERMS: Terms = Terms {
    renew: Duration::from_secs(1),
    lasts: Duration::from_secs(10),
    wait: Duration::from_secs(5),
    give_up: Duration::from_secs(60),
};

pub(crate) struct ServerLock {
    settings: Arc<Settings>,
    number: i64,
    connection: Mutex<Option<Client>>,
}

impl ServerLock {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut server = settings.server.clone();
        // Who looks for the holder finds it by this.
        server.config.application_name(format!("lessor, process {}", std::process::id()));
        let settings = Arc::new(settings.with_server(server));
        let number = number(&settings.names.entries(), "server\0");
        Self { settings, number, connection: Mutex::new(None) }
    }

    async fn take(&self, client: &Client) -> Result<Option<String>> {
        let fault = |error: tokio_postgres::Error| failure::statement(&error, &self.settings.names);
        client.batch_execute(KEEPALIVE).await.map_err(fault)?;
        let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&self.number]).await.map_err(fault)?;
        if row.get(0) {
            return Ok(None);
        }
        let sql = "SELECT coalesce(a.application_name, 'unknown') || coalesce(' at ' || host(a.client_addr), '') \
                   FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
                   WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND ((l.classid::bigint << 32) | l.objid::bigint) = $1";
        let rows = client.query(sql, &[&self.number]).await.map_err(fault)?;
        Ok(Some(rows.first().map_or_else(|| "unknown".to_owned(), |row| row.get(0))))
    }
}

#[async_trait]
impl Claim for ServerLock {
    async fn hold(&self) -> Result<Option<String>> {
        let mut connection = self.connection.lock().await;
        if let Some(client) = connection.as_ref()
            && let Ok(Ok(_)) = tokio::time::timeout(ANSWER, client.simple_query("SELECT 1")).await
        {
            return Ok(None);
        }
        *connection = None;
        let client = connect(&self.settings).await.map_err(crate::session::Fault::error)?;
        let taken = tokio::time::timeout(ANSWER, self.take(&client)).await;
        let holder = taken.map_err(|_| Error::Unavailable("PostgreSQL does not answer".to_owned()))??;
        if holder.is_none() {
            *connection = Some(client);
        }
        Ok(holder)
    }
    async fn release(&self) {
        if let Some(client) = self.connection.lock().await.take() {
            // The end of the connection frees it as well.
            let _ = client.query("SELECT pg_advisory_unlock($1)", &[&self.number]).await;
        }
    }
}
