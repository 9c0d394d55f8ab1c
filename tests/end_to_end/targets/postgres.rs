//! PostgreSQL from the distribution's package, in a directory and on a port of its own.
use crate::lessor::free_port;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const ROOT: &str = "admin";
pub const ROOT_PASSWORD: &str = "first-root-password";

/// A running server, stopped when dropped.
pub struct Postgres {
    child: Option<Child>,
    directory: tempfile::TempDir,
    host: String,
    options: Vec<String>,
    pub port: u16,
}

fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed by `make test`")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|path| path.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed by `make test`")
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// With settings of its own; the directory they are asked for is one whose files it may use.
    pub fn start_with(options: impl Fn(&Path) -> Vec<String>) -> Self {
        Self::start_at("127.0.0.1", options)
    }

    /// The same on an address that other hosts reach.
    pub fn start_at(host: &str, options: impl Fn(&Path) -> Vec<String>) -> Self {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let password = directory.path().join("password");
        std::fs::write(&password, ROOT_PASSWORD).unwrap();
        // Whoever runs it owns it.
        let _ = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(directory.path()).status();
        let made = unprivileged(&binaries().join("initdb"))
            .args(["-A", "scram-sha-256", "-U", ROOT, "--no-sync", "-E", "UTF8", "--locale=C"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let options = options(directory.path());
        let hosts = File::options().append(true).open(directory.path().join("data/pg_hba.conf"));
        hosts.unwrap().write_all(b"host all all 10.77.0.0/16 scram-sha-256\n").unwrap();
        let _ = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(directory.path()).status();
        let mut postgres = Self { child: None, directory, host: host.to_owned(), options, port: free_port() };
        postgres.resume();
        postgres
    }

    /// A hot standby of this server; the superuser may replicate.
    #[allow(dead_code, reason = "for the tests of the storage engine, which include this file")]
    pub fn standby(&self) -> Self {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let _ = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(directory.path()).status();
        let made = unprivileged(&binaries().join("pg_basebackup"))
            .args(["-R", "-X", "stream", "-c", "fast", "-d", &self.url(ROOT, ROOT_PASSWORD)])
            .arg("-D")
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        let mut standby =
            Self { child: None, directory, host: self.host.clone(), options: Vec::new(), port: free_port() };
        standby.resume();
        standby
    }

    /// Starts the server on its data again.
    pub fn resume(&mut self) {
        let child = unprivileged(&binaries().join("postgres"))
            .arg("-D")
            .arg(self.directory.path().join("data"))
            .args(["-h", &self.host, "-p", &self.port.to_string()])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200"])
            .args(self.options.iter().flat_map(|option| ["-c", option]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(30);
        while !self.query("SELECT 1").status.success() {
            assert!(Instant::now() < end, "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGKILL to the server and every process of it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let own = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
            let _ = Command::new("kill").arg("-9").arg(child.id().to_string()).args(own.split_whitespace()).status();
            let _ = child.wait();
        }
    }

    /// Stops the server at once; its data stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    pub fn url(&self, user: &str, password: &str) -> String {
        format!("postgresql://{user}:{password}@{}:{}/postgres?connect_timeout=5", self.host, self.port)
    }

    /// With the placeholders that a configuration has.
    pub fn template(&self) -> String {
        format!("postgresql://{{{{username}}}}:{{{{password}}}}@{}:{}/postgres?sslmode=disable", self.host, self.port)
    }

    /// PostgreSQL's own client.
    pub fn psql(&self, user: &str, password: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command.arg("-XAtq").arg("-c").arg(sql).arg(self.url(user, password)).stdin(Stdio::null());
        command
    }

    /// The same for names that would have to be escaped in a URL.
    pub fn as_named(&self, user: &str, password: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-h", &self.host, "-p", &self.port.to_string(), "-d", "postgres", "-c", sql]);
        command.arg("-U").arg(user).env("PGPASSWORD", password).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn accepts(&self, user: &str, password: &str) -> bool {
        self.psql(user, password, "SELECT 1").output().unwrap().status.success()
    }

    /// As a second superuser, whose password no test rotates.
    pub fn query(&self, sql: &str) -> Output {
        self.psql(ROOT, ROOT_PASSWORD, sql).output().unwrap()
    }

    pub fn lines(&self, user: &str, password: &str, sql: &str) -> Vec<String> {
        let output = self.psql(user, password, sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// The accounts that leases made.
    pub fn made(&self) -> Vec<String> {
        self.lines(ROOT, ROOT_PASSWORD, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%' ORDER BY 1")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}
