//! `syslog`: sends lines to the local syslog daemon (RFC 3164, as `syslog(3)` writes them).
use super::{DeviceError, Options, Sink};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

const INFO: u8 = 6;
const FACILITIES: [(&str, u8); 20] = [
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

/// The daemon's socket.
pub(super) struct Syslog {
    path: PathBuf,
    head: String,
    socket: UnixDatagram,
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    // A daemon that does not read leaves its queue full.
    socket.set_write_timeout(Some(Duration::from_secs(2)))?;
    Ok(socket)
}

impl Syslog {
    /// The daemon behind `/dev/log`, or behind `socket_path` where that is given.
    pub(super) fn open(options: &Options) -> Result<Self, DeviceError> {
        let facility = options.get("facility").map_or("AUTH", String::as_str);
        let found = FACILITIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(facility));
        let (_, code) = found.ok_or_else(|| {
            DeviceError::Option(format!("facility '{facility}' is none: use AUTH, DAEMON, LOCAL0 or the like"))
        })?;
        let tag = options.get("tag").map_or("vault", String::as_str);
        let path = PathBuf::from(options.get("socket_path").map_or("/dev/log", String::as_str));
        let socket = connect(&path);
        let socket = socket.map_err(|source| DeviceError::Open { target: path.display().to_string(), source })?;
        let head = format!("<{}>{tag}[{}]: ", code * 8 + INFO, std::process::id());
        Ok(Self { path, head, socket })
    }
    fn connect(&mut self) -> io::Result<()> {
        self.socket = connect(&self.path)?;
        Ok(())
    }
}

impl Sink for Syslog {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut message = self.head.clone().into_bytes();
        message.extend_from_slice(line);
        if self.socket.send(&message).is_ok() {
            return Ok(());
        }
        // The daemon was restarted.
        self.connect()?;
        self.socket.send(&message).map(drop)
    }
    fn reopen(&mut self) {
        if let Err(error) = self.connect() {
            tracing::error!(path = %self.path.display(), %error, "the syslog daemon does not answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_gets_priority_tag_and_line_and_may_be_restarted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let options = [("socket_path", path.to_str().unwrap()), ("facility", "local3"), ("tag", "t")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut syslog = Syslog::open(&options).unwrap();
        syslog.write(b"{}\n").unwrap();
        let mut buffer = [0; 100];
        let size = daemon.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
        assert!(text.starts_with("<158>t[") && text.ends_with("]: {}\n"), "{text}");
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        assert!(syslog.write(b"{}\n").is_err());
        let _again = UnixDatagram::bind(&path).unwrap();
        syslog.write(b"{}\n").unwrap();
    }
}
