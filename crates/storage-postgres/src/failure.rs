//! What a server or the driver says, as a text that says what to do about it.
use crate::settings::{CONNECT_TIMEOUT, Names};
use lessor_postgres::OpenError;
use lessor_storage::Error;
use std::error::Error as _;
use tokio_postgres::error::SqlState;

/// A connection that another one has given up (`commit`'s own code).
const GIVEN_UP: &str = "LS001";

/// Whether waiting may help: the server is away, coming up, going down, or full.
pub(crate) fn is_passing(error: &OpenError) -> bool {
    match error {
        OpenError::Timeout => true,
        OpenError::Driver(error) => match error.code() {
            Some(code) => is_absence(code) || *code == SqlState::TOO_MANY_CONNECTIONS,
            // It may be killed in the middle of a login.
            None => error.is_closed() || is_io(error),
        },
    }
}

/// Whether the connection is no more; what became of the last thing sent on it is not known.
pub(crate) fn is_broken(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => is_absence(code) || code.code() == GIVEN_UP,
        None => error.is_closed() || is_io(error),
    }
}

/// Two transactions met; this one was undone and may be repeated.
pub(crate) fn is_collision(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

fn is_absence(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() != std::io::ErrorKind::InvalidData) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Why there is no connection.
pub(crate) fn opening(error: &OpenError) -> Error {
    match error {
        OpenError::Timeout => {
            Error::Unavailable(format!("PostgreSQL did not answer within {} s", CONNECT_TIMEOUT.as_secs()))
        }
        OpenError::Driver(error) => Error::Unavailable(match error.code().and_then(login_hint) {
            Some(hint) => format!("{hint} ({})", words(error)),
            None => format!("no connection to PostgreSQL: {}", words(error)),
        }),
    }
}

fn login_hint(code: &SqlState) -> Option<&'static str> {
    Some(match code.code() {
        "28P01" => "PostgreSQL refused the password: check user and password in connection_url",
        "28000" => "PostgreSQL refused the login: check the user in connection_url and the server's pg_hba.conf",
        "3D000" => "the database in connection_url does not exist: create it with CREATE DATABASE",
        "42501" => "the account may not connect to the database: GRANT CONNECT ON DATABASE ... TO ...",
        "53300" => "PostgreSQL has no connection left: raise its max_connections or lower max_parallel",
        "57P03" => "PostgreSQL is starting up or shutting down",
        _ => return None,
    })
}

/// Why a statement failed.
pub(crate) fn statement(error: &tokio_postgres::Error, names: &Names) -> Error {
    let words = words(error);
    Error::Unavailable(match error.code().and_then(|code| hint(code, names)) {
        Some(hint) => format!("{hint} ({words})"),
        None => words,
    })
}

fn hint(code: &SqlState, names: &Names) -> Option<String> {
    let table = &names.table;
    Some(match code.code() {
        "25006" => READ_ONLY.to_owned(),
        "53100" => "the disk of the PostgreSQL server is full; free some space there".to_owned(),
        "53200" => "the PostgreSQL server is out of memory".to_owned(),
        "42501" => rights(names),
        "42P01" | "42883" => {
            format!("the table {table} or its function is gone; restart the server to have it made again")
        }
        "54000" => "a key is longer than PostgreSQL can index (about 2700 bytes)".to_owned(),
        "57014" => "PostgreSQL took too long and the statement was cancelled".to_owned(),
        _ => return None,
    })
}

/// For a standby, and for a database or role that was set to read-only.
pub(crate) const READ_ONLY: &str = "this server is a read-only replica: give the primary's address (with several hosts in \
     connection_url, target_session_attrs=read-write finds it); or the account or database was set to read-only";

/// What an account needs that does not own the tables.
pub(crate) fn rights(names: &Names) -> String {
    format!(
        "the account lacks rights: GRANT SELECT, INSERT, UPDATE, DELETE ON {}, {}; GRANT SELECT ON {}; GRANT USAGE ON SEQUENCE \
         {}; GRANT EXECUTE ON FUNCTION {}; each TO the account in connection_url",
        names.entries(),
        names.sessions(),
        names.layout(),
        names.versions(),
        names.commit()
    )
}

/// The error with its causes: the driver's own word says little without them.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{}: {} [SQLSTATE {}]", db.severity(), db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}
