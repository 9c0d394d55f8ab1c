//! OpenBao's program: its servers and its command line.
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program::Outcome;

/// The program as `tests/install.sh` installs it.
pub struct Bao(PathBuf);

impl Bao {
    /// `None`, with a word of why, where it is not installed; that fails where CI is set.
    pub fn find() -> Option<Self> {
        let cache = std::env::var("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap_or_default()).join(".cache"));
        let path = cache.join("lessor-targets/bao-2.7.2/bin/bao");
        if path.is_file() {
            return Some(Self(path));
        }
        eprintln!("SKIPPED bao: {} is not there; tests/install.sh installs it", path.display());
        assert!(std::env::var("CI").is_err(), "bao has to be there");
        None
    }

    /// A dev server on a free port, its root token being `root`.
    pub fn start(&self, flags: &[&str]) -> Server {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = home.path().join("server.log");
        let output = std::fs::File::create(&log).unwrap();
        let child = Command::new(&self.0)
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .args(flags)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let sign = if flags.contains(&"-dev-skip-init") { "server started!" } else { "Root Token: " };
        Server { child, port, home, log, sign }
    }

    /// Runs a command line against a server.
    pub fn run(&self, words: &[String], env: &[(String, String)], input: &str, home: &Path) -> Outcome {
        let mut child = Command::new(&self.0)
            .args(words)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(env.iter().cloned())
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input closes it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    /// Home and working directory of the program that talks to it.
    pub home: tempfile::TempDir,
    log: PathBuf,
    /// What its log says when it is ready.
    sign: &'static str,
}

impl Server {
    /// Waits until it listens and has set up what dev mode sets up.
    pub fn ready(self) -> Self {
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() || !self.log_text().contains(self.sign) {
            assert!(Instant::now() < end, "the server does not start: {}", self.log_text());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The key share dev mode shows.
    pub fn unseal_key(&self) -> String {
        let log = self.log_text();
        log.lines().find_map(|line| line.strip_prefix("Unseal Key: ")).unwrap_or_default().trim().to_owned()
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
