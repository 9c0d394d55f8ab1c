//! One connection, made ready: settings, prepared statements, and its row among the sessions.
use crate::failure::{self, READ_ONLY};
use crate::settings::{CONNECT_TIMEOUT, Settings};
use lessor_postgres::OpenError;
use lessor_storage::Error;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage, Statement};

/// How long a statement may take, by the server's clock and, a little longer, by ours.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Plans are by index, whatever the size of the tables was when they were made; commits that were acknowledged are on
/// disk, whatever the server's default is.
const SETUP: &str = "SET statement_timeout = '30s'; SET default_transaction_isolation = 'read committed'; \
     SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
     SHOW transaction_read_only";

/// Why there is no session.
pub(crate) enum Fault {
    /// Waiting may help.
    Passing(Error),
    /// It will not.
    Lasting(Error),
}

impl Fault {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
    fn opening(error: &OpenError) -> Self {
        let text = failure::opening(error);
        if failure::is_passing(error) { Self::Passing(text) } else { Self::Lasting(text) }
    }
    fn statement(error: &tokio_postgres::Error, settings: &Settings) -> Self {
        let text = failure::statement(error, &settings.names);
        if failure::is_broken(error) { Self::Passing(text) } else { Self::Lasting(text) }
    }
}

/// A connection in a pool.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) born: Instant,
    /// Its row among the sessions.
    pub(crate) id: Vec<u8>,
    /// Commits that were answered.
    pub(crate) number: i64,
    pub(crate) get: Statement,
    pub(crate) version: Statement,
    pub(crate) versions: Statement,
    pub(crate) scan: Statement,
    pub(crate) commit: Statement,
}

/// A connection to a server that can be written to.
pub(crate) async fn connect(settings: &Settings) -> Result<Client, Fault> {
    let client = settings.server.open(CONNECT_TIMEOUT).await.map_err(|error| Fault::opening(&error))?;
    let answers = client.simple_query(SETUP).await.map_err(|error| Fault::statement(&error, settings))?;
    let read_only = answers.iter().rev().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    if read_only == Some("on") {
        return Err(Fault::Lasting(Error::Unavailable(READ_ONLY.to_owned())));
    }
    Ok(client)
}

impl Session {
    /// Opens one, within the time a connection may take.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, Fault> {
        match tokio::time::timeout(2 * CONNECT_TIMEOUT, Self::make(settings)).await {
            Ok(made) => made,
            Err(_) => Err(Fault::opening(&OpenError::Timeout)),
        }
    }

    async fn make(settings: &Settings) -> Result<Self, Fault> {
        let client = connect(settings).await?;
        let fault = |error: tokio_postgres::Error| Fault::statement(&error, settings);
        let names = &settings.names;
        let sql = |text: &str| names.fill(text);
        let id = rand::random::<[u8; 16]>().to_vec();
        let (get, version, versions, scan, commit, insert) = (
            sql("SELECT key, value, version FROM {entries} WHERE key = $1"),
            sql("SELECT version FROM {entries} WHERE key = $1"),
            sql("SELECT e.version FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (key, place) \
                 LEFT JOIN {entries} e ON e.key = wanted.key ORDER BY wanted.place"),
            sql("SELECT key, value, version FROM {entries} WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3"),
            sql("SELECT {commit}($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
            // Rows of connections that are long gone are taken along; no connection lives for a day.
            sql("WITH gone AS (DELETE FROM {sessions} WHERE born < now() - interval '1 day') \
                 INSERT INTO {sessions} (id, number, result) VALUES ($1, 0, 0)"),
        );
        // One round trip for all of them.
        let (get, version, versions, scan, commit, insert) = tokio::try_join!(
            client.prepare(&get),
            client.prepare(&version),
            client.prepare(&versions),
            client.prepare(&scan),
            client.prepare(&commit),
            client.prepare(&insert),
        )
        .map_err(fault)?;
        client.execute(&insert, &[&id]).await.map_err(fault)?;
        Ok(Self { client, born: Instant::now(), id, number: 0, get, version, versions, scan, commit })
    }
}
