//! Turns what SQLite and the file system report into an error that says what to do about it.
use crate::Error;
use rusqlite::ErrorCode;
use std::path::Path;

/// An error of SQLite, with a hint where there is one.
pub(super) fn unavailable(error: &rusqlite::Error) -> Error {
    Error::Unavailable(match error.sqlite_error_code().and_then(hint) {
        Some(hint) => format!("{hint} ({error})"),
        None => error.to_string(),
    })
}

/// The same where one key (or prefix) was being read: damage is reported with its place.
pub(super) fn reading(key: &str, error: &rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => Error::Corrupt { key: key.to_owned(), reason: error.to_string() },
        _ if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Error::Corrupt { key: key.to_owned(), reason: format!("{DAMAGED} ({error})") }
        }
        _ => unavailable(error),
    }
}

/// An error of the file system about `path`.
pub(super) fn file(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("{what} `{}`: {error}", path.display()))
}

const DAMAGED: &str = "the database file is damaged; restore a backup";

fn hint(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::DiskFull => "the disk is full; free some space",
        ErrorCode::SystemIoFailure => "the disk failed to read or write; see the system log",
        ErrorCode::ReadOnly => "the store cannot be written; check the owner and permissions of its directory",
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            "the database file cannot be opened; check the owner and permissions of its directory"
        }
        ErrorCode::DatabaseCorrupt => DAMAGED,
        ErrorCode::NotADatabase => "the file is not a Lessor database, or damaged; restore a backup",
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "another program holds the database file; stop it",
        ErrorCode::OutOfMemory => "out of memory",
        _ => return None,
    })
}
