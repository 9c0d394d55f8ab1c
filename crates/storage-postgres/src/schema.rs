//! Makes the tables, and brings older ones up to date.
use crate::failure;
use crate::order::number;
use crate::session::{Fault, connect};
use crate::settings::Settings;
use lessor_storage::{Error, Result};
use tokio_postgres::{Client, Transaction};

/// What leads from each layout to the next. A step that has been released is never changed; the next one is added.
const STEPS: [&str; 2] = [include_str!("../sql/1-entries.sql"), include_str!("../sql/2-commit.sql")];

/// Makes sure that the schema is the one this version works with, and that the account may use it.
pub(crate) async fn prepare(settings: &Settings) -> Result<()> {
    prepare_up_to(settings, STEPS.len()).await
}

pub(crate) async fn prepare_up_to(settings: &Settings, steps: usize) -> Result<()> {
    let mut client = first(settings).await?;
    let fault = |error: tokio_postgres::Error| failure::statement(&error, &settings.names);
    let transaction = client.transaction().await.map_err(fault)?;
    // Nodes that start together make it once.
    let lock = number(&settings.names.entries(), "schema\0");
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&lock]).await.map_err(fault)?;
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    if transaction.query_one(sql, &[]).await.map_err(fault)?.get::<_, i64>(0) == 0 {
        return Err(Error::Unavailable(
            "this server has no advisory locks, which commits need (CockroachDB has none): use PostgreSQL, or a server \
             that is made of it"
                .to_owned(),
        ));
    }
    let found = layout(&transaction, settings).await?;
    if found > STEPS.len() {
        return Err(Error::Unavailable(format!(
            "the table {} has layout {found} but this version of Lessor knows {}; install a newer version",
            settings.names.table,
            STEPS.len()
        )));
    }
    if found < steps && settings.skip_create {
        return Err(Error::Unavailable(format!(
            "the table {} has layout {found}, this version needs {}, and skip_create_table is set: have its owner start \
             Lessor once without it",
            settings.names.table,
            STEPS.len()
        )));
    }
    for step in STEPS.iter().take(steps).skip(found) {
        transaction.batch_execute(&settings.names.fill(step)).await.map_err(|error| making(&error, settings))?;
    }
    if found < steps {
        let sql = settings.names.fill("DELETE FROM {layout}; INSERT INTO {layout} (layout) VALUES ({number})");
        let sql = sql.replace("{number}", &steps.to_string());
        transaction.batch_execute(&sql).await.map_err(|error| making(&error, settings))?;
        tracing::info!(table = settings.names.table, from = found, to = steps, "the schema was made or upgraded");
    }
    transaction.commit().await.map_err(fault)?;
    if steps == STEPS.len() {
        check_rights(&client, settings).await?;
        warn_of_lost_power(&client).await;
    }
    Ok(())
}

/// The first connection, tried as often as the stanza says.
async fn first(settings: &Settings) -> Result<Client> {
    let mut attempt = 0;
    loop {
        match connect(settings).await {
            Ok(client) => return Ok(client),
            Err(Fault::Passing(error)) if attempt < settings.connect_retries => {
                tracing::warn!(%error, "PostgreSQL is not there yet");
                let seconds = 1 << attempt.min(4);
                tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
                attempt += 1;
            }
            Err(fault) => return Err(fault.error()),
        }
    }
}

/// The layout of what is there: 0 for nothing.
async fn layout(transaction: &Transaction<'_>, settings: &Settings) -> Result<usize> {
    let names = &settings.names;
    let fault = |error: tokio_postgres::Error| failure::statement(&error, names);
    let sql = "SELECT to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL";
    let row = transaction.query_one(sql, &[&names.entries(), &names.layout()]).await.map_err(fault)?;
    let (entries, layout): (bool, bool) = (row.get(0), row.get(1));
    if !layout {
        if entries {
            return Err(Error::Unavailable(format!(
                "the table {} was made by another program (Vault's has another form): name another one with 'table'",
                names.table
            )));
        }
        if !settings.skip_create {
            let sql = names.fill("CREATE TABLE {layout} (layout integer NOT NULL)");
            transaction.batch_execute(&sql).await.map_err(|error| making(&error, settings))?;
        }
        return Ok(0);
    }
    let rows = transaction.query(&names.fill("SELECT layout FROM {layout}"), &[]).await.map_err(fault)?;
    match rows.first().map(|row| usize::try_from(row.get::<_, i32>(0))) {
        Some(Ok(found)) => Ok(found),
        _ => Err(Error::Unavailable(format!("the table {} does not say which layout it has", names.table))),
    }
}

/// Why the schema could not be made.
fn making(error: &tokio_postgres::Error, settings: &Settings) -> Error {
    let failed = failure::statement(error, &settings.names);
    let schema = settings.names.schema.as_deref().unwrap_or("public");
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("42501") => Error::Unavailable(format!(
            "the account may not make the tables: GRANT USAGE, CREATE ON SCHEMA {schema} TO the account in connection_url, \
             or have its owner make them and set skip_create_table ({})",
            error.as_db_error().map_or("", |db| db.message())
        )),
        Some("3F000") => Error::Unavailable(format!("the schema {schema} does not exist: CREATE SCHEMA {schema}")),
        _ => failed,
    }
}

/// Asked at the start, so that an operator learns of it before the first request does.
async fn check_rights(client: &Client, settings: &Settings) -> Result<()> {
    let names = &settings.names;
    let sql = "SELECT bool_and(has_table_privilege(t, p)) AND has_sequence_privilege($3, 'USAGE') \
               AND coalesce(has_function_privilege(to_regproc($4)::oid, 'EXECUTE'), false) \
               FROM unnest(ARRAY[$1, $2]::text[]) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p \
               GROUP BY ()";
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&names.entries(), &names.sessions(), &names.versions(), &names.commit()];
    let row = client.query_one(sql, &params).await.map_err(|error| failure::statement(&error, names))?;
    match row.get::<_, Option<bool>>(0) {
        Some(true) => Ok(()),
        _ => Err(Error::Unavailable(failure::rights(names))),
    }
}

async fn warn_of_lost_power(client: &Client) {
    let fsync = client.query_one("SELECT current_setting('fsync')", &[]).await;
    if fsync.is_ok_and(|row| row.get::<_, String>(0) == "off") {
        tracing::warn!("fsync is off on the PostgreSQL server: a power cut there loses leases that were handed out");
    }
}
