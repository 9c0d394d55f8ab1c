//! `file`: appends to a file, or to nothing.
use super::{DeviceError, Options, Sink};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

struct Appending {
    path: PathBuf,
    mode: u32,
    file: File,
}

/// `discard` takes every line and keeps none.
struct Discarding;

/// The file of `file_path`.
pub(super) fn open(options: &Options) -> Result<Box<dyn Sink>, DeviceError> {
    let path = options.get("file_path").or_else(|| options.get("path"));
    let path = path.ok_or_else(|| DeviceError::Option("file_path is required".to_owned()))?;
    if path == "discard" {
        return Ok(Box::new(Discarding));
    }
    let mode = options.get("mode").map_or("0600", String::as_str);
    let mode = u32::from_str_radix(mode, 8)
        .map_err(|_| DeviceError::Option(format!("mode '{mode}' is no octal number such as 0600")))?;
    let mode = if mode == 0 { 0o600 } else { mode };
    let target = PathBuf::from(if path == "stdout" { "/dev/stdout" } else { path });
    let file = append(&target, mode).map_err(|source| DeviceError::Open { target: path.clone(), source })?;
    Ok(Box::new(Appending { path: target, mode, file }))
}

fn append(path: &PathBuf, mode: u32) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(mode).open(path)
}

impl Sink for Appending {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)
    }
    fn reopen(&mut self) {
        match append(&self.path, self.mode) {
            Ok(fresh) => self.file = fresh,
            Err(error) => tracing::error!(path = %self.path.display(), %error, "the audit file stays as it is"),
        }
    }
}

impl Sink for Discarding {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn reopen(&mut self) {}
}
