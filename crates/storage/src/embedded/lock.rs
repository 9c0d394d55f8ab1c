//! Lets one process at a time have a store. SQLite itself would let two in, but the writer's version counter
//! lives in memory, so a second writer would use versions twice.
use super::failure;
use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

const FILE: &str = "lock";

/// Held as long as the store is open. The system releases it when the process ends, however it ends, so a
/// lock file that is left behind locks nobody out.
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let fault = |error: std::io::Error| failure::file("cannot lock", &path, &error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(directory, &mut file)),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        // The number is for the error message only; the lock is what counts.
        file.set_len(0).map_err(fault)?;
        file.rewind().map_err(fault)?;
        writeln!(file, "{}", std::process::id()).map_err(fault)?;
        Ok(Self { _file: file })
    }
}

fn taken(directory: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    // Whoever holds the lock may be just about to write the number, or the platform may not let it be read.
    let holder = match file.read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
        _ => "another process".to_owned(),
    };
    Error::Unavailable(format!(
        "the store `{}` is in use by {holder}; stop it first or choose another directory",
        directory.display()
    ))
}
