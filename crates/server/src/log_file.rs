//! A log file that is put aside when it is old or large.
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When a file is put aside, and how many are kept.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Bytes; 0 is no bound.
    pub bytes: u64,
    /// Age.
    pub duration: Duration,
    /// Old files: 0 is all of them, negative is none.
    pub max_files: i64,
}

/// The open file. Old ones carry the time at which they were put aside, in nanoseconds, before their extension.
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    written: u64,
    since: Instant,
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

impl LogFile {
    /// Opens a file; of a directory (a trailing slash) the file `vault.log`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let path = if folder { path.join("vault.log") } else { path.to_owned() };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = open(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, rotation, file, written, since: Instant::now() })
    }
    fn full(&self, more: usize) -> bool {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let large = self.rotation.bytes > 0 && self.written.saturating_add(more) > self.rotation.bytes;
        self.written > 0 && (large || self.since.elapsed() >= self.rotation.duration)
    }
    fn rotate(&mut self) -> io::Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let (stem, end) = self.name();
        std::fs::rename(&self.path, self.path.with_file_name(format!("{stem}-{time}{end}")))?;
        self.file = open(&self.path)?;
        self.written = 0;
        self.since = Instant::now();
        self.prune()
    }
    fn name(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let end = self.path.extension().map(|end| format!(".{}", end.to_string_lossy()));
        (text(self.path.file_stem()), end.unwrap_or_default())
    }
    fn prune(&self) -> io::Result<()> {
        if self.rotation.max_files == 0 {
            return Ok(());
        }
        let keep = usize::try_from(self.rotation.max_files).unwrap_or(0);
        let mut old = self.old()?;
        old.sort_unstable();
        for path in old.iter().rev().skip(keep) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
    fn old(&self) -> io::Result<Vec<PathBuf>> {
        let (stem, end) = self.name();
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut found = Vec::new();
        for entry in std::fs::read_dir(parent.unwrap_or(Path::new(".")))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let time = name.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(&end));
            if time.is_some_and(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit())) {
                found.push(path);
            }
        }
        Ok(found)
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A file that cannot be put aside is written on; there is nowhere to complain.
        if self.full(line.len()) {
            let _ = self.rotate();
        }
        let written = self.file.write(line)?;
        self.written = self.written.saturating_add(u64::try_from(written).unwrap_or_default());
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: u64, max_files: i64) -> (usize, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/l.log");
        let rotation = Rotation { bytes, duration: Duration::from_secs(3600), max_files };
        let mut file = LogFile::open(&path, rotation).unwrap();
        for line in 0..5 {
            writeln!(file, "line {line}").unwrap();
        }
        (file.old().unwrap().len(), std::fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn large_files_are_put_aside_and_so_many_are_kept() {
        assert_eq!(lines(0, 0).0, 0);
        assert_eq!(lines(14, 0), (2, "line 4\n".to_owned()));
        assert_eq!(lines(7, 0).0, 4);
        assert_eq!(lines(7, 2).0, 2);
        assert_eq!(lines(7, -1), (0, "line 4\n".to_owned()));
    }

    #[test]
    fn old_files_are_put_aside_and_a_folder_gets_the_usual_name() {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation { bytes: 0, duration: Duration::ZERO, max_files: 0 };
        let mut file = LogFile::open(folder.path(), rotation).unwrap();
        writeln!(file, "one").unwrap();
        writeln!(file, "two").unwrap();
        assert!(folder.path().join("vault.log").exists());
        assert!(!file.old().unwrap().is_empty());
    }
}
