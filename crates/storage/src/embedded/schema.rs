//! The directory, the database file in it, and how connections are set up.
use super::failure::{self, unavailable};
use crate::{Error, Result};
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "lessor.db";
/// "LSSR": tells our files from those of others.
const APPLICATION: i32 = 0x4c53_5352;
/// The layout of the tables; a newer one than this is refused rather than guessed at.
const LAYOUT: i32 = 1;

const TABLES: &str = "
    CREATE TABLE entries (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE TABLE counter (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL) STRICT;
    INSERT INTO counter (id, version) VALUES (0, 0);";

/// What only tests set.
#[derive(Default)]
pub(super) struct Options {
    /// Bounds the database file, to find out what a full disk does.
    pub(super) max_pages: Option<u32>,
}

/// Creates the directory, readable by its owner only, and makes its existence durable.
pub(super) fn create_directory(directory: &Path) -> Result<()> {
    let fault = |error: std::io::Error| failure::file("cannot create", directory, &error);
    let absolute = std::path::absolute(directory).map_err(fault)?;
    let missing = absolute.ancestors().take_while(|level| !level.exists()).count();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&absolute).map_err(fault)?;
    // Only a flush of its parent makes a new directory survive a power cut.
    absolute.ancestors().skip(1).take(missing).try_for_each(flush)
}

fn flush(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| failure::file("cannot flush", directory, &error))
}

/// The connection that writes. It creates the tables in an empty file and checks them in any other.
pub(super) fn open_writer(directory: &Path, options: &Options) -> Result<Connection> {
    let path = create_file(directory)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| unavailable(&error))?;
    prepare_writer(&mut connection, options).map_err(|error| unavailable(&error))?;
    require(&connection, "journal_mode", "wal")?;
    require(&connection, "synchronous", "2")?;
    create_tables(&mut connection)?;
    flush(directory)?;
    Ok(connection)
}

/// A connection for reading; it sees each state the writer commits.
pub(super) fn open_reader(directory: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(directory.join(FILE), flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        Ok(connection)
    };
    open().map_err(|error| unavailable(&error))
}

/// SQLite gives its log and index files the permissions of the database file, so that is created by us.
fn create_file(directory: &Path) -> Result<PathBuf> {
    let path = directory.join(FILE);
    let mut create = OpenOptions::new();
    create.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    create.open(&path).map_err(|error| failure::file("cannot open", &path, &error))?;
    Ok(path)
}

fn prepare_writer(connection: &mut Connection, options: &Options) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    // Records of a kilobyte or two fit in a page of this size; in smaller ones they would spill.
    connection.pragma_update(None, "page_size", 8192)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    // macOS: a plain fsync there leaves the data in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 128 << 20, |_| Ok(()))?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// Durability rests on these settings, so it is checked that they took.
fn require(connection: &Connection, pragma: &str, wanted: &str) -> Result<()> {
    let found = connection
        .pragma_query_value(None, pragma, |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })
        .map_err(|error| unavailable(&error))?;
    if found == wanted {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "the store needs {pragma}={wanted} but got {found}; is its directory on a network file system?"
    )))
}

fn create_tables(connection: &mut Connection) -> Result<()> {
    let number = |connection: &Connection, pragma| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map_err(|error| unavailable(&error))
    };
    let (application, layout) = (number(connection, "application_id")?, number(connection, "user_version")?);
    match (application, layout) {
        (APPLICATION, LAYOUT) => return Ok(()),
        (APPLICATION, newer) => {
            return Err(Error::Unavailable(format!(
                "the store has layout {newer} but this version of Lessor knows {LAYOUT}; install a newer version"
            )));
        }
        (0, 0) => {}
        _ => return Err(Error::Unavailable("the database file was written by another program".into())),
    }
    let create = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
        transaction.commit()
    };
    create(connection).map_err(|error| unavailable(&error))
}
